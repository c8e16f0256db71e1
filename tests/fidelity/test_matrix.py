"""Every value of every datasource in every format: equal, the documented conversion, or an error by row and column."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shared.errors import ConversionRejected
from shared.plugins import Converter, ReportInfo, load
from tests.fidelity.cells import Refused, Same, Serial, agrees
from tests.fidelity.columns import Held
from tests.fidelity.readers import READERS, Rows, read_with_calamine, read_with_duckdb, read_with_openpyxl, unescaped
from tests.fidelity.rules import RULES, ZONE
from tests.fidelity.sources import Source
from tests.plugins.connector_contract import declared_type
from tests.plugins.converter_contract import report, written

_MILLISECOND, _DAY = timedelta(milliseconds=1), timedelta(days=1)


def converter(name: str) -> Converter[Any]:
    found = load("converter", name)
    return found(found.config_model())


def info() -> ReportInfo:
    return report(name="Awkward", timezone=ZONE)


def expected(source: Source, held: Held, name: str) -> list[Any]:
    """What the rule of the format says of each value, from its family in the connector's own declaration."""
    family = declared_type(source.connector, held.type)[0].family
    kind = source.table.schema.field(source.columns.index(held)).type
    return [RULES[name](family, kind, value) for value in held.arriving()]


def refused(source: Source, name: str) -> Iterator[tuple[Held, int, Refused]]:
    for held in source.columns:
        for index, cell in enumerate(expected(source, held, name)):
            if isinstance(cell, Refused):
                yield held, index, cell


def without_refused(source: Source, name: str) -> tuple[pa.Table, list[list[Any]]]:
    """The table with NULL for what the format refuses, and the expected rows."""
    rows = source.table.num_rows
    columns, cells = [], []
    for held, column in zip(source.columns, source.table.columns, strict=True):
        wanted = expected(source, held, name)
        wanted += [RULES[name]("NULL", column.type, None)] * (rows - len(wanted))
        places = [None if isinstance(cell, Refused) else index for index, cell in enumerate(wanted)]
        columns.append(column.combine_chunks().take(pa.array(places, pa.int32())))
        nothing = RULES[name]("NULL", column.type, None)
        cells.append([nothing if isinstance(cell, Refused) else cell for cell in wanted])
    return pa.Table.from_arrays(columns, schema=source.table.schema), [list(row) for row in zip(*cells, strict=True)]


def differences(source: Source, wanted: list[list[Any]], found: Rows) -> list[str]:
    assert len(found) == len(wanted)
    wrong = []
    for number, (wanted_row, found_row) in enumerate(zip(wanted, found, strict=True), 1):
        for held, cell, seen in zip(source.columns, wanted_row, found_row, strict=True):
            if not agrees(cell, seen):
                wrong.append(f"row {number}, {held.type}: {cell!r:.120} is {seen!r:.120}")
    return wrong


def check(wrong: list[str]) -> None:
    assert not wrong, "\n".join([f"{len(wrong)} values", *wrong[:40]])


@pytest.mark.parametrize("name", ["csv", "html", "json", "ndjson", "xlsx"])
def test_every_value_stands_in_the_file_as_documented(source: Source, name: str, tmp_path: Path) -> None:
    table, wanted = without_refused(source, name)
    path = written(converter(name), table, tmp_path / f"report.{name}", info(), batch_rows=7)
    check(differences(source, wanted, READERS[name](path)))


def test_parquet_gives_two_readers_the_same_values(source: Source, tmp_path: Path) -> None:
    table, wanted = without_refused(source, "parquet")
    path = written(converter("parquet"), table, tmp_path / "report.parquet", info(), batch_rows=7)
    check(differences(source, wanted, READERS["parquet"](path)))
    check(differences(source, _as_duckdb(source, wanted), read_with_duckdb(path)))


@pytest.mark.parametrize("read", [read_with_openpyxl, read_with_calamine])
def test_workbooks_look_the_same_to_other_readers(source: Source, read: Any, tmp_path: Path) -> None:
    table, wanted = without_refused(source, "xlsx")
    path = written(converter("xlsx"), table, tmp_path / "report.xlsx", info(), batch_rows=7)
    wrong = []
    for number, (wanted_row, found_row) in enumerate(zip(wanted, read(path), strict=True), 1):
        for held, cell, seen in zip(source.columns, wanted_row, found_row, strict=True):
            if not _looks_like(cell, seen):
                wrong.append(f"row {number}, {held.type}: {cell!r:.120} is {seen!r:.120}")
    check(wrong)


def test_every_value_can_be_read_on_paper(source: Source, tmp_path: Path) -> None:
    table, wanted = without_refused(source, "pdf")
    wrong = []
    for index, held in enumerate(source.columns):
        count = len(held.given())
        marks = pa.array([f"#{row}#" for row in range(count)])
        column = table.column(index).combine_chunks().slice(0, count)
        fields = [pa.field("mark", pa.string()), table.schema.field(index).with_name("value")]
        path = tmp_path / f"{index}.pdf"
        written(converter("pdf"), pa.table([marks, column], schema=pa.schema(fields)), path, info())
        for number, (row, seen) in enumerate(zip(wanted[:count], READERS["pdf"](path), strict=True), 1):
            if not agrees(row[index], seen[0]):
                wrong.append(f"row {number}, {held.type}: {row[index]!r:.120} is {seen[0]!r:.120}")
    check(wrong)


@pytest.mark.parametrize("name", RULES)
def test_what_a_format_cannot_hold_is_refused_by_row_and_column(source: Source, name: str, tmp_path: Path) -> None:
    wrong = []
    for held, index, reason in refused(source, name):
        position = source.columns.index(held)
        column = source.column(held)
        table = pa.table(
            [column.take(pa.array([None, index], pa.int32()))], schema=pa.schema([source.table.schema.field(position)])
        )
        try:
            written(converter(name), table, tmp_path / "report", info())
        except ConversionRejected as error:
            is_named = "Row 2 " in error.message and f" column {held.type} " in error.message
            if not is_named or reason.words not in error.message or not error.hint:
                wrong.append(error.message)
        else:
            wrong.append(f"{held.type}: {held.arriving()[index]!r:.80} was written")
    check(wrong)


def test_something_is_refused_somewhere(source: Source) -> None:
    """Otherwise the test before this one tests nothing."""
    assert {name for name in RULES if any(refused(source, name))} >= {"xlsx"}


def _as_duckdb(source: Source, rows: list[list[Any]]) -> list[list[Any]]:
    """DuckDB gives maps as dictionaries."""
    maps = {position for position, held in enumerate(source.columns) if held.values == "map"}
    return [
        [Same(dict(cell.value)) if place in maps and cell.value is not None else cell for place, cell in enumerate(row)]
        for row in rows
    ]


def _looks_like(cell: Any, seen: Any) -> bool:
    """People's tools know milliseconds, show NULL and the empty text alike, and some leave escapes as they are."""
    if cell in (None, ""):
        return seen in (None, "")
    if isinstance(cell, Serial):
        return _is_near(cell.moment, seen)
    if isinstance(seen, float) and not isinstance(cell, (str, bool)):
        return agrees(cell, seen) or cell == seen
    return agrees(cell, seen) or (isinstance(seen, str) and agrees(cell, unescaped(seen)))


def _is_near(moment: date | time | datetime, seen: Any) -> bool:
    if isinstance(moment, time) or isinstance(seen, time):
        both = [
            timedelta(hours=m.hour, minutes=m.minute, seconds=m.second, microseconds=m.microsecond)
            for m in (moment, seen)
        ]
        return (
            abs(both[0] - both[1]) % timedelta(days=1) <= _MILLISECOND or _DAY - abs(both[0] - both[1]) <= _MILLISECOND
        )
    both_moments = [m if isinstance(m, datetime) else datetime.combine(m, time()) for m in (moment, seen)]
    return abs(both_moments[0] - both_moments[1]) <= _MILLISECOND
