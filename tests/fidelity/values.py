"""Awkward values, declared once by logical type. What a datasource cannot hold at all is left out in sources.py."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any


class Formula(str):
    """A text that a spreadsheet would run."""


class Interval(tuple[int, int, int]):
    """Months, days and microseconds."""


def _decimals(precision: int, scale: int) -> tuple[Decimal | None, ...]:
    """The largest and the smallest steps that fit."""
    step = Decimal(f"1E-{scale}")
    most = Decimal(f"{10**precision - 1}E-{scale}")
    return most, most.copy_negate(), step, step.copy_negate(), Decimal(0), None


def _integers(bits: int) -> tuple[int | None, ...]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0, -1, None


_ROUND = (10**15 - 1, 10**15, -(10**15), 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1)
_FLOATS = (
    0.1,
    -0.0,
    0.1 + 0.2,
    5e-324,
    1.7976931348623157e308,
    -2.2250738585072014e-308,
    2.0**53,
    1e15,
    1e16,
    1e21,
    1e22,
)
_SINGLES = (0.10000000149011612, -0.0, 1.401298464324817e-45, 3.4028234663852886e38, 8388609.0, 16777216.0)
_NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))

# Europe/Berlin, the zone of the reports, before, in and after its gap and its repeated hour.
_TURNS = (
    datetime(2024, 3, 31, 0, 59, 59, 999_999),
    datetime(2024, 3, 31, 1),
    datetime(2024, 10, 27, 0, 30),
    datetime(2024, 10, 27, 1, 30),
)
_MOMENTS = (
    datetime(1, 1, 1),
    datetime(1582, 10, 15),
    datetime(1900, 2, 28, 23, 59, 59),
    datetime(1900, 3, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999_999),
    datetime(1970, 1, 1, 0, 0, 1),
    datetime(2016, 12, 31, 23, 59, 59, 999_000),
    datetime(2024, 2, 29, 12, 30, 0, 1),
    datetime(2038, 1, 19, 3, 14, 7, 999_999),
    datetime(9999, 12, 31, 23, 59, 59),
    datetime(9999, 12, 31, 23, 59, 59, 999_999),
)
_FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

VALUES: Mapping[str, tuple[Any, ...]] = {
    "boolean": (True, False, None),
    **{f"int{bits}": _integers(bits) for bits in (8, 16, 32)},
    "int64": (*_integers(64), *_ROUND),
    **{f"uint{bits}": (0, 2**bits - 1, None) for bits in (8, 16, 32)},
    "uint64": (0, 2**64 - 1, 2**53 - 1, 2**53, 2**53 + 1, None),
    "int128": (10**38 - 1, -(10**38) + 1, 2**64, 0, None),
    "uint128": (2**128 - 1, 10**38, 7, 0, None),
    "bignum": (10**60 + 7, -(10**60), 5, None),
    "bits": (0, 2**64 - 1, 2**53 + 1, None),
    "bit": (True, False, None),
    "year": (1901, 2155, 2024, None),
    "decimal(15, 2)": _decimals(15, 2),
    "decimal(16, 2)": (*_decimals(16, 2), Decimal("90071992547409.93"), Decimal("0.10")),
    "decimal(18, 4)": (*_decimals(18, 4), Decimal("1.5"), Decimal("9007199254740.9930")),
    "decimal(38, 0)": (*_decimals(38, 0), Decimal(2**53 + 1)),
    "decimal(38, 10)": (*_decimals(38, 10), Decimal("12345.6789012345")),
    "decimal(38, 38)": _decimals(38, 38),
    "decimal(60, 10)": _decimals(60, 10),
    "decimal(65, 30)": _decimals(65, 30),
    "decimal text": (
        "0",
        "0.1",
        "-1.50",
        "123456789012345",
        "1234567890123456",
        "9" * 100 + "." + "1" * 100,
        "0." + "0" * 40 + "1",
        "NaN",
        "Infinity",
        "-Infinity",
        None,
    ),
    "float64": (*_FLOATS, *_NO_NUMBERS, None),
    "float32": (*_SINGLES, *_NO_NUMBERS, None),
    "date": (
        date(1, 1, 1),
        date(1582, 10, 4),
        date(1582, 10, 15),
        date(1899, 12, 31),
        date(1900, 2, 28),
        date(1900, 3, 1),
        date(1970, 1, 1),
        date(2024, 2, 29),
        date(9999, 12, 31),
        None,
    ),
    "time": (
        time(0),
        time(12, 0, 0, 1),
        time(12, 30),
        time(6, 0, 0, 500_000),
        time(23, 59, 59),
        time(23, 59, 59, 999_999),
        None,
    ),
    "long time": ("00:00:00.000000", "838:59:59.000000", Formula("-838:59:59.999999"), "23:59:59.000001", None),
    "timestamp": (*_MOMENTS, *_TURNS, None),
    "zoned": (*(moment.replace(tzinfo=UTC) for moment in (*_MOMENTS, *_TURNS)), datetime(1880, 1, 1, tzinfo=UTC), None),
    "interval": (
        Interval((0, 0, 0)),
        Interval((14, 3, 14_706_500_000)),
        Interval((-1, 2, -1)),
        Interval((0, -1, 0)),
        Interval((0, 0, 90_000_000_000)),
        None,
    ),
    "text": (
        "",
        None,
        "NULL",
        "\\N",
        "007",
        "1e5",
        "1,234.5",
        "TRUE",
        "2024-02-29",
        "  lead and trail  ",
        "a \"quoted\" 'text'",
        "a,b;c\td|e",
        "line\nbreak",
        "line\r\nbreak",
        "line\rbreak",
        "\\ % :p ? ${x} {{x}}",
        "<b>&amp; ]]> <!--",
        "_x0041_ _x000D_",
        "Zürich Łódź Ελλάδα Київ",
        "e\u0301 a\u0308 n\u0303",
        f"{_FAMILY} \U0001f1e9\U0001f1ea 𝔘 𠮷",
        "日本語 한국어 हिन्दी",
        "السلام عليكم",
        "שלום abc 123",
        "a\u200db\u00a0c\u2028d\ufeffe",
        "\ufffe \uffff",
        "a\x00b",
        "\x01\x08\x0b\x0c\x0e\x1b\x1f\x7f\x85",
        "x" * 32_767,
        "ü" * 32_768,
        "\U0001f680" * 16_384,
        "0123456789" * 7_000,
        Formula("=1+1"),
        Formula("+1+1"),
        Formula("-1+1"),
        Formula("@SUM(A1)"),
        Formula("\t=1"),
        Formula("\r\nx"),
        Formula(" =1"),
        Formula("=cmd|' /C calc'!A0"),
        Formula("\uff1d1"),
        Formula('=HYPERLINK("http://x")'),
        "-1.5",
        "http://example.com/",
    ),
    "short text": ("", "x", " x", "ü", None),
    "word": ("sad", "glad", None),
    "json": ('{"a": [1, 2.50, null], "ü": "\\"x\\""}', "[]", '"=1"', "12345678901234567890.10", "null", None),
    "binary": (b"", b"\x00\xff", bytes(range(256)), "text ü".encode(), None),
    "uuid": (uuid.UUID(int=0), uuid.UUID("01234567-89ab-4def-8123-456789abcdef"), uuid.UUID(int=2**128 - 1), None),
    "integers": ([1, None, -3], [], [2**31 - 1], None),
    "bigs": ([2**63 - 1, 2**53], [None], None),
    "texts": (["a", 'b,"c"', None, "", "ü\n"], [], ["="], None),
    "struct": (
        {"a": Decimal("1.10"), "b": datetime(2024, 10, 27, 0, 30, tzinfo=UTC), "c": ["ü", None], "d": float("nan")},
        {"a": Decimal("12345678901234.50"), "b": None, "c": None, "d": -0.0},
        None,
    ),
    "map": ({"x": 1, "": None}, {}, None),
}
