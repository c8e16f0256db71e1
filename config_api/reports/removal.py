"""Deletes a report with all that hangs on it; its history stays."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db.models import Delivery, Recipient, Report, Schedule


def delete_delivery(session: Session, delivery: Delivery) -> None:
    for recipient in session.scalars(select(Recipient).where(Recipient.delivery_id == delivery.id)):
        session.delete(recipient)
    session.flush()
    session.delete(delivery)


def delete_report(session: Session, report: Report) -> None:
    delete_parts(session, report)
    session.delete(report)


def delete_parts(session: Session, report: Report) -> None:
    """Schedules, deliveries and recipients of a report."""
    for schedule in session.scalars(select(Schedule).where(Schedule.config_id == report.id)):
        session.delete(schedule)
    for delivery in session.scalars(select(Delivery).where(Delivery.config_id == report.id)):
        delete_delivery(session, delivery)
    session.flush()
