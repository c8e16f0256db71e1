"""Quick questions that only the engine may put to datasources and deliveries: test, tables, preview, validate."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from execution_engine.engine import Engine
from execution_engine.errors_log import log_error
from execution_engine.orders import (
    CheckSourceOrder,
    DeliveryOrder,
    Limits,
    Order,
    PreviewOrder,
    SourceOrder,
    TablesOrder,
)
from execution_engine.preparing import parameter_specs
from execution_engine.question_bodies import DeliveryTestBody, PreviewBody, ValidateBody
from execution_engine.worker import WorkFailed
from shared.cron import check_timezone
from shared.db.models import Delivery, Recipient, Report
from shared.errors import FieldProblem, InvalidInput, NotFound, ReportHubError, SourceRejected
from shared.parameters import ParameterSpec, resolve_parameters
from shared.plugins import Address, ArtifactFile, Parcel, Receipt, Table, load
from shared.query_spec import compile_query_spec
from shared.questions import ColumnOut, DeliveryTestOut, PreviewOut, SourceTestOut, TableOut, ValidateOut
from shared.templates import template_context
from shared.web import ServiceContext

_CHECK_SECONDS = 15.0
_TEST_TEXT = "This is a test from Report Hub. It shows that this delivery works; it is no report.\n"


class Questions:
    """Each question runs in a reusable worker process, so that a driver that hangs or crashes takes nothing along."""

    def __init__(self, context: ServiceContext, engine: Engine) -> None:
        self._context = context
        self._engine = engine

    def test_datasource(self, tenant_id: int, datasource_id: int) -> SourceTestOut:
        order = CheckSourceOrder(self._source(tenant_id, datasource_id), self._limits(_CHECK_SECONDS), self._network)
        return SourceTestOut(**self._ask(order))

    def tables(self, tenant_id: int, datasource_id: int) -> list[TableOut]:
        order = TablesOrder(self._source(tenant_id, datasource_id), self._limits(), self._network)
        return [_table_out(table) for table in self._ask(order)]

    def preview(self, tenant_id: int, body: PreviewBody) -> PreviewOut:
        """The first rows; never delivered, never stored."""
        with self._context.database.scoped(tenant_id) as session:
            source, query, specs = self._subject(session, body)
        zone = check_timezone(body.timezone).key if body.timezone else "UTC"
        params = resolve_parameters(specs, body.parameters, self._context.clock.now(), zone)
        rows = body.limit or self._context.settings.preview_rows
        return PreviewOut(**self._ask(PreviewOrder(source, query, params, rows, self._limits(), self._network)))

    def validate(self, tenant_id: int, body: ValidateBody) -> ValidateOut:
        """Parse, guard and describe the query on its datasource; a refusal is an answer, not an error."""
        source = self._source(tenant_id, body.datasource_id)
        specs, values = _declared(body.parameters)
        try:
            query = _query_text(body.query, body.query_spec, source)
            params = resolve_parameters(specs, values, self._context.clock.now(), "UTC") if specs else values
            seen = self._ask(PreviewOrder(source, query, params, 0, self._limits(), self._network))
        except (SourceRejected, InvalidInput) as error:
            line, column = getattr(error, "line", None), getattr(error, "column", None)
            return ValidateOut(
                valid=False,
                columns=[],
                sql=None,
                warnings=[],
                message=error.message,
                hint=error.hint,
                line=line,
                column=column,
            )
        return ValidateOut(valid=True, columns=seen["columns"], sql=seen["sql"], warnings=_warnings(seen["columns"]))

    def test_delivery(self, tenant_id: int, delivery_id: int, body: DeliveryTestBody) -> DeliveryTestOut:
        """Send a marked test file the whole way; answers with the words of the place it went to."""
        with self._context.database.scoped(tenant_id) as session:
            delivery = session.get(Delivery, delivery_id)
            if delivery is None:
                raise NotFound("There is no delivery with this id.")
            recipient = self._test_recipient(session, delivery, body.recipient)
            report = session.get(Report, delivery.config_id)
        config = self._engine.preparer.delivery(delivery)
        with tempfile.TemporaryDirectory(prefix="report-hub-test-") as folder:
            parcel = self._test_parcel(Path(folder), report.name if report else "Report", delivery.id, recipient)
            timeout = self._context.settings.preview_timeout.total_seconds()
            order = DeliveryOrder(delivery.method, config, parcel, self._limits(timeout), self._network)
            receipt: Receipt = self._ask(order)
        place = load("deliverer", delivery.method)(config).target()
        return DeliveryTestOut(message=receipt.message, recipient=recipient.address if recipient else place)

    def _test_recipient(self, session: Session, delivery: Delivery, address: str | None) -> Address | None:
        if not load("deliverer", delivery.method).is_addressed:
            return None
        if address is not None:
            try:
                return Address(load("deliverer", delivery.method).clean_address(address))
            except ValueError as error:
                raise InvalidInput(f"recipient: {error}", details=[FieldProblem("recipient", str(error))]) from None
        statement = select(Recipient).where(Recipient.delivery_id == delivery.id, Recipient.is_active.is_(True))
        first = session.scalar(statement.order_by(Recipient.id).limit(1))
        if first is None:
            message = "This delivery has no active recipient to send a test to."
            raise InvalidInput(message, details=[FieldProblem("recipient", message)])
        return Address(first.address, first.name, "to")

    def _test_parcel(self, folder: Path, report: str, delivery_id: int, recipient: Address | None) -> Parcel:
        now = self._context.clock.now()
        path = folder / "report-hub-test.txt"
        path.write_text(_TEST_TEXT)
        key = f"test-{delivery_id}-{now:%Y%m%dT%H%M%S%f}"
        return Parcel(
            key=key,
            attempt=1,
            execution_id=key,
            report_name=report,
            scheduled_for=now,
            timezone="UTC",
            row_count=0,
            completeness="COMPLETE",
            artifacts=(
                ArtifactFile(
                    file_name=path.name,
                    path=path,
                    format="txt",
                    media_type="text/plain; charset=utf-8",
                    size=len(_TEST_TEXT.encode()),
                    sha256=hashlib.sha256(_TEST_TEXT.encode()).hexdigest(),
                    row_count=0,
                ),
            ),
            recipient=recipient,
            recipients=(recipient,) if recipient else (),
            variables=template_context(
                report=report, scheduled_for=now, timezone="UTC", execution_id=key, rows=0, parameters={}
            ),
            is_test=True,
        )

    def _subject(self, session: Session, body: PreviewBody) -> tuple[SourceOrder, str, list[ParameterSpec]]:
        if body.config_id is not None:
            report = session.get(Report, body.config_id)
            if report is None:
                raise NotFound("There is no report with this id.")
            source = self._engine.preparer.source(session, report.datasource_id)
            specs = parameter_specs(report.parameters, "parameters")
            return source, self._engine.preparer.query_text(report, source), specs
        if body.datasource_id is None:
            message = "give config_id, or datasource_id with query or query_spec"
            raise InvalidInput(f"The body must {message}.", details=[FieldProblem("datasource_id", message)])
        source = self._engine.preparer.source(session, body.datasource_id)
        specs = parameter_specs(body.parameter_specs, "parameter_specs")
        return source, _query_text(body.query, body.query_spec, source), specs

    def _source(self, tenant_id: int, datasource_id: int) -> SourceOrder:
        with self._context.database.scoped(tenant_id) as session:
            return self._engine.preparer.source(session, datasource_id)

    def _ask(self, order: Order) -> Any:
        try:
            return self._engine.helpers.run(order)
        except WorkFailed as failure:
            if failure.error.code == ReportHubError.code:
                log_error(self._context.database, self._context.clock, None, failure.error, cause=failure.cause)
            raise failure.error from failure

    def _limits(self, seconds: float | None = None) -> Limits:
        longest = self._context.settings.preview_timeout
        timeout = longest if seconds is None else min(longest, timedelta(seconds=seconds))
        return Limits(timeout.total_seconds(), self._context.settings.worker_memory_mb)

    @property
    def _network(self) -> Any:
        return self._context.settings.network_policy


def _query_text(query: str | None, query_spec: dict[str, Any] | None, source: SourceOrder) -> str:
    if (query is None) == (query_spec is None):
        message = "give either query or query_spec"
        raise InvalidInput(f"The body must {message}.", details=[FieldProblem("query", message)])
    if query is not None:
        return query
    return compile_query_spec(query_spec or {}, load("connector", source.kind).capabilities.dialect)


def _declared(parameters: list[dict[str, Any]] | dict[str, Any]) -> tuple[list[ParameterSpec], dict[str, Any]]:
    if isinstance(parameters, dict):
        return [], parameters
    return parameter_specs(parameters, "parameters"), {}


def _warnings(columns: list[dict[str, str]]) -> list[str]:
    names = [column["name"] for column in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    return [f"Two columns are called {name}; give one an alias." for name in repeated]


def _table_out(table: Table) -> TableOut:
    return TableOut(
        name=table.name,
        schema_name=table.schema,
        kind=table.kind,
        columns=[
            ColumnOut(name=c.name, type=c.type, is_nullable=c.is_nullable, is_primary_key=c.is_primary_key)
            for c in table.columns
        ],
        row_estimate=table.row_estimate,
    )
