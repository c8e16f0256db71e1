"""Rules of deliveries."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.deliveries.schemas import DeliveryBody, DeliveryOut
from config_api.plugin_configs import config_policy, plugin_of
from config_api.removal import Removal
from config_api.resource import Resource, required
from shared.db.models import Delivery, Recipient, Report, Schedule
from shared.stored_config import Kept, masked, seal

_COPIED = ("config_id", "name", "condition", "max_retry", "retry_interval_minutes", "on_unknown", "is_active")


class Deliveries(Resource[Delivery, DeliveryBody, DeliveryOut]):
    word, plural = "delivery", "deliveries"
    row_type = Delivery
    body_type = DeliveryBody
    out_type = DeliveryOut
    sortable = ("id", "name", "config_id", "method", "created_at", "updated_at")
    nested = ("delivery_config",)

    def fill(self, session: Session, row: Delivery, body: DeliveryBody) -> None:
        required(session, Report, body.config_id, "config_id", "report")
        plugin = plugin_of("deliverer", body.method, "method")
        row.delivery_config, row.secrets = seal(
            plugin,
            body.delivery_config,
            Kept(row.method or "", row.delivery_config or {}, row.secrets or {}),
            vault=self.context.vault,
            place=f"{row.tenant_id}/{Delivery.__tablename__}",
            policy=config_policy(self.context.settings),
            prefix="delivery_config",
        )
        row.method = plugin.kind
        for name in _COPIED:
            setattr(row, name, getattr(body, name))

    def show(self, row: Delivery) -> DeliveryOut:
        shown = {name: getattr(row, name) for name in DeliveryOut.model_fields if name != "delivery_config"}
        return DeliveryOut(**shown, delivery_config=masked(row.delivery_config, row.secrets))

    def users(self, session: Session, row: Delivery) -> list[str]:
        statement = select(Recipient.address).where(Recipient.delivery_id == row.id).order_by(Recipient.id)
        recipients = [f"the recipient {address}" for address in session.scalars(statement)]
        schedules = session.scalars(select(Schedule).where(Schedule.config_id == row.config_id))
        return recipients + [f"the schedule {s.name}" for s in schedules if row.id in (s.delivery_ids or [])]

    def delete_users(self, row: Delivery, removal: Removal) -> None:
        removal.from_schedules(row)
        removal.recipients_of(row)
