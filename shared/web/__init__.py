"""What our HTTP services have in common: envelope, errors, request ids, access, health, metrics."""

from shared.web.app import ServiceContext, create_app, serve
from shared.web.envelope import Envelope, ErrorEnvelope, Page, success
from shared.web.listing import ListQuery, ordered

__all__ = [
    "Envelope",
    "ErrorEnvelope",
    "ListQuery",
    "Page",
    "ServiceContext",
    "create_app",
    "ordered",
    "serve",
    "success",
]
