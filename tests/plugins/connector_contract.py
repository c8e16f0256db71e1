"""What every connector promises; a new connector inherits these tests and gives the statements for its SQL."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from shared.errors import (
    AddressBlocked,
    Cancelled,
    ReportHubError,
    SourceError,
    SourceRejected,
    SourceUnavailable,
    TimeLimitReached,
)
from shared.network import NetworkPolicy
from shared.plugins import Connector, Control, Query, SourceType
from shared.plugins.arrow_text import is_decimal_text
from shared.plugins.connector import EVERYTHING_ELSE
from shared.plugins.converter import TYPE_FAMILIES

LOCAL = NetworkPolicy((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))


def control(seconds: float | None = 60) -> Control:
    return Control(None if seconds is None else timedelta(seconds=seconds), network=LOCAL)


def rows(connector: Connector[Any], text: str, **params: Any) -> list[dict[str, Any]]:
    with connector.stream(Query(text, params), control()) as reader:
        return reader.read_all().to_pylist()


class ConnectorContract:
    """Attributes:
    three_rows: gives column n with 1, 2, 3.
    no_rows: gives column n and no row.
    many_rows: gives at least 100,000 rows of one integer column n.
    wide_rows: gives 64 rows, each with a text of about 100,000 characters.
    endless: runs for more than a minute unless stopped.
    broken: is no valid query.
    echo: gives its parameters back: SELECT :a AS a …
    write: would change something.
    """

    three_rows: ClassVar[str]
    no_rows: ClassVar[str]
    many_rows: ClassVar[str]
    wide_rows: ClassVar[str]
    endless: ClassVar[str]
    broken: ClassVar[str]
    write: ClassVar[str]
    listed_table: ClassVar[str]

    def test_rows_arrive_as_they_are(self, connector: Connector[Any]) -> None:
        assert [row["n"] for row in rows(connector, self.three_rows)] == [1, 2, 3]

    def test_an_empty_result_still_has_its_columns(self, connector: Connector[Any]) -> None:
        with connector.stream(Query(self.no_rows), control()) as reader:
            assert reader.schema.names == ["n"]
            assert reader.read_all().num_rows == 0

    def test_many_rows_come_in_bounded_batches(self, connector: Connector[Any]) -> None:
        with connector.stream(Query(self.many_rows, batch_rows=1000), control()) as reader:
            sizes = [batch.num_rows for batch in reader]
        assert sum(sizes) >= 100_000
        assert max(sizes) <= 4096

    def test_wide_rows_give_batches_of_fewer_rows(self, connector: Connector[Any]) -> None:
        with connector.stream(Query(self.wide_rows, batch_bytes=500_000), control()) as reader:
            sizes = [batch.nbytes for batch in reader]
        assert sum(sizes) >= 6_000_000
        assert max(sizes) <= 3_000_000

    def test_leaving_early_frees_the_connection(self, connector: Connector[Any]) -> None:
        for _ in range(3):
            with connector.stream(Query(self.many_rows, batch_rows=100), control()) as reader:
                assert reader.read_next_batch().num_rows > 0
        assert len(rows(connector, self.three_rows)) == 3

    def test_cancel_stops_a_running_statement(self, connector: Connector[Any]) -> None:
        reins = control()
        timer = threading.Timer(0.3, reins.cancel)
        timer.start()
        with pytest.raises(Cancelled), connector.stream(Query(self.endless), reins) as reader:
            reader.read_all()
        timer.join()

    def test_the_time_limit_stops_a_running_statement(self, connector: Connector[Any]) -> None:
        reins = control(0.5)
        with pytest.raises(TimeLimitReached), connector.stream(Query(self.endless), reins) as reader:
            reader.read_all()

    def test_a_broken_query_is_the_owners_affair(self, connector: Connector[Any]) -> None:
        with pytest.raises(SourceRejected) as refused, connector.stream(Query(self.broken), control()) as reader:
            reader.read_all()
        assert refused.value.hint

    def test_text_parameters_are_bound_not_pasted(self, connector: Connector[Any]) -> None:
        text = "x' OR 1=1; -- \\ \" % :p ?"
        assert rows(connector, "SELECT :a AS a", a=text) == [{"a": text}]

    def test_lists_expand_inside_in(self, connector: Connector[Any]) -> None:
        found = rows(
            connector, f"SELECT n FROM ({self.three_rows}) AS t WHERE n IN (:wanted) ORDER BY n", wanted=[1, 3]
        )
        assert [row["n"] for row in found] == [1, 3]

    def test_parameters_of_all_types_compare(self, connector: Connector[Any]) -> None:
        values = {
            "i": 7,
            "d": Decimal("1.50"),
            "b": True,
            "day": date(2026, 1, 31),
            "t": datetime(2026, 1, 31, tzinfo=UTC),
        }
        sql = "SELECT 1 AS ok WHERE :i = 7 AND :d = 1.5 AND :b AND :day >= '2026-01-31' AND :t >= '2026-01-31'"
        assert rows(connector, sql, **values) == [{"ok": 1}]

    def test_a_null_parameter_is_null(self, connector: Connector[Any]) -> None:
        assert rows(connector, "SELECT 1 AS ok WHERE :a IS NULL", a=None) == [{"ok": 1}]

    def test_an_empty_list_is_refused(self, connector: Connector[Any]) -> None:
        with pytest.raises(SourceRejected):
            rows(connector, f"SELECT n FROM ({self.three_rows}) AS t WHERE n IN (:wanted)", wanted=[])

    def test_text_in_six_scripts_null_and_empty_stay_apart(self, connector: Connector[Any]) -> None:
        values = ["Zoë", "Ελλάδα", "Привет", "日本語 𠮷", "مرحبا", "हिन्दी", "", 'a"b,c\nd\r\n\te', "NULL", "\\N"]
        sql = " UNION ALL ".join(f"SELECT {n} AS n, :v{n} AS v" for n in range(len(values)))
        sql += f" UNION ALL SELECT {len(values)}, NULL"
        found = rows(connector, f"SELECT v FROM ({sql}) AS t ORDER BY n", **{f"v{n}": v for n, v in enumerate(values)})
        assert [row["v"] for row in found] == [*values, None]

    def test_columns_of_the_same_name_are_kept(self, connector: Connector[Any]) -> None:
        with connector.stream(Query("SELECT 1 AS a, 2 AS a"), control()) as reader:
            table = reader.read_all()
        assert [column.to_pylist() for column in table.columns] == [[1], [2]]

    def test_a_single_column_of_nulls_keeps_its_rows(self, connector: Connector[Any]) -> None:
        found = rows(connector, f"SELECT NULLIF(n, n) AS x FROM ({self.three_rows}) AS t")
        assert found == [{"x": None}] * 3

    def test_the_source_itself_refuses_to_write(self, connector: Connector[Any]) -> None:
        with pytest.raises(SourceError), connector.stream(Query(self.write), control()) as reader:
            reader.read_all()

    def test_check_names_product_and_version(self, connector: Connector[Any]) -> None:
        assert any(character.isdigit() for character in connector.check(control()))

    def test_tables_have_columns_and_no_system_ones(self, connector: Connector[Any]) -> None:
        tables = {table.name: table for table in connector.tables(control())}
        assert self.listed_table in tables
        assert tables[self.listed_table].columns
        assert not any(name.startswith(("sqlite_", "pg_")) for name in tables)

    def test_the_schema_is_known_before_the_first_row(self, connector: Connector[Any]) -> None:
        with connector.stream(Query(self.three_rows), control()) as reader:
            assert isinstance(reader.schema, pa.Schema)
            assert pa.types.is_integer(reader.schema.field("n").type)


def declared_type(connector: Connector[Any], name: str) -> tuple[SourceType, list[str]]:
    """What the connector says about `numeric(18, 4)`, and which Arrow types it may become."""
    for kind in connector.source_types:
        for pattern in kind.names:
            found = re.fullmatch(re.sub(r"\\?\b([psnT])\b", r"(?P<\1>\\w+)", re.escape(pattern)), name)
            if found:
                arrow = kind.arrow
                for letter, number in found.groupdict().items():
                    arrow = re.sub(rf"\b{letter}\b", number, arrow)
                return kind, arrow.split(" or ")
    rest = [kind for kind in connector.source_types if EVERYTHING_ELSE in kind.names]
    assert rest, f"{connector.kind} does not say what becomes of {name}"
    return rest[0], [rest[0].arrow]


class TypesContract:
    """What a connector says about its types is what happens. A test class gives the columns of all its types.

    `typed` is the connector and the schema of a result whose columns are named by their types in the datasource.
    """

    def test_every_type_arrives_as_declared(self, typed: tuple[Connector[Any], pa.Schema]) -> None:
        connector, schema = typed
        for field in schema:
            kind, arrow = declared_type(connector, field.name)
            arrived = str(field.type).split("<")[0] if pa.types.is_nested(field.type) else str(field.type)
            assert arrived in arrow, field.name
            assert is_decimal_text(field) == (kind.family == "decimal text"), field.name

    def test_no_declared_type_is_only_words(self, typed: tuple[Connector[Any], pa.Schema]) -> None:
        connector, schema = typed
        seen = [declared_type(connector, name)[0] for name in schema.names]
        assert [kind.names for kind in connector.source_types if kind not in seen and kind.family != "other"] == []

    def test_every_type_has_a_place_in_the_table_of_files(self, typed: tuple[Connector[Any], pa.Schema]) -> None:
        connector, _ = typed
        assert {kind.family for kind in connector.source_types} <= set(TYPE_FAMILIES)
        names = [name for kind in connector.source_types for name in kind.names]
        assert len(names) == len(set(names))


class ServerContract(ConnectorContract):
    """More promises of connectors that reach a server over the network."""

    def make(self, **changes: Any) -> Connector[Any]:
        raise NotImplementedError

    @pytest.mark.parametrize(
        ("changes", "layer"),
        [
            ({"host": "no-such-host.invalid"}, "Name"),
            ({"port": 1}, "Network"),
            ({"database": "no_such_database"}, "Database"),
        ],
    )
    def test_check_names_the_layer_that_failed(self, changes: dict[str, Any], layer: str) -> None:
        with pytest.raises(ReportHubError) as failed:
            self.make(**changes).check(control())
        assert failed.value.message.startswith(layer)
        assert str(next(iter(changes.values()))) in failed.value.message
        assert failed.value.hint

    def test_a_server_that_says_nothing_is_not_waited_for_longer_than_the_connect_timeout(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            with pytest.raises(SourceUnavailable, match=f"^Network: 127.0.0.1 does not answer on port {port}"):
                self.make(host="127.0.0.1", port=port, connect_timeout=2).check(control(seconds=30))

    def test_a_private_address_needs_a_permission(self) -> None:
        with pytest.raises(AddressBlocked):
            self.make().check(Control(timedelta(seconds=5)))
