"""What the documentation promises for each format, written down from its words: no code of the converters is used."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from tests.fidelity.cells import Drawn, DrawnJson, Float, Json, Number, Refused, Same, Serial, Value
from tests.fidelity.columns import iso_interval
from tests.fidelity.values import Formula, Interval

ZONE = "Europe/Berlin"
_YEARS = Refused("a date outside of the years 1 to 9999")
_FIRST_DAY = date(1900, 3, 1)
_LONGEST = 32_767
_SAFE = 2**53 - 1

Rule = Callable[[str, pa.DataType, Any], Any]
"""Family, type and value on the way → what the file must hold."""


def csv(family: str, kind: pa.DataType, value: Any) -> Any:
    if value is None:
        return None
    if family == "text" and isinstance(value, Formula):
        return f"'{value}"
    if family in ("list", "struct", "map"):
        return Json(_nested(kind, value, exact="number"))
    return _text(family, kind, value)


def html(family: str, kind: pa.DataType, value: Any) -> Any:
    if value is not None and family == "text" and "\0" in value:
        return Refused("a NUL character")
    return csv(family, kind, str(value) if isinstance(value, Formula) else value)


def json(family: str, kind: pa.DataType, value: Any, exact: str = "safe") -> Any:
    if value is None or family == "boolean":
        return value
    if family == "integer":
        return value if abs(value) <= _SAFE or exact == "number" else str(value)
    if family in ("decimal", "decimal text"):
        text = _text(family, kind, value)
        is_number = text[-1].isdigit() and (exact == "number" or _significant(text) <= 15)
        return Number(text) if is_number else text
    if family == "float":
        return _text(family, kind, value) if math.isnan(value) or math.isinf(value) else _float(kind, value)
    if family in ("list", "struct", "map"):
        return _nested(kind, value, exact)
    return _text(family, kind, value)


def xlsx(family: str, kind: pa.DataType, value: Any) -> Any:
    if value is None or family == "boolean":
        return value
    if family == "integer":
        return value if abs(value) < 10**15 else str(value)
    if family in ("decimal", "decimal text"):
        text = _text(family, kind, value)
        return Value(Decimal(text)) if text[-1].isdigit() and _significant(text) <= 15 else text
    if family == "float":
        found = _text(family, kind, value)
        return found if isinstance(found, str) else Float(value, pa.types.is_float32(kind), keeps_sign=False)
    if family == "date":
        return Serial(value) if value >= _FIRST_DAY else value.isoformat()
    if family == "time":
        return Serial(value)
    if family in ("timestamp", "timestamp with zone"):
        return _sheet_moment(kind, value)
    if family in ("list", "struct", "map"):
        return Json(_nested(kind, value, exact="number"))
    text = _text(family, kind, value)
    too_long = len(text.encode("utf-16-le")) // 2 > _LONGEST
    return Refused("a cell of a workbook holds 32,767") if too_long else text


def pdf(family: str, kind: pa.DataType, value: Any) -> Any:
    if value is None:
        return Drawn("")
    if family == "float" and math.isfinite(value):
        return Float(value, pa.types.is_float32(kind))
    if family == "time":
        return Drawn(_clock(value, kind.unit))
    if family in ("timestamp", "timestamp with zone"):
        wall = _wall(value)
        return _YEARS if wall is None else Drawn(f"{wall.date()} {_clock(wall.time(), kind.unit)}")
    if family in ("list", "struct", "map"):
        return DrawnJson(_nested(kind, value, exact="number"))
    found = _text(family, kind, value)
    return Drawn(found) if isinstance(found, str) else found


def parquet(family: str, kind: pa.DataType, value: Any) -> Any:
    if value is not None and family == "interval":
        return _text(family, kind, value)
    if value is not None and family == "decimal" and kind.precision > 38:
        return _text(family, kind, value)
    return Same(value)


RULES: Mapping[str, Rule] = {
    "csv": csv,
    "html": html,
    "json": json,
    "ndjson": json,
    "xlsx": xlsx,
    "pdf": pdf,
    "parquet": parquet,
}


def _text(family: str, kind: pa.DataType, value: Any) -> Any:
    """The one text of a value in the formats that are text."""
    if family == "boolean":
        return "true" if value else "false"
    if family == "decimal":
        return _fixed(value, kind.scale)
    if family == "float":
        if math.isnan(value):
            return "NaN"
        return _float(kind, value) if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"
    if family == "date":
        return value.isoformat()
    if family == "time":
        return _iso_clock(value)
    if family == "timestamp":
        return f"{value.date()}T{_iso_clock(value.time())}"
    if family == "timestamp with zone":
        return _zoned(value)
    if family == "interval":
        return _interval(value)
    if family == "binary":
        return base64.b64encode(value).decode()
    return str(value)


def _fixed(value: Decimal, scale: int) -> str:
    """All digits of the scale, never an exponent."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    number = "".join(map(str, digits)) + "0" * (exponent + scale)
    padded = number.rjust(scale + 1, "0")
    whole, fraction = padded[: len(padded) - scale].lstrip("0") or "0", padded[len(padded) - scale :]
    return f"{'-' if sign and value else ''}{whole}{'.' if scale else ''}{fraction}"


def _significant(text: str) -> int:
    """Digits that count: zeros at the end of a fraction do not."""
    digits = text.rstrip("0") if "." in text else text
    return len(digits.replace(".", "").replace("-", "").lstrip("0"))


def _float(kind: pa.DataType, value: float) -> Float:
    return Float(value, pa.types.is_float32(kind))


def _iso_clock(value: time) -> str:
    """0, 3 or 6 digits of a fraction, as few as are exact."""
    if not value.microsecond:
        return f"{value:%H:%M:%S}"
    return value.isoformat("milliseconds" if value.microsecond % 1_000 == 0 else "microseconds")


def _clock(value: time, unit: str) -> str:
    """With a fraction where there is one, all digits of the column's unit."""
    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    fraction = f".{value.microsecond * 1_000:09d}"[: digits + 1]
    return f"{value:%H:%M:%S}" + (fraction if value.microsecond else "")


def _wall(value: datetime) -> datetime | None:
    """The time on the wall in the report's zone; None in the year 10000."""
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    except OverflowError:
        return None


def _zoned(value: datetime) -> Any:
    wall = _wall(value)
    if wall is None:
        return _YEARS
    offset = value.astimezone(ZoneInfo(ZONE)).utcoffset() or timedelta(0)
    if offset.seconds % 60:  # before standard time
        wall, offset = value.astimezone(UTC).replace(tzinfo=None), timedelta(0)
    hours, minutes = divmod(int(offset.total_seconds()) // 60, 60)
    return f"{wall.date()}T{_iso_clock(wall.time())}+{hours:02d}:{minutes:02d}"


def _sheet_moment(kind: pa.DataType, value: datetime) -> Any:
    wall = _wall(value)
    if wall is None:
        return _YEARS
    is_last = wall == datetime(9999, 12, 31, 23, 59, 59, 999_999)  # its double is the year 10000
    if wall.date() >= _FIRST_DAY and not is_last:
        return Serial(wall)
    return f"{wall.date()} {_clock(wall.time(), kind.unit)}"


def _interval(value: Any) -> str:
    """Signed parts, with 0, 3, 6 or 9 digits of a fraction."""
    found = iso_interval(Interval(value))
    if "." not in found:
        return found
    whole, fraction = found.removesuffix("S").split(".")
    return f"{whole}.{fraction.ljust(-(-len(fraction) // 3) * 3, '0')}S"


def _nested(kind: pa.DataType, value: Any, exact: str) -> Any:
    """As the JSON format writes the values."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: _nested(field.type, value[field.name], exact) for field in kind}
    if pa.types.is_map(kind):
        return {key: _nested(kind.item_type, item, exact) for key, item in value}
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_nested(kind.value_type, item, exact) for item in value]
    return json(_family(kind), kind, value, exact)


def _family(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_timestamp(kind):
        return "timestamp with zone" if kind.tz else "timestamp"
    if pa.types.is_integer(kind):
        return "integer"
    return "float" if pa.types.is_floating(kind) else "text"
