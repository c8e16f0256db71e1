"""All tables (DESIGN: section 5), one file per story."""

from shared.db.models.administration import ApiKey, AuditEntry, Calendar, ErrorEntry, Tenant, User
from shared.db.models.base import Base, TenantOwned
from shared.db.models.configuration import Datasource, Delivery, Recipient, Report, Schedule
from shared.db.models.delivery import DeliveryAttempt, DeliveryTask
from shared.db.models.execution import Artifact, Execution
from shared.db.models.record import Record

__all__ = [
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "Base",
    "Calendar",
    "Datasource",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryTask",
    "ErrorEntry",
    "Execution",
    "Recipient",
    "Record",
    "Report",
    "Schedule",
    "Tenant",
    "TenantOwned",
    "User",
]
