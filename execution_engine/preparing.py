"""Turns a claimed execution into an order: report, datasource, parameters and formats as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from execution_engine.orders import ExecutionOrder, FormatOrder, Limits, SourceOrder
from shared.db.models import Datasource, Delivery, Execution, Report
from shared.errors import FieldProblem, InvalidInput, NotFound
from shared.parameters import ParameterSpec, resolve_parameters
from shared.plugins import Plugin, PluginConfig, ReportInfo, load
from shared.plugins.files import resolve_server_path
from shared.plugins.schema import server_path_fields
from shared.query_spec import compile_query_spec
from shared.settings import Settings
from shared.stored_config import unseal
from shared.vault import Vault


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order, and what is noted on the execution when it starts."""

    order: ExecutionOrder
    config_version: int
    parameters: dict[str, Any]
    timezone: str
    file_name_template: str


class Preparer:
    """Reads configuration and opens secrets; the only part of the engine that does."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._settings = settings
        self._vault = vault

    def execution(self, session: Session, execution: Execution, workspace: Path, now: datetime) -> Prepared:
        """Everything for one execution.

        Raises:
            NotFound: report or datasource is gone or switched off.
            InvalidInput: parameters, formats or configuration do not fit (any more).
        """
        report = session.get(Report, execution.config_id)
        if report is None:
            raise NotFound("The report was deleted before it could be executed.")
        source = self.source(session, report.datasource_id)
        timezone = execution.request.get("timezone") or "UTC"
        specs = parameter_specs(report.parameters, "parameters")
        values = resolve_parameters(specs, execution.request.get("parameters") or {}, execution.scheduled_for, timezone)
        labels = {spec.label or spec.name: values[spec.name] for spec in specs}
        order = ExecutionOrder(
            source=source,
            query=self.query_text(report, source),
            params=values,
            formats=tuple(self._format(report, name) for name in execution.request.get("formats") or report.formats),
            info=ReportInfo(
                name=report.name,
                scheduled_for=execution.scheduled_for,
                generated_at=now,
                timezone=timezone,
                execution_id=execution.id,
                parameters=labels,
            ),
            workspace=workspace,
            row_limit=min(report.row_limit or self._settings.max_row_limit, self._settings.max_row_limit),
            on_cap=report.on_cap,
            limits=Limits(self._timeout(report), self._settings.worker_memory_mb),
            network=self._settings.network_policy,
            needs_content_hash=self._has_changed_condition(session, report.id),
        )
        parameters = {name: plain(value) for name, value in values.items()}
        return Prepared(order, report.version, parameters, timezone, report.file_name_template)

    def source(self, session: Session, datasource_id: int) -> SourceOrder:
        """The datasource with its secrets opened and its path checked."""
        datasource = session.get(Datasource, datasource_id)
        if datasource is None:
            raise NotFound("The datasource was deleted.")
        if not datasource.is_active:
            raise InvalidInput(f"The datasource {datasource.name} is switched off.", hint="Set is_active to true.")
        place = f"{datasource.tenant_id}/{Datasource.__tablename__}"
        plugin = load("connector", datasource.type)
        return SourceOrder(datasource.type, self.config(plugin, datasource, datasource.connection_config, place))

    def delivery(self, delivery: Delivery) -> PluginConfig:
        """The delivery's configuration with its secrets opened and its paths checked."""
        place = f"{delivery.tenant_id}/{Delivery.__tablename__}"
        return self.config(load("deliverer", delivery.method), delivery, delivery.delivery_config, place)

    def config(
        self, plugin: type[Plugin[Any]], row: Datasource | Delivery, stored: dict[str, Any], place: str
    ) -> PluginConfig:
        config = unseal(plugin, stored, row.secrets, vault=self._vault, place=place)
        paths = {
            field: str(self._allowed(getattr(config, field)))
            for field in server_path_fields(plugin.config_model)
            if getattr(config, field) is not None
        }
        return config.model_copy(update=paths) if paths else config

    def _allowed(self, path: str) -> Path:
        """The real path; a link made since the configuration was saved may lead elsewhere now."""
        real = resolve_server_path(path, self._settings.folders)
        if any(real.is_relative_to(own.resolve()) for own in self._settings.own_paths):
            raise InvalidInput("The path belongs to Report Hub itself.", hint="Name another file or folder.")
        return real

    def query_text(self, report: Report, source: SourceOrder) -> str:
        if report.query is not None:
            return report.query
        dialect = load("connector", source.kind).capabilities.dialect
        return compile_query_spec(report.query_spec or {}, dialect)

    def _format(self, report: Report, name: str) -> FormatOrder:
        converter = load("converter", name)
        options = report.format_options.get(converter.extension) or {}
        try:
            return FormatOrder(converter.extension, converter.config_model(**options))
        except ValidationError as error:
            raise invalid(error, f"format_options.{converter.extension}") from None

    def _timeout(self, report: Report) -> float:
        longest = self._settings.max_timeout.total_seconds()
        return min(report.timeout_seconds or self._settings.default_timeout.total_seconds(), longest)

    @staticmethod
    def _has_changed_condition(session: Session, report_id: int) -> bool:
        statement = select(Delivery.id).where(Delivery.config_id == report_id, Delivery.condition == "changed").limit(1)
        return session.scalar(statement) is not None


def check_formats(names: list[str] | None) -> list[str] | None:
    """Formats by their canonical name (`excel` → `xlsx`), without repeats.

    Raises:
        InvalidInput: an unknown one, with its path.
    """
    if names is None:
        return None
    found: list[str] = []
    for position, name in enumerate(names):
        try:
            extension = load("converter", name).extension
        except InvalidInput as error:
            raise InvalidInput(error.message, details=[FieldProblem(f"formats.{position}", error.message)]) from None
        if extension not in found:
            found.append(extension)
    return found


def parameter_specs(stored: Sequence[dict[str, Any]], field: str) -> list[ParameterSpec]:
    """Declared parameters.

    Raises:
        InvalidInput: with the path below `field`.
    """
    specs = []
    for position, spec in enumerate(stored):
        try:
            specs.append(ParameterSpec.model_validate(spec))
        except ValidationError as error:
            raise invalid(error, f"{field}.{position}") from None
    return specs


def invalid(error: ValidationError, prefix: str) -> InvalidInput:
    """Pydantic's findings with their paths, and without what was submitted."""
    problems = [
        FieldProblem(".".join([prefix, *map(str, item["loc"])]), item["msg"].removeprefix("Value error, "))
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return InvalidInput(f"{problems[0].field}: {problems[0].message}", details=problems)


def plain(value: Any) -> Any:
    """A resolved parameter in JSON form."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
