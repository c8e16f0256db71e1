"""MySQL and MariaDB: PyMySQL connects, logs in and describes the columns; the rows are read by our own reader.

PyMySQL turns every value into a Python object, which takes seven times as long as cutting whole network buffers with
numpy. The session is a read-only transaction in UTC with a known sql_mode, so that text means to the server what it
meant to the SQL guard.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from connectors._mysql_errors import refuse_cut_values, translate, translate_greeting
from connectors._mysql_rows import RowStream
from connectors._mysql_types import SOURCE_TYPES, MysqlColumns
from connectors._server import ServerConfig, allowed_addresses, connect_seconds, silent, unheard
from shared.plugins import Column, Connector, Control, Query, SourceCapabilities, SourceType, Table
from shared.plugins.sql_parameters import bind
from shared.plugins.streaming import guarded, translated

_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_TABLES = """
SELECT t.table_schema, t.table_name, t.table_type, t.table_rows, c.column_name, c.column_type,
       c.is_nullable = 'YES', c.column_key = 'PRI'
FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name)
WHERE t.table_schema = DATABASE() ORDER BY t.table_name, c.ordinal_position
"""


class MysqlConfig(ServerConfig):
    port: int = Field(3306, title="Port", ge=1, le=65535, description="TCP port.")
    tinyint1_as_boolean: bool = Field(
        False, title="TINYINT(1) as boolean", description="Values other than 0 and 1 are then errors."
    )
    zero_dates: Literal["error", "null"] = Field(
        "error", title="Zero dates", description="What 0000-00-00 becomes: an error that names it, or NULL."
    )


class MysqlConnector(Connector[MysqlConfig]):
    kind = "mysql"
    title = "MySQL and MariaDB"
    config_model = MysqlConfig
    drivers = ("pymysql",)
    capabilities = SourceCapabilities(dialect="mysql", cancels=True)
    source_types: ClassVar[Sequence[SourceType]] = SOURCE_TYPES

    def check(self, control: Control) -> str:
        with self._session(control) as connection, translated(control, self._translate), connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            version = cursor.fetchone()[0]
        return f"MariaDB {version}" if "MariaDB" in version else f"MySQL {version}"

    @contextlib.contextmanager
    def stream(self, query: Query, control: Control) -> Iterator[pa.RecordBatchReader]:
        with self._session(control) as connection, control.on_cancel(lambda: self._kill(connection, control)):
            with translated(control, self._translate):
                text, values = bind(query.text, query.params, "mysql", lambda _: "%s", doubles_percent=True)
                if values:
                    text = connection.cursor().mogrify(text, [_value(value) for value in values])
                rows = RowStream(connection, f"/* report-hub {query.tag} */ {text}" if query.tag else text, query)
                columns = MysqlColumns(rows.fields, self.config.tinyint1_as_boolean, self.config.zero_dates == "null")
            with guarded(columns.schema, _whole(rows, columns, connection), control, self._translate) as reader:
                yield reader

    def tables(self, control: Control) -> list[Table]:
        with self._session(control) as connection, translated(control, self._translate), connection.cursor() as cursor:
            cursor.execute(_TABLES)
            rows = cursor.fetchall()
        found: dict[str, list[Any]] = {}
        for row in rows:
            found.setdefault(row[1], []).append(row)
        return [_table(name, columns) for name, columns in found.items() if columns[0][0] not in _SYSTEM]

    def _translate(self, error: Exception) -> Exception:
        return translate(error, self.config)

    @contextlib.contextmanager
    def _session(self, control: Control) -> Iterator[Any]:
        connection = self._connect(control)
        try:
            with translated(control, self._translate), connection.cursor() as cursor:
                # The guard reads backslashes as escapes and double quotes as strings; so must the server.
                cursor.execute("SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'")
                cursor.execute("SET SESSION time_zone = '+00:00'")
                # 1 kB in MySQL, 1 MB in MariaDB; `_whole` looks among all warnings for what was cut all the same.
                cursor.execute("SET SESSION group_concat_max_len = 16777216, max_error_count = 65535")
                _limit_time(cursor, connection, control)
                cursor.execute("START TRANSACTION READ ONLY")
            yield connection
        finally:
            _drop(connection)

    def _connect(self, control: Control) -> Any:
        import pymysql

        config = self.config
        addresses = allowed_addresses(config.host, config.port, control)
        seconds = connect_seconds(config, control)
        with translated(control, lambda error: translate_greeting(error, config)):
            connection: Any = pymysql.connect(
                host=config.host,
                port=config.port,
                database=config.database,
                user=config.username,
                password=config.password.get_secret_value() if config.password else "",
                charset="utf8mb4",
                read_timeout=seconds,
                write_timeout=seconds,
                local_infile=False,
                ssl=_tls_context(config),
                ssl_disabled=config.tls == "disable",
                program_name="report-hub",
                defer_connect=True,
            )
            connection.connect(_open_socket(addresses, config, seconds))
            connection._read_timeout = connection._write_timeout = None  # from here on `control` has the clock
        return connection

    def _kill(self, connection: Any, control: Control) -> None:
        """Stop the statement on the server from a second connection; if that fails, cut the first one."""
        try:
            killer = self._connect(Control(network=control.network))
            try:
                with killer.cursor() as cursor:
                    cursor.execute(f"KILL QUERY {int(connection.thread_id())}")
            finally:
                _drop(killer)
        finally:
            with contextlib.suppress(OSError, AttributeError):
                connection._sock.shutdown(socket.SHUT_RDWR)


def _whole(rows: RowStream, columns: MysqlColumns, connection: Any) -> Iterator[pa.RecordBatch]:
    """The batches; after the last one the server's warnings tell whether a function cut a value on the way."""
    yield from rows.batches(columns)
    if rows.warning_count:
        with connection.cursor() as cursor:
            cursor.execute("SHOW WARNINGS")
            refuse_cut_values(cursor.fetchall())


def _open_socket(addresses: list[str], config: MysqlConfig, seconds: float) -> socket.socket:
    failure: OSError | None = None
    for address in addresses:
        try:
            found = socket.create_connection((address, config.port), seconds)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return found
        except OSError as error:
            failure = error
    if isinstance(failure, ConnectionRefusedError):
        raise unheard(config)
    raise silent(config)


def _tls_context(config: MysqlConfig) -> ssl.SSLContext | None:
    if config.tls in ("disable", "prefer"):
        return None  # prefer: PyMySQL encrypts when the server offers it
    context = ssl.create_default_context(cadata=config.ca_certificate)
    if config.tls == "require":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _limit_time(cursor: Any, connection: Any, control: Control) -> None:
    remaining = control.remaining()
    if remaining is None:
        return
    if "MariaDB" in connection.get_server_info():
        cursor.execute("SET SESSION max_statement_time = %s", [round(remaining, 3)])
    else:
        cursor.execute("SET SESSION max_execution_time = %s", [max(1, int(remaining * 1000))])


def _drop(connection: Any) -> None:
    """Close the socket: a polite end would first read all rows that are still on their way."""
    connection._result = None
    with contextlib.suppress(Exception):
        connection._force_close()


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _table(name: str, rows: list[Any]) -> Table:
    schema, _, kind, estimate, *_ = rows[0]
    columns = tuple(Column(row[4], row[5], bool(row[6]), bool(row[7])) for row in rows)
    return Table(name, schema, "view" if "VIEW" in kind else "table", columns, estimate)
