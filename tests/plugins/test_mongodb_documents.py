"""What becomes of documents: every BSON type, columns that are declared or sampled, and what does not fit."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
import pyarrow as pa
import pytest
from bson.datetime_ms import DatetimeMS

from connectors.mongodb import MongodbConfig, MongodbConnector
from shared.errors import SourceRejected
from shared.plugins import Query
from shared.plugins.arrow_text import is_decimal_text
from tests.plugins.connector_contract import control
from tests.services.mongodb_server import MongoServer

pytestmark = pytest.mark.service
KEY = bson.ObjectId("65f000000000000000000001")
UUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
EVERY_TYPE = {
    "_id": KEY,
    "double": -0.0,
    "string": "Zoë\n",
    "object": {"a": 1, "b": {"c": None}},
    "array": [1, bson.Decimal128("1.50"), bson.Int64(2**60), {"at": datetime(2026, 1, 31, tzinfo=UTC)}],
    "binData": b"\x00\xff",
    "subtype": bson.Binary(b"\x01", 5),
    "uuid": bson.Binary.from_uuid(UUID),
    "bool": True,
    "date": datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC),
    "null": None,
    "regex": bson.Regex("^a", "i"),
    "dbPointer": bson.DBRef("orders", 1),
    "javascript": bson.Code("f()"),
    "int": 2**31 - 1,
    "timestamp": bson.Timestamp(1, 2),
    "long": bson.Int64(2**63 - 1),
    "decimal": bson.Decimal128("12345678901234567890123456789012.34"),
    "minKey": bson.MinKey(),
    "maxKey": bson.MaxKey(),
}


class Documents:
    """A connector to a server with these documents."""

    def __init__(self, server: MongoServer) -> None:
        self._server = server

    def table(self, *documents: dict[str, Any] | bytes, sample: int = 1000, **parts: Any) -> pa.Table:
        found = [item if isinstance(item, bytes) else bson.encode(item) for item in documents]
        self._server.raw["things"] = lambda: found
        connector = MongodbConnector(MongodbConfig(**self._server.config, sample=sample))
        text = json.dumps({"collection": "things", **parts})
        with connector.stream(Query(text, batch_rows=2), control()) as reader:
            return reader.read_all()

    def column(self, kind: str, *values: Any) -> list[Any]:
        """The values of one declared column."""
        table = self.table(*({"x": value} for value in values), columns=[{"name": "x", "type": kind}])
        return list(table.column("x").to_pylist())


@pytest.fixture
def documents(mongodb_server: MongoServer) -> Documents:
    return Documents(mongodb_server)


def test_every_bson_type_comes_back_as_it_was(documents: Documents) -> None:
    table = documents.table(EVERY_TYPE)
    assert str(table.to_pylist()[0].pop("double")) == "-0.0"
    assert table.to_pylist() == [
        {
            "_id": str(KEY),
            "double": 0.0,
            "string": "Zoë\n",
            "object.a": 1,
            "object.b.c": None,
            "array": '[1,{"$numberDecimal":"1.50"},1152921504606846976,{"at":{"$date":"2026-01-31T00:00:00Z"}}]',
            "binData": b"\x00\xff",
            "subtype": b"\x01",
            "uuid": str(UUID),
            "bool": True,
            "date": datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC),
            "null": None,
            "regex": '{"$regularExpression":{"pattern":"^a","options":"i"}}',
            "dbPointer": '{"$ref":"orders","$id":1}',
            "javascript": '{"$code":"f()"}',
            "int": 2**31 - 1,
            "timestamp": '{"$timestamp":{"t":1,"i":2}}',
            "long": 2**63 - 1,
            "decimal": "12345678901234567890123456789012.34",
            "minKey": '{"$minKey":1}',
            "maxKey": '{"$maxKey":1}',
        }
    ]
    assert is_decimal_text(table.schema.field("decimal"))
    assert table.schema.field("date").type == pa.timestamp("ms", "UTC")


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("string", ["", None], ["", None]),
        ("int", [-(2**31), bson.Int64(5)], [-(2**31), 5]),
        ("long", [1, bson.Int64(-(2**63))], [1, -(2**63)]),
        ("double", [0.1, 2**53, bson.Int64(-3), float("inf")], [0.1, 2.0**53, -3.0, float("inf")]),
        ("decimal", [bson.Decimal128("1E+3"), bson.Decimal128("-0.00"), 7], ["1000", "-0.00", "7"]),
        ("decimal(5, 2)", [bson.Decimal128("1.5"), bson.Decimal128("100.000"), 999], ["1.50", "100.00", "999.00"]),
        ("decimal(40, 2)", [bson.Decimal128("1E+33")], [f"1{'0' * 33}.00"]),
        ("binData", [b"", bson.Binary(b"\x01" * 16, 3)], [b"", b"\x01" * 16]),
        ("date", [DatetimeMS(-1), DatetimeMS(-62_135_596_800_000)], None),
        ("json", [1.5, "a", {"a": [True, None]}, float("nan"), KEY], None),
    ],
)
def test_declared_types_hold_what_fits(documents: Documents, kind: str, given: list[Any], expected: Any) -> None:
    found = documents.column(kind, *given)
    if kind == "date":
        expected = [datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
    if kind == "json":
        expected = ["1.5", '"a"', '{"a":[true,null]}', '{"$numberDouble":"NaN"}', f'{{"$oid":"{KEY}"}}']
    assert [str(value) if isinstance(value, Decimal) else value for value in found] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 1),
        ("string", KEY),
        ("int", bson.Int64(2**31)),
        ("int", 1.0),
        ("int", True),
        ("long", 1.5),
        ("double", bson.Int64(2**53 + 1)),
        ("double", bson.Decimal128("0.1")),
        ("decimal", 0.1),
        ("decimal", bson.Decimal128("NaN")),
        ("decimal(5, 2)", bson.Decimal128("1.005")),
        ("decimal(5, 2)", 1000),
        ("bool", 1),
        ("date", "2026-01-31"),
        ("date", DatetimeMS(253_402_300_800_000)),
        ("date", DatetimeMS(-(2**62))),
        ("objectId", str(KEY)),
        ("string", {"a": 1}),
        ("string", ["a"]),
    ],
)
def test_what_does_not_fit_is_an_error_with_document_and_field(documents: Documents, kind: str, value: Any) -> None:
    with pytest.raises(SourceRejected, match=r"^Document 3, field x: .*does not fit") as refused:
        documents.column(kind, None, None, value)
    assert refused.value.hint


def test_a_document_is_named_by_its_id_unless_that_is_a_text(documents: Documents) -> None:
    columns = [{"name": "x", "type": "int"}]
    with pytest.raises(SourceRejected, match=rf"Document 1 \(_id {KEY}\), field x"):
        documents.table({"_id": KEY, "x": "a"}, columns=columns)
    with pytest.raises(SourceRejected) as refused:
        documents.table({"_id": "zoe@example.com", "x": "a"}, columns=columns)
    assert "zoe" not in refused.value.message


def test_numbers_that_drivers_write_differently_belong_together(documents: Documents) -> None:
    table = documents.table({"a": 1, "b": 1, "c": 1}, {"a": bson.Int64(2**40), "b": 0.5, "c": bson.Decimal128("0.10")})
    assert table.to_pydict() == {"a": [1, 2**40], "b": [1.0, 0.5], "c": ["1", "0.10"]}


def test_a_sampled_integer_column_takes_larger_ones_later(documents: Documents) -> None:
    assert documents.table({"n": 1}, {"n": bson.Int64(2**40)}, sample=1).column("n").to_pylist() == [1, 2**40]


def test_a_sample_of_types_that_do_not_go_together_is_refused(documents: Documents) -> None:
    with pytest.raises(SourceRejected, match=r"Field a\.b: the sample has values of the types int and string"):
        documents.table({"a": {"b": 1}}, {"a": {"b": "x"}})


@pytest.mark.parametrize(
    ("later", "place"),
    [({"n": "x"}, "n"), ({"n": 1.5}, "n"), ({"n": 1, "new": None}, "new"), ({"d": {"y": 1}}, r"d\.y"), ({"d": 1}, "d")],
)
def test_a_document_after_the_sample_that_differs_is_an_error(
    documents: Documents, later: dict[str, Any], place: str
) -> None:
    with pytest.raises(SourceRejected, match=rf"^Document 4, field {place}:") as refused:
        documents.table({"n": 1, "d": {"x": 1}}, {"n": 2}, {"d": None}, later, sample=2)
    assert refused.value.hint


def test_fields_keep_their_order_and_documents_stay_together(documents: Documents) -> None:
    table = documents.table({"z": 1, "d": {"y": 1}}, {"a": 1, "d": {"x": 1, "y": 2}})
    assert table.column_names == ["z", "d.y", "d.x", "a"]
    assert table.to_pylist()[0] == {"z": 1, "d.y": 1, "d.x": None, "a": None}


def test_documents_may_be_json_instead_of_columns(documents: Documents) -> None:
    table = documents.table({"d": {"x": 1}}, {"d": {"anything": [1]}}, documents="json", sample=1)
    assert table.column("d").to_pylist() == ['{"x":1}', '{"anything":[1]}']


def test_a_field_that_is_document_and_array_is_json(documents: Documents) -> None:
    assert documents.table({"d": {"x": 1}}, {"d": [1]}).column("d").to_pylist() == ['{"x":1}', "[1]"]


def test_declared_columns_take_what_they_name_and_nothing_else(documents: Documents) -> None:
    columns = [
        {"name": "City", "path": "address.city", "type": "string"},
        {"name": "Address", "path": "address", "type": "json"},
        {"name": "missing", "type": "date"},
    ]
    table = documents.table({"address": {"city": "Bern", "zip": 1}, "more": 1}, {"address": None}, columns=columns)
    assert table.to_pylist() == [
        {"City": "Bern", "Address": '{"city":"Bern","zip":1}', "missing": None},
        {"City": None, "Address": None, "missing": None},
    ]


def test_a_path_does_not_lead_into_arrays(documents: Documents) -> None:
    with pytest.raises(SourceRejected, match=r"field items: a document is expected, this is an array") as refused:
        documents.table({"items": [{"a": 1}]}, columns=[{"name": "items.a", "type": "int"}])
    assert "$unwind" in str(refused.value.hint)


@pytest.mark.parametrize("found", [[], [{}]])
def test_without_documents_columns_must_be_declared(documents: Documents, found: list[Any]) -> None:
    with pytest.raises(SourceRejected, match="no document, so its columns are unknown") as refused:
        documents.table(*found)
    assert "columns" in str(refused.value.hint)
    assert documents.table(*found, columns=[{"name": "n", "type": "long"}]).num_rows == len(found)


def test_a_field_whose_name_has_a_dot_is_an_error_not_a_guess(documents: Documents) -> None:
    with pytest.raises(SourceRejected, match=r"Field a\.b: its own name is empty or has a dot"):
        documents.table({"a.b": 1, "a": {"b": 2}})


def test_documents_with_endless_fields_are_refused(documents: Documents) -> None:
    with pytest.raises(SourceRejected, match="more than 1,000 fields"):
        documents.table({f"f{n}": n for n in range(1001)})


def test_text_that_is_not_utf8_is_an_error_by_document(documents: Documents) -> None:
    spoilt = bson.encode({"a": "xx"}).replace(b"xx", b"\xff\xfe")
    with pytest.raises(SourceRejected, match="Document 2 cannot be read"):
        documents.table({"a": "fine"}, spoilt)


def test_the_list_of_tables_says_which_types_were_met(mongodb_server: MongoServer) -> None:
    mongodb_server.client["shop"]["orders"].insert_many([{"_id": 1, "a": 1, "d": {"x": 1}}, {"_id": 2, "a": "x"}])
    mongodb_server.client["shop"]["system.views"].insert_one({"_id": 1})
    mongodb_server.client["shop"]["orders_view"].insert_one({"_id": 1})
    tables = MongodbConnector(MongodbConfig(**mongodb_server.config)).tables(control())
    assert [(table.name, table.kind, table.row_estimate) for table in tables] == [
        ("orders", "table", 2),
        ("orders_view", "view", None),
    ]
    assert [(column.name, column.type) for column in tables[0].columns] == [
        ("_id", "int"),
        ("a", "int | string"),
        ("d", "object"),
    ]
    assert tables[0].columns[0].is_primary_key
