"""Rules of schedules."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.reports.checks import checked_formats
from config_api.resource import Resource, required
from config_api.schedules.schemas import PreviewBody, PreviewOut, ScheduleBody, ScheduleOut
from shared.auth import Principal
from shared.cron import check_timezone, parse
from shared.db.models import Calendar, Delivery, Report, Schedule
from shared.errors import FieldProblem, InvalidInput
from shared.parameters import ParameterSpec, resolve_parameters
from shared.scheduling import first_slot

_COPIED = (
    "config_id", "name", "parameters", "delivery_ids", "calendar_id", "misfire_policy", "misfire_grace_seconds",
    "overlap_policy", "jitter_seconds", "start_at", "end_at", "is_active",
)  # fmt: skip


class Schedules(Resource[Schedule, ScheduleBody]):
    word = "schedule"
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
        row.cron_expression, row.timezone = str(cron), zone
        row.formats = checked_formats(body.formats)
        for name in _COPIED:
            setattr(row, name, getattr(body, name))
        row.next_run_at = first_slot(row, now) if row.is_active else None

    def show(self, row: Schedule) -> ScheduleOut:
        return ScheduleOut.model_validate(row, from_attributes=True)

    def toggle(self, asker: Principal, row_id: int, is_active: bool | None, version: int | None) -> ScheduleOut:
        """Pause or resume. A paused schedule fires nothing; what it missed meanwhile is not made up for."""
        current = self.get(asker, row_id)
        assert isinstance(current, ScheduleOut)
        wanted = not current.is_active if is_active is None else is_active
        fields = self.body_type.model_fields
        body = self._checked({k: v for k, v in current.model_dump().items() if k in fields} | {"is_active": wanted})
        shown = self._update(asker, row_id, body, version or current.version)
        assert isinstance(shown, ScheduleOut)
        return shown

    def preview(self, body: PreviewBody) -> PreviewOut:
        """What a cron expression means, and its next slots."""
        cron = parse(body.cron_expression)
        zone = ZoneInfo(check_timezone(body.timezone).key)
        slots = cron.upcoming(body.start or self.context.clock.now(), zone.key, body.count)
        local = [slot.astimezone(zone).isoformat() for slot in slots]
        return PreviewOut(sentence=cron.sentence(zone.key), next=slots, local=local, warnings=cron.lint())


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
