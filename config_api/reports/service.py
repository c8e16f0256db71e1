"""Rules of reports."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.removal import Removal
from config_api.reports.checks import check_file_name, check_query, checked_formats, checked_options, checked_parameters
from config_api.reports.schemas import ReportBody, ReportOut
from config_api.resource import Resource, required
from shared.db.models import Datasource, Delivery, Report, Schedule
from shared.errors import FieldProblem, InvalidInput

_SAME_NAME = (
    "name", "description", "datasource_id", "query", "query_spec", "chart", "file_name_template", "row_limit",
    "on_cap", "timeout_seconds", "tags", "is_active",
)  # fmt: skip


class Reports(Resource[Report, ReportBody, ReportOut]):
    word, plural = "report", "reports"
    row_type = Report
    body_type = ReportBody
    out_type = ReportOut
    nested = ("format_options",)

    def fill(self, session: Session, row: Report, body: ReportBody) -> None:
        datasource = required(session, Datasource, body.datasource_id, "datasource_id", "datasource")
        specs = checked_parameters(body.parameters)
        names = [spec.name for spec in specs]
        check_query(body.query, body.query_spec, datasource.type, names)
        check_file_name(body.file_name_template, names)
        self._check_limits(body)
        row.parameters = [spec.model_dump(mode="json", exclude_unset=True) for spec in specs]
        row.formats = checked_formats(body.formats) or []
        row.format_options = checked_options(body.format_options)
        for name in _SAME_NAME:
            setattr(row, name, getattr(body, name))

    def show(self, row: Report) -> ReportOut:
        return ReportOut.model_validate(row, from_attributes=True)

    def users(self, session: Session, row: Report) -> list[str]:
        schedules = session.scalars(select(Schedule.name).where(Schedule.config_id == row.id).order_by(Schedule.id))
        deliveries = session.scalars(select(Delivery.name).where(Delivery.config_id == row.id).order_by(Delivery.id))
        return [*(f"the schedule {name}" for name in schedules), *(f"the delivery {name}" for name in deliveries)]

    def delete_users(self, row: Report, removal: Removal) -> None:
        removal.parts_of(row)

    def _check_limits(self, body: ReportBody) -> None:
        settings = self.context.settings
        most = {"row_limit": settings.max_row_limit, "timeout_seconds": int(settings.max_timeout.total_seconds())}
        problems = [
            FieldProblem(field, f"this server allows at most {limit:,}")
            for field, limit in most.items()
            if (getattr(body, field) or 0) > limit
        ]
        if problems:
            raise InvalidInput(f"{problems[0].field}: {problems[0].message}", details=problems)
