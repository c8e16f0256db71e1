"""The MySQL connector against a real MariaDB."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.mysql import MysqlConfig, MysqlConnector
from shared.errors import SourceRejected
from shared.plugins import Query
from tests.plugins.connector_contract import ServerContract, control, rows
from tests.services.databases import TestDatabase

pytestmark = pytest.mark.service
SERIES = "SELECT seq AS n FROM seq_1_to_{}"


@pytest.fixture
def connector(mariadb_database: TestDatabase) -> MysqlConnector:
    mariadb_database.execute(
        """CREATE TABLE types (id bigint unsigned PRIMARY KEY, tiny tinyint(1), dec5 decimal(18,4), wide decimal(65,30),
           f float, dbl double, yes bit(1), bits bit(12), y year, d date, t time(3), dt datetime(6),
            ts timestamp(6) NULL, txt text, bin varbinary(10), js json, e enum('a','b'), s set('x','y'))""",
        """INSERT INTO types VALUES (18446744073709551615, 2, 12345678901234.5678,
           99999999999999999999999999999999999.123456789012345678901234567890, 0.5, 0.1, b'1', b'100000000001', 2026,
           '2026-01-31', '838:59:58.999', '2026-01-31 08:00:00.123456', '2026-01-31 08:00:00', 'Zoë\\n"', x'00ff',
           '{"a":1}', 'b', 'x,y')""",
        "INSERT INTO types (id) VALUES (1)",
    )
    return MysqlConnector(MysqlConfig(**mariadb_database.config))


class TestMysql(ServerContract):
    three_rows = "SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3"
    no_rows = "SELECT id AS n FROM types WHERE id = 0"
    many_rows = SERIES.format(100_000)
    wide_rows = "SELECT REPEAT('x', 100000) AS x FROM seq_1_to_64"
    endless = "SELECT SLEEP(100) AS n"
    broken = "SELECT * FROM no_such_table"
    write = "INSERT INTO types (id) VALUES (2)"
    listed_table = "types"

    @pytest.fixture(autouse=True)
    def _database(self, mariadb_database: TestDatabase) -> None:
        self._config = mariadb_database.config

    def make(self, **changes: Any) -> MysqlConnector:
        return MysqlConnector(MysqlConfig(**{**self._config, **changes}))


def test_every_type_comes_back_as_it_was(connector: MysqlConnector) -> None:
    empty, full = rows(connector, "SELECT * FROM types ORDER BY id")
    assert set(empty.values()) == {1, None}
    assert full == {
        "id": 18446744073709551615,
        "tiny": 2,
        "dec5": Decimal("12345678901234.5678"),
        "wide": Decimal("99999999999999999999999999999999999.123456789012345678901234567890"),
        "f": 0.5,
        "dbl": 0.1,
        "yes": True,
        "bits": 2049,
        "y": 2026,
        "d": date(2026, 1, 31),
        "t": "838:59:58.999",
        "dt": datetime(2026, 1, 31, 8, 0, 0, 123456),
        "ts": full["ts"],
        "txt": 'Zoë\n"',
        "bin": b"\x00\xff",
        "js": '{"a":1}',
        "e": "b",
        "s": "x,y",
    }
    assert full["ts"].tzinfo is not None


def test_timestamps_are_the_same_moment_in_every_zone(
    connector: MysqlConnector, mariadb_database: TestDatabase
) -> None:
    mariadb_database.execute("SET time_zone = '+05:00'", "UPDATE types SET ts = '2026-01-31 08:00:00' WHERE id = 1")
    assert rows(connector, "SELECT ts FROM types WHERE id = 1") == [{"ts": datetime(2026, 1, 31, 3, tzinfo=UTC)}]


def test_zero_dates_are_an_error_or_null_as_configured(mariadb_database: TestDatabase) -> None:
    mariadb_database.execute(
        "SET sql_mode = ''", "CREATE TABLE z (d date, dt datetime)", "INSERT INTO z VALUES ('2026-01-01', NULL), (0, 0)"
    )
    with pytest.raises(SourceRejected, match="Row 2, column d"):
        rows(MysqlConnector(MysqlConfig(**mariadb_database.config)), "SELECT * FROM z ORDER BY d DESC")
    lenient = MysqlConnector(MysqlConfig(**mariadb_database.config, zero_dates="null"))
    assert rows(lenient, "SELECT * FROM z ORDER BY d DESC")[1] == {"d": None, "dt": None}


def test_tinyint1_is_a_boolean_only_where_wanted(mariadb_database: TestDatabase) -> None:
    mariadb_database.execute("CREATE TABLE b (x tinyint(1))", "INSERT INTO b VALUES (1), (0), (NULL)")
    connector = MysqlConnector(MysqlConfig(**mariadb_database.config, tinyint1_as_boolean=True))
    assert [row["x"] for row in rows(connector, "SELECT x FROM b")] == [True, False, None]
    mariadb_database.execute("INSERT INTO b VALUES (2)")
    with pytest.raises(SourceRejected, match="Row 4, column x"):
        rows(connector, "SELECT x FROM b")


@pytest.mark.parametrize("size", [250, 251, 65535, 65536, 2**24 - 20, 2**24 - 6, 2**24, 2**24 + 9])
def test_cells_of_any_length_arrive_whole(connector: MysqlConnector, size: int, mariadb_database: TestDatabase) -> None:
    mariadb_database.execute("SET GLOBAL max_allowed_packet = 67108864")
    sql = f"SELECT 1 AS a, REPEAT('x', {size}) AS x, 'end' AS z UNION ALL SELECT 2, '', 'z'"
    with connector.stream(Query(sql), control()) as reader:
        table = reader.read_all()
    assert [len(value) for value in table.column("x").to_pylist()] == [size, 0]
    assert table.column("z").to_pylist() == ["end", "z"]
    assert table.column("a").to_pylist() == [1, 2]


def test_an_error_tells_the_line(connector: MysqlConnector) -> None:
    with pytest.raises(SourceRejected) as refused:
        rows(connector, "SELECT id\nFROM types\nWHERE id = = 1")
    assert refused.value.line == 3


def test_a_wrong_password_is_a_refused_login(mariadb_database: TestDatabase) -> None:
    config = {**mariadb_database.config, "username": "rh_nobody", "password": "wrong"}
    with pytest.raises(SourceRejected, match=f"Login: {config['host']} refused the login for user rh_nobody"):
        MysqlConnector(MysqlConfig(**config)).check(control())


def test_what_speaks_no_mysql_is_named(connector: MysqlConnector) -> None:
    def greet(door: socket.socket) -> None:
        with door.accept()[0] as guest:
            guest.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            guest.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=greet, args=(door,), daemon=True).start()
        config = connector.config.model_copy(update={"host": "127.0.0.1", "port": door.getsockname()[1]})
        with pytest.raises(SourceRejected, match=r"is no MySQL or MariaDB server\.$"):
            MysqlConnector(config).check(control())


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT GROUP_CONCAT(REPEAT('x', 1000) SEPARATOR '') AS x FROM seq_1_to_20000", "GROUP_CONCAT cut"),
        ("SELECT REPEAT('x', 1073741824) AS x", "gave NULL"),
        # The one warning that counts comes after many that do not.
        (
            "SELECT '1a' + seq AS n, NULL AS x FROM seq_1_to_500 UNION ALL SELECT 1, REPEAT('x', 1073741824)",
            "gave NULL",
        ),
    ],
)
def test_values_that_the_server_cut_are_refused(connector: MysqlConnector, query: str, reason: str) -> None:
    with pytest.raises(SourceRejected, match=reason):
        rows(connector, query)


def test_long_lists_come_whole_and_harmless_warnings_pass(connector: MysqlConnector) -> None:
    listed = rows(connector, "SELECT GROUP_CONCAT(seq) AS x, MAX('1a' + seq) AS n FROM seq_1_to_200000")[0]
    assert listed["x"].count(",") == 199_999


def test_tls_is_named_when_it_cannot_be_had(mariadb_database: TestDatabase) -> None:
    with pytest.raises(SourceRejected, match="TLS"):
        MysqlConnector(MysqlConfig(**mariadb_database.config, tls="verify")).check(control())
