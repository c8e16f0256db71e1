"""How each datasource holds the awkward values: its types, what its driver is given, what must arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np

from tests.fidelity.values import VALUES

Change = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _all(value: Any) -> bool:
    return True


@dataclass(frozen=True)
class Held:
    """A column of the table of awkward values.

    Attributes:
        type: the datasource's word, as the connector declares it; also the column's name.
        values: the name of its values.
        ddl: the column's definition, if it is not `type`.
        stores: what the driver that fills the table is given for a value.
        arrives: what the value is on the way, by the words of the documentation.
        holds: which of the values the datasource itself can hold.
    """

    type: str
    values: str
    ddl: str = ""
    stores: Change = _same
    arrives: Change = _same
    holds: Callable[[Any], bool] = _all

    def given(self) -> list[Any]:
        return [value for value in VALUES[self.values] if value is None or self.holds(value)]

    def arriving(self) -> list[Any]:
        return [None if value is None else self.arrives(value) for value in self.given()]


def text_of(value: Any) -> str:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def _is_stored_by_mysql(value: float) -> bool:
    """-0.0 becomes 0.0 there."""
    return bool(np.isfinite(value)) and not (value == 0 and np.signbit(value))


def _is_stored_by_sqlite(value: float) -> bool:
    """NaN becomes NULL there, and -0.0 becomes 0.0."""
    return not np.isnan(value) and not (value == 0 and np.signbit(value))


def _between(first: str, last: str) -> Callable[[datetime], bool]:
    low, high = datetime.fromisoformat(first), datetime.fromisoformat(last)
    return lambda value: low <= value.replace(tzinfo=None) <= high


def _has_no_nul(value: str) -> bool:
    return "\0" not in value


def _six_digits(value: float) -> float:
    return float(np.float32(f"{value:.6g}"))


def _at_an_offset(value: datetime) -> str:
    return value.astimezone(timezone(timedelta(hours=-5, minutes=-30))).isoformat()


def _time_at_an_offset(value: time) -> str:
    return (str(value).rstrip("0") if value.microsecond else str(value)) + "+02"


def _naive(value: datetime) -> datetime:
    return value.astimezone(UTC).replace(tzinfo=None)


def _postgresql_array(items: list[Any]) -> str:
    def item(value: Any) -> str:
        if value is None:
            return "NULL"
        text = str(value)
        if text == "" or any(character in text for character in '",{}\\ \n'):
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        return text

    return "{" + ",".join(map(item, items)) + "}"


def iso_interval(value: tuple[int, int, int]) -> str:
    """ISO 8601 with signed parts; a fraction without zeros at its end, as PostgreSQL writes it."""
    months, days, micros = value

    def parts(count: int, *units: tuple[int, str]) -> str:
        sign, rest, found = "-" if count < 0 else "", abs(count), ""
        for size, unit in units:
            whole, rest = divmod(rest, size)
            found += f"{sign}{whole}{unit}" if whole else ""
        return found

    seconds = ""
    if rest := abs(micros) % 60_000_000:
        number = f"{Decimal(rest).scaleb(-6):f}"
        number = number.rstrip("0").rstrip(".") if "." in number else number
        seconds = f"{'-' if micros < 0 else ''}{number}S"
    date = parts(months, (12, "Y"), (1, "M")) + parts(days, (1, "D"))
    clock = parts(micros, (3_600_000_000, "H"), (60_000_000, "M")) + seconds
    return f"P{date}{'T' if clock else ''}{clock}" if date or clock else "PT0S"


SQLITE = (
    Held("BOOLEAN", "boolean"),
    Held("INTEGER", "int64"),
    Held("DECIMAL(15, 2)", "decimal(15, 2)", stores=str),
    Held("DECIMAL(16, 2)", "decimal(16, 2)", stores=str, arrives=lambda value: Decimal(repr(float(value)))),
    Held("REAL", "float64", holds=_is_stored_by_sqlite),
    Held("DATE", "date", stores=str),
    Held("TIME", "time", stores=str),
    Held("DATETIME", "timestamp", stores=text_of),
    Held(
        "TIMESTAMP",
        "zoned",
        stores=_at_an_offset,
        arrives=_naive,
        holds=_between("0002-01-01", "9999-01-01"),
    ),
    Held("TEXT", "text"),
    Held("VARCHAR(10)", "short text"),
    Held("JSON", "json", holds=lambda value: not value[0].isdigit()),  # SQLite makes a float of such a JSON
    Held("UUID", "uuid", stores=str, arrives=str),
    Held("BLOB", "binary"),
)

DUCKDB = (
    Held("BOOLEAN", "boolean"),
    *(
        Held(f"{sign}{name}", f"{sign.lower()}int{bits}")
        for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("INTEGER", 32), ("BIGINT", 64))
        for sign in ("", "U")
    ),
    Held("HUGEINT", "int128", stores=str, arrives=Decimal),
    Held("UHUGEINT", "uint128", stores=str, arrives=str),
    Held("BIGNUM", "bignum", stores=str, arrives=str),
    *(
        Held(f"DECIMAL({size})", f"decimal({size})", stores="{:f}".format)
        for size in ("15, 2", "18, 4", "38, 0", "38, 10", "38, 38")
    ),
    Held("FLOAT", "float32"),
    Held("DOUBLE", "float64"),
    Held("DATE", "date", stores=str),
    Held("TIME", "time", stores=str),
    Held("TIME_NS", "time", stores=str),
    Held("TIME WITH TIME ZONE", "time", stores=_time_at_an_offset, arrives=_time_at_an_offset),
    Held("TIMESTAMP", "timestamp", stores=str),
    Held("TIMESTAMP_S", "timestamp", stores=str, holds=lambda value: value.microsecond == 0),
    Held("TIMESTAMP_MS", "timestamp", stores=str, holds=lambda value: value.microsecond % 1_000 == 0),
    Held("TIMESTAMP_NS", "timestamp", stores=str, holds=_between("1678-01-01", "2262-01-01")),
    Held("TIMESTAMP WITH TIME ZONE", "zoned", stores=str),
    Held("INTERVAL", "interval", stores=lambda value: "{} months {} days {} microseconds".format(*value)),
    Held("VARCHAR", "text"),
    Held("ENUM", "word", ddl="ENUM ('sad', 'glad')"),
    Held("JSON", "json"),
    Held("UUID", "uuid", stores=str, arrives=str),
    Held("BLOB", "binary"),
    Held("BIT", "uint8", stores=lambda value: f"{value:08b}", arrives=lambda value: f"{value:08b}"),
    Held("INTEGER[]", "integers"),
    Held("BIGINT[1]", "bigs", stores=lambda value: value[:1], arrives=lambda value: value[:1]),
    Held("VARCHAR[]", "texts"),
    Held("STRUCT", "struct", ddl="STRUCT(a DECIMAL(18, 2), b TIMESTAMPTZ, c VARCHAR[], d DOUBLE)"),
    Held(
        "MAP",
        "map",
        ddl="MAP(VARCHAR, INTEGER)",
        stores=lambda value: {"key": [*value], "value": [*value.values()]},
        arrives=lambda value: [*value.items()],
    ),
)

_INT = (("tinyint", 8), ("smallint", 16), ("int", 32), ("bigint", 64))
MYSQL = (
    *(Held(name, f"int{bits}") for name, bits in _INT),
    *(Held(f"{name} unsigned", f"uint{bits}") for name, bits in _INT),
    Held("mediumint", "int16"),
    Held("mediumint unsigned", "uint16"),
    Held("tinyint(1)", "int8"),
    Held("bit(1)", "bit"),
    Held("bit(64)", "bits"),
    Held("year", "year"),
    *(
        Held(f"decimal({size})", f"decimal({size})")
        for size in ("15, 2", "18, 4", "38, 0", "38, 10", "38, 38", "60, 10", "65, 30")
    ),
    Held("float", "float32", holds=_is_stored_by_mysql, arrives=_six_digits),
    Held("double", "float64", holds=_is_stored_by_mysql),
    Held("date", "date"),
    Held("datetime(6)", "timestamp"),
    Held("datetime", "timestamp", holds=lambda value: value.microsecond == 0),
    Held(
        "timestamp(6)",
        "zoned",
        ddl="timestamp(6) NULL",
        stores=_naive,
        holds=_between("1970-01-01 00:00:01", "2038-01-19 03:14:07.999999"),
    ),
    Held("time(6)", "long time"),
    Held("char(4)", "short text"),
    Held("varchar(10)", "short text"),
    Held("longtext", "text"),
    Held("json", "json"),
    Held("uuid", "uuid", stores=str, arrives=str, holds=lambda value: value.int < 2**128 - 1),
    Held("enum", "word", ddl="enum('sad', 'glad')"),
    Held("set", "word", ddl="set('sad', 'glad')"),
    Held("varbinary(300)", "binary"),
    Held("blob", "binary"),
)

POSTGRESQL = (
    Held("boolean", "boolean"),
    *(Held(name, f"int{bits}") for name, bits in (("smallint", 16), ("integer", 32), ("bigint", 64))),
    Held("oid", "uint32"),
    *(
        Held(f"numeric({size})", f"decimal({size})")
        for size in ("15, 2", "18, 4", "38, 0", "38, 10", "38, 38", "60, 10")
    ),
    Held("numeric", "decimal text"),
    Held("real", "float32", stores=repr),
    Held("double precision", "float64", stores=repr),
    Held("date", "date"),
    Held("time", "time"),
    Held("timestamp", "timestamp"),
    Held("timestamptz", "zoned"),
    Held("text", "text", holds=_has_no_nul),
    Held("varchar(10)", "short text"),
    Held("char(4)", "short text", arrives=lambda value: f"{value:4}"),
    Held("json", "json"),
    Held("jsonb", "json"),
    Held("uuid", "uuid", stores=str, arrives=str),
    Held(
        "interval",
        "interval",
        stores=lambda value: "{} months {} days {} microseconds".format(*value),
        arrives=iso_interval,
    ),
    Held("enum", "word", ddl="mood"),
    Held("bytea", "binary"),
    Held("integer[]", "integers", arrives=_postgresql_array),
    Held("text[]", "texts", arrives=_postgresql_array),
    Held("timetz", "time", stores=_time_at_an_offset, arrives=_time_at_an_offset),
)
