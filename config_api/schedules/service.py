"""Rules of schedules."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.reports.checks import checked_formats
from config_api.resource import Resource, required
from config_api.schedules.schemas import ScheduleBody, ScheduleOut, SchedulePreviewBody, SchedulePreviewOut
from config_api.versions import Expected
from shared.auth import Principal
from shared.cron import check_timezone, parse
from shared.db.models import Calendar, Delivery, Report, Schedule
from shared.errors import FieldProblem, InvalidInput
from shared.parameters import ParameterSpec, resolve_parameters
from shared.scheduling import expected_next, first_slot

_COPIED = (
    "config_id", "name", "parameters", "delivery_ids", "calendar_id", "misfire_policy", "misfire_grace_seconds",
    "overlap_policy", "jitter_seconds", "start_at", "end_at", "is_active",
)  # fmt: skip

_TIMING = ("cron_expression", "timezone", "calendar_id", "start_at", "end_at", "is_active")


class Schedules(Resource[Schedule, ScheduleBody, ScheduleOut]):
    word, plural = "schedule", "schedules"
    row_type = Schedule
    body_type = ScheduleBody
    out_type = ScheduleOut
    sortable = ("id", "name", "config_id", "next_run_at", "last_run_at", "created_at", "updated_at")
    nested = ("parameters",)

    def fill(self, session: Session, row: Schedule, body: ScheduleBody) -> None:
        report = required(session, Report, body.config_id, "config_id", "report")
        cron = parse(body.cron_expression)
        zone = check_timezone(body.timezone).key
        now = self.context.clock.now()
        specs = [ParameterSpec(**spec) for spec in report.parameters]
        resolve_parameters(specs, body.parameters, now, zone)
        _check_deliveries(session, body)
        _check_times(body)
        if body.calendar_id is not None and session.get(Calendar, body.calendar_id) is None:
            message = "there is no calendar with this id"
            raise InvalidInput(f"calendar_id: {message}.", details=[FieldProblem("calendar_id", message)])
        timing = [getattr(row, name) for name in _TIMING]
        row.cron_expression, row.timezone = str(cron), zone
        row.formats = checked_formats(body.formats)
        for name in _COPIED:
            setattr(row, name, getattr(body, name))
        is_moved = timing != [getattr(row, name) for name in _TIMING]
        # A slot that is due and not yet fired outlives a change of anything but the timing itself.
        row.next_run_at = expected_next(row, now) if not is_moved else first_slot(row, now) if row.is_active else None

    def show(self, row: Schedule) -> ScheduleOut:
        return ScheduleOut.model_validate(row, from_attributes=True)

    def toggle(self, asker: Principal, row_id: int, is_active: bool | None, expected: Expected) -> ScheduleOut:
        """Pause or resume. A paused schedule fires nothing; what it missed meanwhile is not made up for.

        Nothing else is checked: a schedule that no longer fits its report can be paused all the same.
        """

        def write(_session: Session, row: Schedule) -> None:
            wanted = not row.is_active if is_active is None else is_active
            if wanted != row.is_active:
                row.is_active = wanted
                row.next_run_at = first_slot(row, self.context.clock.now()) if wanted else None

        return self.update(asker, row_id, write, expected)

    def preview(self, body: SchedulePreviewBody) -> SchedulePreviewOut:
        """What a cron expression means, and its next slots."""
        cron = parse(body.cron_expression)
        zone = ZoneInfo(check_timezone(body.timezone).key)
        slots = cron.upcoming(body.start or self.context.clock.now(), zone.key, body.count)
        local = [slot.astimezone(zone).isoformat() for slot in slots]
        return SchedulePreviewOut(sentence=cron.sentence(zone.key), next=slots, local=local, warnings=cron.lint())


def _check_deliveries(session: Session, body: ScheduleBody) -> None:
    if not body.delivery_ids:
        return
    known = set(session.scalars(select(Delivery.id).where(Delivery.config_id == body.config_id)))
    problems = [
        FieldProblem(f"delivery_ids.{position}", "the report has no delivery with this id")
        for position, delivery_id in enumerate(body.delivery_ids)
        if delivery_id not in known
    ]
    if problems:
        raise InvalidInput(f"{problems[0].field}: {problems[0].message}.", details=problems)


def _check_times(body: ScheduleBody) -> None:
    if body.start_at is not None and body.end_at is not None and body.end_at <= body.start_at:
        message = "must be after start_at"
        raise InvalidInput(f"end_at {message}.", details=[FieldProblem("end_at", message)])
