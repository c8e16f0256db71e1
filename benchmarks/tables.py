"""The table of twelve mixed columns that exports are measured on, made by the servers themselves."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

DATABASE = "report_hub_bench"
_DEFAULTS = {
    "postgresql": "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql+pymysql://root@127.0.0.1:3306/",
}
_VARIABLES = {"postgresql": "REPORT_HUB_BENCH_POSTGRES_URL", "mysql": "REPORT_HUB_BENCH_MYSQL_URL"}
_POSTGRES = """
CREATE TABLE {table} AS SELECT
  n::bigint AS id, (n % 1000)::int AS quantity, (n * 1.2345)::numeric(18,4) AS amount, n / 7.0::float8 AS ratio,
  'code-' || lpad((n % 9999)::text, 5, '0') AS code,
  CASE n % 4 WHEN 0 THEN 'Grüße, "Zürich"' WHEN 1 THEN 'Αθήνα; ' || n WHEN 2 THEN '東京 ' || n
                 ELSE repeat('text ', 8) END AS note,
  DATE '2020-01-01' + (n % 2000)::int AS day, TIMESTAMP '2020-01-01' + n * interval '1.234567 seconds' AS created_at,
  TIMESTAMPTZ '2020-01-01 00:00Z' + n * interval '61 seconds' AS seen_at, n % 3 = 0 AS is_open,
  CASE WHEN n % 5 = 0 THEN NULL ELSE n * 3 END AS maybe, ('{{"n": ' || n || '}}')::json AS extra
FROM generate_series(1, {rows}) AS n
"""
_MARIADB = """
CREATE TABLE {table} AS SELECT
  CAST(seq AS SIGNED) AS id, CAST(seq % 1000 AS INT) AS quantity, CAST(seq * 1.2345 AS DECIMAL(18,4)) AS amount,
  seq / 7e0 AS ratio, CONCAT('code-', LPAD(seq % 9999, 5, '0')) AS code,
  CASE seq % 4 WHEN 0 THEN 'Grüße, "Zürich"' WHEN 1 THEN CONCAT('Αθήνα; ', seq) WHEN 2 THEN CONCAT('東京 ', seq)
       ELSE REPEAT('text ', 8) END AS note,
  DATE '2020-01-01' + INTERVAL (seq % 2000) DAY AS day,
  CAST(TIMESTAMP '2020-01-01 00:00:00' + INTERVAL seq * 1234567 MICROSECOND AS DATETIME(6)) AS created_at,
  CAST(TIMESTAMP '2020-01-01 00:00:00' + INTERVAL seq * 61 SECOND AS DATETIME) AS seen_at, seq % 3 = 0 AS is_open,
  CASE WHEN seq % 5 = 0 THEN NULL ELSE seq * 3 END AS maybe, CONCAT('{{"n": ', seq, '}}') AS extra
FROM seq_1_to_{rows}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A database server that is there, with the tables."""

    kind: str
    url: URL

    @property
    def config(self) -> dict[str, object]:
        """As a datasource's connection_config."""
        config = {"host": self.url.host, "port": self.url.port, "database": DATABASE, "username": self.url.username}
        return config | ({"password": self.url.password} if self.url.password else {})


def table_name(rows: int) -> str:
    return f"mixed_{rows}"


def server(kind: str, sizes: tuple[int, ...]) -> Server | str:
    """The server of this kind with one table per size, made when missing; or why there is none."""
    url = make_url(os.environ.get(_VARIABLES[kind], _DEFAULTS[kind]))
    try:
        _make_database(url, kind)
    except OperationalError as error:
        return f"no {kind} server ({error.orig}); set {_VARIABLES[kind]}"
    inside = url.set(database=DATABASE)
    engine = create_engine(inside)
    with engine.begin() as connection:
        for rows in sizes:
            statement = (_POSTGRES if kind == "postgresql" else _MARIADB).format(table=table_name(rows), rows=rows)
            if not engine.dialect.has_table(connection, table_name(rows)):
                connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()
    return Server(kind, inside)


def _make_database(url: URL, kind: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if kind == "postgresql":
            known = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE})
            if known is None:
                connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
        else:
            connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4")
    engine.dispose()
