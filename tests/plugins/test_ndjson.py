"""NDJSON files, read back by Python's json and by DuckDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import pytest

from converters.ndjson import NdjsonConfig, NdjsonConverter
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter
from tests.plugins.converter_contract import ConverterContract, people, report, written
from tests.plugins.converter_values import Case, every_type, unrepresentable


def lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes().decode()
    assert content == "" or content.endswith("\n")
    return [json.loads(line) for line in content.split("\n")[:-1]]


class TestNdjsonContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = NdjsonConverter(NdjsonConfig())

    def cells(self, path: Path) -> list[list[str | None]]:
        return [[None if value is None else str(value) for value in row.values()] for row in lines(path)]


def made(table: pa.Table, tmp_path: Path, **options: Any) -> Path:
    return written(NdjsonConverter(NdjsonConfig(**options)), table, tmp_path / "report.ndjson")


@every_type
def test_every_type_is_a_line_of_json(case: Case, tmp_path: Path) -> None:
    found = [row["value"] for row in lines(made(pa.table({"value": case.array}), tmp_path))]
    for value, expected in zip(found, case.as_json(), strict=True):
        assert value == (json.loads(json.dumps(expected, default=float)))


@unrepresentable
def test_a_value_without_a_text_is_named_by_row_and_column(array: pa.Array, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match=f"Row 2 of column when holds {words}.*, which NDJSON cannot hold"):
        made(pa.table({"when": array}), tmp_path)


def test_duckdb_reads_the_same_rows(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, None], "text": ['a"b\\c\n', "", None], "list": [[1, None], [], None]})
    path = made(table, tmp_path)
    with duckdb.connect() as connection:
        assert connection.sql(f"FROM read_ndjson('{path}')").to_arrow_table().to_pylist() == table.to_pylist()


def test_columns_of_one_name_are_rejected(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(ConversionRejected, match="Two columns have the name id"):
        made(table, tmp_path)


def test_exact_numbers_can_all_be_text(tmp_path: Path) -> None:
    assert lines(made(pa.table({"n": [1, None]}), tmp_path, exact_numbers="text")) == [{"n": "1"}, {"n": None}]


def test_notes_are_a_warning(tmp_path: Path) -> None:
    info = report(notes=["Capped at 1 rows: the query gives more."])
    written(NdjsonConverter(NdjsonConfig()), people(1), tmp_path / "report.ndjson", info)
    assert "Capped at 1 rows" in info.warnings[0]


@pytest.mark.parametrize("damage", [b'{"id":1}', b"\n", b"x\n", b'"id":1}\n', b"{\n"])
def test_a_line_that_is_no_object_is_damage(damage: bytes, tmp_path: Path) -> None:
    path = made(people(3), tmp_path)
    content = path.read_bytes()
    for changed in (content + damage, damage + content):
        path.write_bytes(changed)
        with pytest.raises(ConversionRejected, match="damaged"):
            NdjsonConverter(NdjsonConfig()).count_rows(path, Control())
