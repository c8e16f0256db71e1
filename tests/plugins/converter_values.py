"""Values of every type that a connector can give, and how the formats that are text write them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

_MOMENT = datetime(2024, 7, 1, 10, 30, 5, tzinfo=UTC)
_SUMMER = [_MOMENT, _MOMENT.replace(microsecond=120_000), _MOMENT.replace(microsecond=7), None]
_NAIVE = [None if moment is None else moment.replace(tzinfo=None) for moment in _SUMMER]
_LATER = ["2024-07-01T12:30:05+02:00", "2024-07-01T12:30:05.120+02:00", "2024-07-01T12:30:05.000007+02:00", None]
_SAME = ["2024-07-01T10:30:05", "2024-07-01T10:30:05.120", "2024-07-01T10:30:05.000007", None]


@dataclass(frozen=True)
class Case:
    """`texts` are the values as CSV and HTML have them, `json` as JSON has them (default: the texts)."""

    id: str
    array: pa.Array
    texts: list[str | None]
    json: list[Any] = field(default_factory=list)

    def as_json(self) -> list[Any]:
        return self.json or list(self.texts)


def _numbers(kind: str, values: list[int], json: list[Any] | None = None) -> Case:
    array = pa.array([*values, None], kind)
    return Case(kind, array, [*map(str, values), None], [*(json or values), None])


CASES = [
    *(_numbers(f"int{bits}", [0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1]) for bits in (8, 16, 32)),
    *(_numbers(f"uint{bits}", [0, 2**bits - 1]) for bits in (8, 16, 32)),
    _numbers(
        "int64",
        [2**53 - 1, 2**53, -(2**53), -(2**63)],
        [2**53 - 1, str(2**53), str(-(2**53)), str(-(2**63))],
    ),
    _numbers("uint64", [1, 2**64 - 1], [1, str(2**64 - 1)]),
    Case(
        "float64",
        pa.array([0.1, -0.0, 1e300, 5e-324, float("nan"), float("inf"), float("-inf"), None]),
        ["0.1", "-0.0", "1e+300", "5e-324", "NaN", "Infinity", "-Infinity", None],
        [0.1, -0.0, 1e300, 5e-324, "NaN", "Infinity", "-Infinity", None],
    ),
    Case("float32", pa.array([0.1, 3.4e38, None], pa.float32()), ["0.1", "3.4e+38", None], [0.1, 3.4e38, None]),
    Case("float16", pa.array([0.5, None], pa.float16()), ["0.5", None], [0.5, None]),
    Case(
        "decimal128",
        pa.array([Decimal("1.5000"), Decimal("-99999999999999.1234"), Decimal(0), None], pa.decimal128(18, 4)),
        ["1.5000", "-99999999999999.1234", "0.0000", None],
        [Decimal("1.5000"), "-99999999999999.1234", Decimal("0.0000"), None],
    ),
    Case(
        "decimal128-small",
        pa.array([Decimal("0"), Decimal("-1e-10"), Decimal("12.5")], pa.decimal128(20, 10)),
        ["0.0000000000", "-0.0000000001", "12.5000000000"],
        [Decimal("0E-10"), Decimal("-1E-10"), Decimal("12.5000000000")],
    ),
    Case(
        "decimal128-round",
        pa.array([Decimal("1200"), Decimal(0), None], pa.decimal128(5, -2)),
        ["1200", "0", None],
        [Decimal(1200), Decimal(0), None],
    ),
    Case(
        "decimal256",
        pa.array([Decimal("9" * 50 + ".5"), None], pa.decimal256(60, 1)),
        ["9" * 50 + ".5", None],
    ),
    Case("boolean", pa.array([True, False, None]), ["true", "false", None], [True, False, None]),
    Case(
        "date32",
        pa.array([date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31), None]),
        ["2024-02-29", "0001-01-01", "9999-12-31", None],
    ),
    Case("date64", pa.array([date(2024, 2, 29), None]).cast(pa.date64()), ["2024-02-29", None]),
    Case("time32-s", pa.array([86_399, 0, None], pa.time32("s")), ["23:59:59", "00:00:00", None]),
    Case("time32-ms", pa.array([1, None], pa.time32("ms")), ["00:00:00.001", None]),
    Case(
        "time64-us",
        pa.array([time(1, 2, 3), time(1, 2, 3, 4), None], pa.time64("us")),
        ["01:02:03", "01:02:03.000004", None],
    ),
    Case("time64-ns", pa.array([1, 1_000, None], pa.time64("ns")), ["00:00:00.000000001", "00:00:00.000001", None]),
    Case("timestamp-s", pa.array(_NAIVE[:1], pa.timestamp("s")), _SAME[:1]),
    Case("timestamp-ms", pa.array(_NAIVE[:2], pa.timestamp("ms")), _SAME[:2]),
    Case("timestamp-us", pa.array(_NAIVE, pa.timestamp("us")), _SAME),
    Case(
        "timestamp-ns",
        pa.array([1, 1_000, 10**9, -1, None], pa.timestamp("ns")),
        [
            "1970-01-01T00:00:00.000000001",
            "1970-01-01T00:00:00.000001",
            "1970-01-01T00:00:01",
            "1969-12-31T23:59:59.999999999",
            None,
        ],
    ),
    Case(
        "timestamp-far",
        pa.array([datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)]),
        ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"],
    ),
    Case("zoned-s", pa.array(_SUMMER[:1], pa.timestamp("s", "UTC")), _LATER[:1]),
    Case("zoned-ms", pa.array(_SUMMER[:2], pa.timestamp("ms", "America/New_York")), _LATER[:2]),
    Case("zoned-us", pa.array(_SUMMER, pa.timestamp("us", "UTC")), _LATER),
    Case("zoned-ns", pa.array(_SUMMER, pa.timestamp("ns", "+05:30")), _LATER),
    Case(
        "zoned-dst",
        pa.array([datetime(2024, 10, 27, hour, 30, tzinfo=UTC) for hour in (0, 1)]),
        ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"],
    ),
    Case("zoned-before-standard-time", pa.array([datetime(1880, 1, 1, tzinfo=UTC)]), ["1880-01-01T00:00:00+00:00"]),
    Case(
        "duration",
        pa.array([timedelta(hours=30), timedelta(seconds=-1, milliseconds=-500), timedelta(0), None]),
        ["30:00:00", "-0:00:01.500", "0:00:00", None],
    ),
    Case(
        "interval",
        pa.array([pa.MonthDayNano((14, 3, 4 * 3_600 * 10**9 + 500)), pa.MonthDayNano((0, -1, 0)), None]),
        ["P1Y2M3DT4H0.000000500S", "P-1D", None],
    ),
    Case("string", pa.array(["plain", "", None]), ["plain", "", None]),
    Case("large_string", pa.array(["plain", "", None], pa.large_string()), ["plain", "", None]),
    Case("string_view", pa.array(["plain", "", None], pa.string_view()), ["plain", "", None]),
    Case("binary", pa.array([b"\x00\xff", b"", None]), ["AP8=", "", None]),
    Case("large_binary", pa.array([b"\x00\xff", None], pa.large_binary()), ["AP8=", None]),
    Case("binary_view", pa.array([b"\x00\xff", None], pa.binary_view()), ["AP8=", None]),
    Case("fixed_binary", pa.array([b"ab", None], pa.binary(2)), ["YWI=", None]),
    Case(
        "uuid",
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=7).bytes, None], pa.binary(16))),
        ["00000000-0000-0000-0000-000000000007", None],
    ),
    Case(
        "bool8",
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        ["true", "false", None],
        [True, False, None],
    ),
    Case("null", pa.nulls(2), [None, None]),
    Case("dictionary", pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    Case("dictionary-numbers", pa.array([7, None]).dictionary_encode(), ["7", None], [7, None]),
    Case("run_end_encoded", pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["a", None])), ["a", "a", None]),
    Case("list", pa.array([[1, None], [], None]), ["[1,null]", "[]", None], [[1, None], [], None]),
    Case("large_list", pa.array([['a"b'], None], pa.large_list(pa.string())), ['["a\\"b"]', None], [['a"b'], None]),
    Case(
        "list_view", pa.array([[1], None, [2, 3]], pa.list_view(pa.int8())), ["[1]", None, "[2,3]"], [[1], None, [2, 3]]
    ),
    Case("fixed_list", pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["[1,2]", None], [[1, 2], None]),
    Case(
        "struct",
        pa.array([{"a": Decimal("1.10"), "b": _MOMENT, "c": ["ü"]}, {"a": None, "b": None, "c": None}, None]),
        [
            '{"a":1.10,"b":"2024-07-01T12:30:05+02:00","c":["ü"]}',
            '{"a":null,"b":null,"c":null}',
            None,
        ],
        [
            {"a": Decimal("1.10"), "b": "2024-07-01T12:30:05+02:00", "c": ["ü"]},
            {"a": None, "b": None, "c": None},
            None,
        ],
    ),
    Case(
        "map",
        pa.array([[("x", 1), ("y", None)], [], None], pa.map_(pa.string(), pa.int64())),
        ['{"x":1,"y":null}', "{}", None],
        [{"x": 1, "y": None}, {}, None],
    ),
    Case(
        "map-of-dates",
        pa.array([[(date(2024, 1, 1), [1.5])]], pa.map_(pa.date32(), pa.list_(pa.float64()))),
        ['{"2024-01-01":[1.5]}'],
        [{"2024-01-01": [1.5]}],
    ),
]

every_type = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)

UNREPRESENTABLE = [
    (pa.array([0, 2**31 - 1], pa.date32()), "a date outside of the years 1 to 9999"),
    (pa.array([0, 2**62], pa.timestamp("us", "UTC")), "a date outside of the years 1 to 9999"),
    (pa.array([0, -(2**62)], pa.timestamp("ms")), "a date outside of the years 1 to 9999"),
    (pa.array([[], [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())), "a map with the same key twice"),
    (pa.ListArray.from_arrays([0, 1, 3], pa.array([0, 0, 2**31 - 1], pa.date32())), "a date outside of the years"),
    (pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers()), "bytes that are no text"),
]
"""The second value has no representation in text."""

unrepresentable = pytest.mark.parametrize(("array", "words"), UNREPRESENTABLE)

UNION = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
