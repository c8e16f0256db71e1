"""JSON files, read back by Python's json."""

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.json import JsonConfig, JsonConverter
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, ReportInfo
from shared.plugins.arrow_text import decimal_text
from tests.plugins.converter_contract import ConverterContract, report, written
from tests.plugins.converter_values import UNION, Case, every_type, unrepresentable


def refuse(token: str) -> Any:
    raise AssertionError(f"{token} is no JSON")


def parsed(path: Path, **options: Any) -> Any:
    """Strict: one name for one value, no NaN, UTF-8 without a mark."""

    def one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    text = path.read_bytes().decode()
    return json.loads(text, parse_constant=refuse, object_pairs_hook=one_of_each, **options)


def as_text(value: Any) -> str | None:
    return None if value is None else str(value)


class TestJsonContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = JsonConverter(JsonConfig())

    def cells(self, path: Path) -> list[list[str | None]]:
        return [[as_text(value) for value in row.values()] for row in parsed(path)]


class TestJsonTableContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = JsonConverter(JsonConfig(layout="table"))

    def cells(self, path: Path) -> list[list[str | None]]:
        return [[as_text(value) for value in row] for row in parsed(path)["rows"]]


def made(table: pa.Table, tmp_path: Path, info: ReportInfo | None = None, **options: Any) -> Path:
    return written(JsonConverter(JsonConfig(**options)), table, tmp_path / "report.json", info)


@every_type
def test_every_type_has_one_value(case: Case, tmp_path: Path) -> None:
    path = made(pa.table({"value": case.array, "id": range(len(case.array))}), tmp_path)
    found = [row["value"] for row in parsed(path, parse_float=Decimal)]
    for value, expected in zip(found, case.as_json(), strict=True):
        if isinstance(expected, float):
            assert float(value) == expected
            assert math.copysign(1, float(value)) == math.copysign(1, expected)
        else:
            assert value == expected
            assert type(value) is type(expected) or isinstance(expected, Decimal | dict | list)


@unrepresentable
def test_a_value_without_a_text_is_named_by_row_and_column(array: pa.Array, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match=f"Row 2 of column when holds {words}.*, which JSON cannot hold"):
        made(pa.table({"when": array}), tmp_path)


def test_a_type_without_a_value_is_named_by_column(tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="Column mixed is of the type sparse_union"):
        made(pa.table({"mixed": UNION}), tmp_path)


@pytest.mark.parametrize(
    ("exact", "expected"),
    [
        ("safe", [[1, "9007199254740993"], [1.5, "12345678901234.5678"], [1.25, "12345678901234567.1", "NaN", "007"]]),
        (
            "number",
            [
                [1, 2**53 + 1],
                [Decimal("1.5000"), Decimal("12345678901234.5678")],
                [Decimal("1.25"), Decimal("12345678901234567.1"), "NaN", "007"],
            ],
        ),
        (
            "text",
            [
                ["1", "9007199254740993"],
                ["1.5000", "12345678901234.5678"],
                ["1.25", "12345678901234567.1", "NaN", "007"],
            ],
        ),
    ],
)
def test_numbers_that_readers_round(exact: Any, expected: list[list[Any]], tmp_path: Path) -> None:
    fields = [pa.field("i", pa.int64()), pa.field("d", pa.decimal128(18, 4)), decimal_text("t")]
    columns = [
        [1, 2**53 + 1, None, None],
        [Decimal("1.5"), Decimal("12345678901234.5678"), None, None],
        ["1.25", "12345678901234567.1", "NaN", "007"],
    ]
    rows = parsed(made(pa.table(columns, schema=pa.schema(fields)), tmp_path, exact_numbers=exact), parse_float=Decimal)
    found = [[row[name] for row in rows if row[name] is not None] for name in ("i", "d", "t")]
    assert found == expected


def test_numbers_that_stay_numbers_survive_a_reader_of_doubles(tmp_path: Path) -> None:
    values = [
        Decimal(f"{sign}{digits}").scaleb(-4) for digits in (1, 99, 123456789012345, 999999999999999) for sign in "-+"
    ]
    table = pa.table({"d": pa.array(values, pa.decimal128(18, 4))})
    found = [row["d"] for row in parsed(made(table, tmp_path))]
    assert [Decimal(repr(value)) for value in found] == values
    assert {type(value) for value in found} == {float}


def test_columns_of_one_name_need_the_table_layout(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(ConversionRejected, match="Two columns have the name id") as caught:
        made(table, tmp_path)
    assert "table" in str(caught.value.hint)
    assert parsed(made(table, tmp_path, layout="table"))["rows"] == [[1, 2]]


def test_fields_of_a_struct_with_one_name_are_rejected(tmp_path: Path) -> None:
    kind = pa.struct([pa.field("a", pa.int8()), pa.field("a", pa.int8())])
    array = pa.StructArray.from_arrays([pa.array([1], pa.int8()), pa.array([2], pa.int8())], fields=list(kind))
    with pytest.raises(ConversionRejected, match="Column s is of the type struct"):
        made(pa.table({"s": array}), tmp_path)


def test_the_table_layout_tells_what_the_report_is(tmp_path: Path) -> None:
    info = report(parameters={"From": date(2024, 1, 1), "Regions": ["North", 'S"o'], "rate": 0.5, "None": None})
    info.notes.append('Capped at 1 rows: ]}"[{')
    schema = pa.schema([pa.field("n", pa.int8()), decimal_text("amount")])
    found = parsed(made(pa.table([[7], ["1.5"]], schema=schema), tmp_path, info, layout="table"))
    assert found == {
        "report": {
            "name": "Sales",
            "execution_id": "01JX5",
            "scheduled_for": "2024-07-01T10:30:00+00:00",
            "generated_at": "2024-07-01T10:30:00+00:00",
            "timezone": "Europe/Berlin",
            "parameters": {"From": "2024-01-01", "Regions": ["North", 'S"o'], "rate": 0.5, "None": None},
        },
        "columns": [{"name": "n", "type": "int8"}, {"name": "amount", "type": "decimal"}],
        "rows": [[7, 1.5]],
        "row_count": 1,
        "notes": ['Capped at 1 rows: ]}"[{'],
    }
    assert info.warnings == []


def test_notes_that_an_array_has_no_room_for_are_a_warning(tmp_path: Path) -> None:
    info = report(notes=["Capped at 1 rows: the query gives more."])
    made(pa.table({"n": [1]}), tmp_path, info)
    assert "Capped at 1 rows" in info.warnings[0]


def test_counting_is_not_misled_by_brackets_quotes_and_backslashes(tmp_path: Path) -> None:
    texts = ["}{", "][", '"', '\\"', "\\", "\\\\", '{"a":[', "\\" * 99, '"' * 99, ",\n{"]
    nested = pa.array([[[index], []] for index in range(len(texts))])
    table = pa.concat_tables([pa.table({"}": texts, "[": nested, '"': texts})] * 1_000)
    for layout in ("objects", "table"):
        path = made(table, tmp_path, layout=layout)  # counts
        content = parsed(path)
        assert len(content if layout == "objects" else content["rows"]) == table.num_rows


@pytest.mark.parametrize("damage", ["]", '"', "{", "[]"])
def test_a_file_that_goes_on_after_its_end_is_damaged(damage: str, tmp_path: Path) -> None:
    path = made(pa.table({"n": [1]}), tmp_path)
    path.write_bytes(path.read_bytes() + damage.encode())
    with pytest.raises(ConversionRejected, match="damaged"):
        JsonConverter(JsonConfig()).count_rows(path, Control())


_TEXT = st.text(
    st.one_of(
        st.sampled_from(list('"\\/\n\r\t\b\f\0\x1f\x7f{}[],:\u2028é東👩')), st.characters(exclude_categories=["Cs"])
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.none() | _TEXT, st.none() | st.lists(st.none() | _TEXT, max_size=3)), max_size=20),
    names=st.lists(_TEXT, min_size=2, max_size=2, unique=True),
    layout=st.sampled_from(["objects", "table"]),
    batch_rows=st.integers(1, 7),
)
def test_any_text_comes_back(
    rows: list[Any], names: list[str], layout: Any, batch_rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    columns = list(zip(*rows, strict=True)) or [[], []]
    kinds = [pa.string(), pa.list_(pa.string())]
    table = pa.Table.from_arrays([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=names)
    written(JsonConverter(JsonConfig(layout=layout)), table, path, batch_rows=batch_rows)
    content = parsed(path)
    found = [list(row.values()) for row in content] if layout == "objects" else content["rows"]
    assert found == [list(row) for row in rows]
    if layout == "objects":
        assert all(list(row) == names for row in content)
