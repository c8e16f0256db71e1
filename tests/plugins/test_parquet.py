"""Parquet files, read back by Arrow and by DuckDB."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as arrow_parquet
import pytest

from converters.parquet import ParquetConfig, ParquetConverter
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter
from shared.plugins.arrow_text import decimal_text, is_decimal_text
from tests.plugins.converter_contract import ConverterContract, WriteOnly, people, report, written
from tests.plugins.converter_values import UNION, Case, every_type


class TestParquetContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = ParquetConverter(ParquetConfig())
    large_rows: ClassVar[int] = 200_000  # a row group holds 32 MiB

    def cells(self, path: Path) -> list[list[str | None]]:
        with duckdb.connect() as connection:
            rows = connection.sql(f"FROM read_parquet('{path}')").fetchall()
        return [[None if value is None else str(value) for value in row] for row in rows]


def made(table: pa.Table, tmp_path: Path, **options: Any) -> Path:
    return written(ParquetConverter(ParquetConfig(**options)), table, tmp_path / "report.parquet")


@every_type
def test_every_type_keeps_its_values(case: Case, tmp_path: Path) -> None:
    found = arrow_parquet.ParquetFile(made(pa.table({"value": case.array}), tmp_path)).read()["value"]
    is_text = case.id in ("decimal256", "decimal128-round", "interval")
    if is_text:
        assert found.to_pylist() == case.texts
    elif case.id == "zoned-ns" or case.id == "timestamp-ns" or case.id == "time64-ns":
        assert found.type == case.array.type  # Python's times have no nanoseconds
        assert found.cast(pa.int64()).to_pylist() == case.array.cast(pa.int64()).to_pylist()
    else:
        # as text, for NaN is not equal to itself
        assert repr(found.to_pylist()) == repr(case.array.to_pylist())


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([2**64 - 1], pa.uint64()), "UBIGINT", 2**64 - 1),
        (pa.array([Decimal("1.5000")], pa.decimal128(38, 4)), "DECIMAL(38,4)", Decimal("1.5000")),
        (pa.array([date(2024, 2, 29)]).cast(pa.date64()), "DATE", date(2024, 2, 29)),
        (pa.array([0], pa.timestamp("s", "UTC")), "TIMESTAMP WITH TIME ZONE", None),
        (pa.array([0], pa.timestamp("ns")), "TIMESTAMP_NS", None),
        (pa.array([1], pa.time32("s")), "TIME", None),
        (pa.array([True]), "BOOLEAN", True),
        (pa.array([1.5], pa.float32()), "FLOAT", 1.5),
        (pa.array([b"\xff"]), "BLOB", b"\xff"),
        (pa.array([[1, None]], pa.list_(pa.int8())), "TINYINT[]", [1, None]),
        (pa.array([{"a": "x"}]), "STRUCT(a VARCHAR)", {"a": "x"}),
        (pa.array(["a"]).dictionary_encode(), "VARCHAR", "a"),
    ],
)
def test_duckdb_sees_the_type(array: pa.Array, kind: str, expected: Any, tmp_path: Path) -> None:
    path = made(pa.table({"value": array}), tmp_path)
    with duckdb.connect() as connection:
        value, found = connection.sql(f"SELECT value, typeof(value) FROM read_parquet('{path}')").fetchall()[0]
    assert found == kind
    assert expected is None or value == expected


def test_decimals_without_scale_are_text_that_says_so(tmp_path: Path) -> None:
    schema = pa.schema([decimal_text("exact"), pa.field("wide", pa.decimal256(60, 2)), pa.field("plain", pa.string())])
    path = made(
        pa.table([["1.23456789012345678901234567890123456789"], [Decimal("1.5")], ["x"]], schema=schema), tmp_path
    )
    found = arrow_parquet.read_schema(path)
    assert [is_decimal_text(field) for field in found] == [True, True, False]
    assert set(found.types) == {pa.string()}


@pytest.mark.parametrize(
    "array",
    [
        UNION,
        pa.array([[pa.MonthDayNano((1, 2, 3))]]),
        pa.array([{}], pa.struct([])),
        pa.array([[Decimal("1.5")]], pa.list_(pa.decimal256(50, 1))),
    ],
)
def test_a_type_that_parquet_cannot_hold_is_named_by_column(array: pa.Array, tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="Column value is of the type"):
        made(pa.table({"value": array}), tmp_path)


def test_columns_of_one_name_are_rejected(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(ConversionRejected, match="Two columns have the name id"):
        made(table, tmp_path)


def test_a_query_without_columns_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="no columns"):
        made(pa.table({}), tmp_path)


def test_the_file_tells_what_the_report_is_and_notes_known_only_at_the_end(tmp_path: Path) -> None:
    info = report(parameters={"From": date(2024, 1, 1), "Region": None})
    table = people(3)

    def batches() -> Any:
        yield from table.to_batches()
        info.notes.append("Capped at 3 rows: the query gives more.")

    path = tmp_path / "report.parquet"
    sink = WriteOnly()
    reader = pa.RecordBatchReader.from_batches(table.schema, batches())
    ParquetConverter(ParquetConfig()).write(reader, sink, info, Control())  # type: ignore[arg-type]
    path.write_bytes(sink.content)
    found = arrow_parquet.read_metadata(path).metadata
    facts = {
        key.decode().removeprefix("report_hub."): value.decode() for key, value in found.items() if b"report_hub" in key
    }
    assert json.loads(facts.pop("parameters")) == {"From": "2024-01-01", "Region": None}
    assert json.loads(facts.pop("notes")) == ["Capped at 3 rows: the query gives more."]
    assert facts == {
        "name": "Sales",
        "execution_id": "01JX5",
        "scheduled_for": "2024-07-01T10:30:00+00:00",
        "generated_at": "2024-07-01T10:30:00+00:00",
        "timezone": "Europe/Berlin",
        "rows": "3",
    }


def test_row_groups_are_bounded_and_compressed(tmp_path: Path) -> None:
    found = arrow_parquet.read_metadata(made(people(4_500), tmp_path, row_group_rows=2_000))
    assert [found.row_group(index).num_rows for index in range(found.num_row_groups)] == [2_000, 2_000, 500]
    assert {found.row_group(0).column(index).compression for index in range(2)} == {"ZSTD"}
    wide = pa.table({"text": ["x" * 1_000_000] * 100})
    found = arrow_parquet.read_metadata(made(wide, tmp_path))
    assert max(found.row_group(index).num_rows for index in range(found.num_row_groups)) <= 40


@pytest.mark.parametrize("compression", ["snappy", "gzip", "none"])
def test_other_compressions(compression: Any, tmp_path: Path) -> None:
    found = arrow_parquet.read_metadata(made(people(10), tmp_path, compression=compression))
    assert found.row_group(0).column(0).compression == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())


def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = made(pa.table({"n": pa.array(range(1_000), pa.int64())}), tmp_path, compression="none")
    content = bytearray(path.read_bytes())
    content[4_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConversionRejected, match="damaged"):
        ParquetConverter(ParquetConfig()).count_rows(path, Control())


def test_an_unfinished_file_does_not_look_whole(tmp_path: Path) -> None:
    table = people(5_000)

    def batches() -> Any:
        yield from table.to_batches()
        raise ValueError("lost")

    sink = WriteOnly()
    reader = pa.RecordBatchReader.from_batches(table.schema, batches())
    with pytest.raises(ValueError, match="lost"):
        ParquetConverter(ParquetConfig(row_group_rows=1_000)).write(reader, sink, report(), Control())  # type: ignore[arg-type]
    assert len(sink.content) > 1_000
    assert not sink.content.endswith(b"PAR1")
