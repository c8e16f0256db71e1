"""What may be found in a file: values that a plain comparison is too strict or too lax for."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from tests.fidelity.values import Interval

_EPOCH = datetime(1899, 12, 30)
_TODAY = 45_000.0
_RTL = re.compile("[\u0590-\u08ff]")


@dataclass(frozen=True)
class Refused:
    """The format cannot hold the value: an error that names row and column and says these words."""

    words: str


@dataclass(frozen=True)
class Float:
    """A number with the value and the sign; as text also no longer than the shortest."""

    value: float
    is_single: bool = False
    keeps_sign: bool = True

    def is_in(self, found: Any) -> bool:
        if isinstance(found, bool) or not isinstance(found, (str, int, float, Decimal)):
            return False
        number = float(np.float32(found)) if self.is_single else float(found)
        has_sign = not self.keeps_sign or math.copysign(1, number) == math.copysign(1, self.value)
        return number == self.value and has_sign and (not isinstance(found, str) or self._is_short(found))

    def _is_short(self, found: str) -> bool:
        shortest = str(np.float32(self.value)) if self.is_single else repr(self.value)
        return len(_digits(found)) <= len(_digits(shortest))


def _digits(number: str) -> str:
    return re.split("[eE]", number)[0].replace(".", "").replace("-", "").strip("0")


@dataclass(frozen=True)
class Number:
    """A decimal number with just these digits, a number to the format."""

    digits: str

    def is_in(self, found: Any) -> bool:
        if type(found) is int:
            return str(found) == self.digits
        return isinstance(found, Decimal) and f"{found:f}" == self.digits


@dataclass(frozen=True)
class Value:
    """A number of a spreadsheet: the nearest double."""

    value: Decimal

    def is_in(self, found: Any) -> bool:
        return type(found) in (int, float) and float(found) == float(self.value)


@dataclass(frozen=True)
class Json:
    """A text that is JSON of this value; numbers are compared with all their digits."""

    value: Any

    def is_in(self, found: Any) -> bool:
        if not isinstance(found, str):
            return False
        try:
            parsed = json.loads(found, parse_float=Decimal, parse_constant=lambda name: f"bare {name}")
        except ValueError:
            return False
        return _same_json(self.value, parsed)


def _same_json(expected: Any, found: Any) -> bool:
    if isinstance(expected, (Float, Number)):
        return expected.is_in(found)
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and list(expected) == list(found)
            and all(_same_json(expected[key], found[key]) for key in expected)
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(_same_json, expected, found))
    return type(expected) is type(found) and bool(expected == found)


@dataclass(frozen=True)
class Serial:
    """A date, time or moment as a spreadsheet counts: days, to the microsecond or as exactly as a double can."""

    moment: date | time | datetime

    def is_in(self, found: Any) -> bool:
        if type(found) not in (int, float):
            return False
        return abs(Fraction(found) - self._days()) <= Fraction(math.ulp(max(float(found), _TODAY)))

    def _days(self) -> Fraction:
        if isinstance(self.moment, time):
            since = datetime.combine(_EPOCH, self.moment) - _EPOCH
        elif isinstance(self.moment, datetime):
            since = self.moment - _EPOCH
        else:
            since = datetime.combine(self.moment, time()) - _EPOCH
        micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return Fraction(micros, 86_400_000_000)


@dataclass(frozen=True)
class Same:
    """The very value, with NaN, the sign of zero and the instant of a moment."""

    value: Any

    def is_in(self, found: Any) -> bool:
        return _same(self.value, found)


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and isinstance(found, float):
        is_nan = math.isnan(expected) and math.isnan(found)
        return is_nan or (expected == found and math.copysign(1, expected) == math.copysign(1, found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(_same(expected[key], found[key]) for key in expected)
    if type(expected) is Interval:
        months, days, nanoseconds = found
        return tuple(expected) == (months, days, nanoseconds // 1_000) and nanoseconds % 1_000 == 0
    return bool(expected == found) and (expected is None) == (found is None)


@dataclass(frozen=True)
class Drawn:
    """Text on paper: composed, without white space; a line of Hebrew or Arabic is in the order of the eye."""

    text: str

    def is_in(self, found: Any) -> bool:
        expected, seen = squeezed(self.text), squeezed(str(found))
        return sorted(expected) == sorted(seen) if _RTL.search(expected) else expected == seen


@dataclass(frozen=True)
class DrawnJson:
    """JSON on paper."""

    value: Any

    def is_in(self, found: Any) -> bool:
        parsed = json.loads(squeezed(found), parse_float=Decimal)
        return _same_json(_squeezed_json(self.value), _squeezed_json(parsed))


def _squeezed_json(value: Any) -> Any:
    if isinstance(value, str):
        return squeezed(value)
    if isinstance(value, list):
        return [_squeezed_json(item) for item in value]
    if isinstance(value, dict):
        return {squeezed(key): _squeezed_json(item) for key, item in value.items()}
    return value


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFC", text))


def agrees(expected: Any, found: Any) -> bool:
    if hasattr(expected, "is_in"):
        return bool(expected.is_in(found))
    if isinstance(expected, (dict, list)):
        return _same_json(expected, found)
    return type(expected) is type(found) and bool(expected == found)
