"""Deletes a definition with all that hangs on it, each with its audit entry; the history of executions stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.changes import note_change
from shared.auth import Principal
from shared.db.models import Datasource, Delivery, Recipient, Report, Schedule


@dataclass(frozen=True, slots=True)
class Removal:
    """One deletion, inside the transaction of whoever asked for it."""

    session: Session
    asker: Principal
    now: datetime

    def reports_of(self, datasource: Datasource) -> None:
        for report in self.session.scalars(select(Report).where(Report.datasource_id == datasource.id)).all():
            self.parts_of(report)
            self._delete("report", report, report.name)

    def parts_of(self, report: Report) -> None:
        """Schedules, deliveries and recipients of a report."""
        for schedule in self.session.scalars(select(Schedule).where(Schedule.config_id == report.id)).all():
            self._delete("schedule", schedule, schedule.name)
        for delivery in self.session.scalars(select(Delivery).where(Delivery.config_id == report.id)).all():
            self.recipients_of(delivery)
            self._delete("delivery", delivery, delivery.name)

    def recipients_of(self, delivery: Delivery) -> None:
        for recipient in self.session.scalars(select(Recipient).where(Recipient.delivery_id == delivery.id)).all():
            self._delete("recipient", recipient, recipient.address)

    def from_schedules(self, delivery: Delivery) -> None:
        """Take a delivery out of the schedules that name it. One that named only this delivers to nobody then."""
        for schedule in self.session.scalars(select(Schedule).where(Schedule.config_id == delivery.config_id)).all():
            if delivery.id in (schedule.delivery_ids or []):
                before = {"delivery_ids": schedule.delivery_ids}
                schedule.delivery_ids = [known for known in schedule.delivery_ids or [] if known != delivery.id]
                schedule.updated_at = self.now
                after = {"delivery_ids": schedule.delivery_ids}
                note_change(
                    self.session, self.asker, "changed", "schedule", schedule.id,
                    now=self.now, before=before, after=after,
                )  # fmt: skip

    def _delete(self, word: str, row: Report | Schedule | Delivery | Recipient, name: str) -> None:
        self.session.delete(row)
        self.session.flush()  # in the order of the references between the tables
        before = {"id": row.id, "version": row.version, "name": name}
        note_change(self.session, self.asker, "deleted", word, row.id, now=self.now, before=before)
