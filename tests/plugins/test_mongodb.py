"""The MongoDB connector: the real driver over a real socket, against a server that speaks MongoDB's protocol."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import bson
import pytest

from connectors.mongodb import MongodbConfig, MongodbConnector
from shared.errors import QueryRefused, SourceRejected
from shared.plugins import Connector, Query
from tests.plugins.connector_contract import ServerContract, control, rows
from tests.services.mongodb_server import MongoServer

pytestmark = pytest.mark.service
N = [{"name": "n", "type": "long"}]


def ask(collection: str, **parts: Any) -> str:
    return json.dumps({"collection": collection, **parts})


@pytest.fixture
def connector(mongodb_server: MongoServer) -> MongodbConnector:
    shop = mongodb_server.client["shop"]
    shop["numbers"].insert_many({"_id": n, "n": n} for n in (1, 2, 3))
    shop["one"].insert_one({"_id": 1})
    shop["orders_view"].insert_one({"_id": 1})
    mongodb_server.raw["many"] = lambda: (bson.encode({"n": n}) for n in range(100_000))
    mongodb_server.raw["wide"] = lambda: (bson.encode({"x": "x" * 100_000}) for _ in range(64))
    mongodb_server.stalls.add("endless")
    return MongodbConnector(MongodbConfig(**mongodb_server.config))


def echo(value: Any) -> str:
    return ask("one", pipeline=[{"$project": {"_id": 0, "a": value}}])


class TestMongodb(ServerContract):
    three_rows = ask("numbers", filter={}, projection={"_id": 0}, sort={"n": 1})
    no_rows = ask("numbers", filter={"n": 0}, columns=N)
    many_rows = ask("many", columns=N)
    wide_rows = ask("wide")
    endless = ask("endless", columns=N)
    broken = ask("numbers", filter={"n": {"$nonsense": 1}})
    write = ask("numbers", pipeline=[{"$match": {}}, {"$out": "copy"}])
    listed_table = "numbers"

    @pytest.fixture(autouse=True)
    def _server(self, mongodb_server: MongoServer) -> None:
        self._config = mongodb_server.config

    def make(self, **changes: Any) -> MongodbConnector:
        return MongodbConnector(MongodbConfig(**{**self._config, **changes}))

    def test_text_parameters_are_bound_not_pasted(self, connector: Connector[Any]) -> None:
        for text in ('x"}], "$where": "1', "$_id", "$$ROOT", '{"$gt": ""}'):
            assert rows(connector, echo({"$param": "a"}), a=text) == [{"a": text}]

    def test_lists_expand_inside_in(self, connector: Connector[Any]) -> None:
        for conditions in ({"n": {"$in": {"$param": "wanted"}}}, {"$expr": {"$in": ["$n", {"$param": "wanted"}]}}):
            found = rows(connector, ask("numbers", filter=conditions, sort={"n": 1}), wanted=[1, 3])
            assert [row["n"] for row in found] == [1, 3]

    def test_parameters_of_all_types_compare(self, connector: Connector[Any], mongodb_server: MongoServer) -> None:
        values = {
            "i": 7,
            "d": Decimal("1.50"),
            "b": True,
            "day": date(2026, 1, 31),
            "t": datetime(2026, 1, 31, 8, tzinfo=UTC),
        }
        stored = values | {"d": bson.Decimal128("1.50"), "day": datetime(2026, 1, 31), "t": datetime(2026, 1, 31, 8)}
        mongodb_server.client["shop"]["typed"].insert_one({**stored, "_id": 1})
        conditions = {name: {"$param": name} for name in values}
        assert [row["_id"] for row in rows(connector, ask("typed", filter=conditions), **values)] == [1]

    def test_a_null_parameter_is_null(self, connector: Connector[Any]) -> None:
        assert len(rows(connector, ask("numbers", filter={"missing": {"$param": "a"}}), a=None)) == 3

    def test_an_empty_list_is_refused(self, connector: Connector[Any]) -> None:
        with pytest.raises(SourceRejected, match="The list wanted is empty"):
            rows(connector, ask("numbers", filter={"n": {"$in": {"$param": "wanted"}}}), wanted=[])

    def test_text_in_six_scripts_null_and_empty_stay_apart(
        self, connector: Connector[Any], mongodb_server: MongoServer
    ) -> None:
        values = [
            "Zoë",
            "Ελλάδα",
            "Привет",
            "日本語 𠮷",
            "مرحبا",
            "हिन्दी",
            "",
            'a"b,c\nd\r\n\te\0',
            "NULL",
            "\\N",
            None,
        ]
        mongodb_server.raw["texts"] = lambda: (bson.encode({"v": value}) for value in values)
        assert [row["v"] for row in rows(connector, ask("texts"))] == values

    def test_columns_of_the_same_name_are_kept(self, connector: Connector[Any]) -> None:
        twice = [{"name": "a", "path": "n", "type": "int"}, {"name": "a", "path": "n", "type": "double"}]
        with connector.stream(Query(ask("numbers", filter={"n": 1}, columns=twice)), control()) as reader:
            assert [column.to_pylist() for column in reader.read_all().columns] == [[1], [1.0]]

    def test_a_single_column_of_nulls_keeps_its_rows(
        self, connector: Connector[Any], mongodb_server: MongoServer
    ) -> None:
        mongodb_server.raw["nulls"] = lambda: [bson.encode({"x": None})] * 3
        assert rows(connector, ask("nulls")) == [{"x": None}] * 3


def test_a_parameter_without_a_value_is_named(connector: MongodbConnector) -> None:
    with pytest.raises(SourceRejected, match="The query uses since, which has no value"):
        rows(connector, ask("numbers", filter={"day": {"$gte": {"$param": "since"}}}))


def test_numbers_and_patterns_may_be_parameters(connector: MongodbConnector, mongodb_server: MongoServer) -> None:
    mongodb_server.client["shop"]["people"].insert_many([{"_id": 1, "name": "Zoë"}, {"_id": 2, "name": "Bob"}])
    query = ask("people", filter={"name": {"$regex": {"$param": "like"}}}, limit={"$param": "top"})
    assert rows(connector, query, like="^Z", top=5) == [{"_id": 1, "name": "Zoë"}]
    with pytest.raises(QueryRefused, match="exponential"):
        rows(connector, query, like="(a+)+$", top=5)
    with pytest.raises(QueryRefused, match="limit must be an integer"):
        rows(connector, query, like="x", top=-1)


def test_a_parameter_of_35_digits_is_refused_not_rounded(connector: MongodbConnector) -> None:
    with pytest.raises(SourceRejected, match="more than 34 digits"):
        rows(connector, echo({"$param": "a"}), a=Decimal("1" * 35))


def test_values_that_json_lacks_are_written_as_extended_json(
    connector: MongodbConnector, mongodb_server: MongoServer
) -> None:
    key = bson.ObjectId()
    mongodb_server.client["shop"]["keyed"].insert_many(
        [{"_id": key, "at": datetime(2026, 1, 31, 8)}, {"_id": bson.ObjectId(), "at": datetime(2026, 1, 31, 9)}]
    )
    for conditions in ({"_id": {"$oid": str(key)}}, {"at": {"$in": [{"$date": "2026-01-31T08:00:00Z"}]}}):
        assert rows(connector, ask("keyed", filter=conditions)) == [
            {"_id": str(key), "at": datetime(2026, 1, 31, 8, tzinfo=UTC)}
        ]
    with pytest.raises(SourceRejected, match=r"The value after \$oid"):
        rows(connector, ask("keyed", filter={"_id": {"$oid": "no"}}))


def test_the_driver_is_told_tag_and_time_limit(connector: MongodbConnector, mongodb_server: MongoServer) -> None:
    for text in (ask("numbers", filter={}), ask("numbers", pipeline=[{"$match": {}}])):
        with connector.stream(Query(text, tag="0199-abc"), control(30)) as reader:
            reader.read_all()
    (find,), (aggregate,) = mongodb_server.named("find"), mongodb_server.named("aggregate")
    for command in (find, aggregate):
        assert command["comment"] == "report-hub 0199-abc"
        assert 25_000 < command["maxTimeMS"] <= 30_500


def test_the_servers_time_limit_is_told_as_such(connector: MongodbConnector, mongodb_server: MongoServer) -> None:
    mongodb_server.expires.add("numbers")
    with pytest.raises(SourceRejected, match="took too long"):
        rows(connector, ask("numbers", filter={}))


def test_a_name_that_cannot_be_one_is_the_owners_affair(
    connector: MongodbConnector, mongodb_server: MongoServer
) -> None:
    with pytest.raises(SourceRejected, match="is not one"):
        rows(connector, ask("a..b"))
    with pytest.raises(SourceRejected, match="is not one"):
        MongodbConnector(MongodbConfig(**{**mongodb_server.config, "database": "a.b"})).check(control())
