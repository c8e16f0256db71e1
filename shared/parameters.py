"""Parameters of reports: declared with a type, given as literals or relative expressions, resolved to values.

Relative expressions stand for a date or a moment relative to the logical time in the schedule's zone:

    anchor      now · today · yesterday · tomorrow · start_of_<unit> · end_of_<unit> · last_business_day ·
                first_business_day
    offset      any number of `+N<unit>` or `-N<unit>`; s m h d w mo q y. After start_of_ and end_of_ a number
                without a unit counts in the anchor's own unit: start_of_month-1 is the first day of the month before.
    <unit>      hour day week month quarter year. A week starts on Monday (ISO 8601).

`last_business_day` is the last weekday before today; `end_of_month` is the last day of the month. A month or year
offset keeps the day where it exists, else takes the month's last (31 January + 1mo = 28 February).
"""

from __future__ import annotations

import calendar
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.errors import FieldProblem, InvalidInput

ItemType = Literal["string", "integer", "number", "decimal", "boolean", "date", "datetime"]
ParameterType = Literal["string", "integer", "number", "decimal", "boolean", "date", "datetime", "list"]

_MAX_TEXT = 10_000
_MAX_ITEMS = 10_000
_ANCHOR = re.compile(
    r"(now|today|yesterday|tomorrow|(?:last|first)_business_day|(?:start|end)_of_(?:hour|day|week|month|quarter|year))"
    r"((?:\s*[+-]\s*[0-9]{1,5}\s*(?:mo|[smhdwqy])?)*)\Z"
)
_OFFSET = re.compile(r"([+-])\s*([0-9]{1,5})\s*(mo|[smhdwqy])?")
_UNIT_LETTER = {"hour": "h", "day": "d", "week": "w", "month": "mo", "quarter": "q", "year": "y"}
_SPANS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


class ParameterSpec(BaseModel):
    """A declared parameter."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    type: ParameterType = "string"
    default: Any = Field(None, description="A literal or a relative expression.")
    required: bool = False
    label: Annotated[str, StringConstraints(max_length=200)] | None = None
    item_type: ItemType = Field("string", description="Type of the items of a list.")


def check_specs(specs: Sequence[ParameterSpec]) -> None:
    """Raise InvalidInput unless all names are different and all defaults fit their types."""
    problems: list[FieldProblem] = []
    names: set[str] = set()
    for position, spec in enumerate(specs):
        if spec.name in names:
            problems.append(FieldProblem(f"parameters.{position}.name", "is used twice"))
        names.add(spec.name)
        try:
            _value(spec, spec.default, datetime(2024, 1, 31, tzinfo=UTC))
        except ValueError as error:
            problems.append(FieldProblem(f"parameters.{position}.default", str(error)))
    _raise(problems)


def resolve_parameters(
    specs: Sequence[ParameterSpec], given: Mapping[str, Any], logical_time: datetime, timezone: str
) -> dict[str, Any]:
    """Typed values for every declared parameter.

    Args:
        given: values by name, as JSON or as texts of a command line.
        logical_time: aware; relative expressions count from it.
        timezone: IANA name of the zone in which days begin.

    Returns:
        str, int, float, Decimal, bool, date, datetime (aware, UTC) or a list of one of these, by name; None for an
        optional parameter without a value.

    Raises:
        InvalidInput: naming every parameter that is wrong; values are not repeated.
    """
    local = logical_time.astimezone(ZoneInfo(timezone))
    known = {spec.name for spec in specs}
    problems = [_unknown(name, known) for name in given if name not in known]
    values: dict[str, Any] = {}
    for spec in specs:
        value = given.get(spec.name)
        if value is None or (value == "" and spec.type != "string"):
            value = spec.default
        if value is None and spec.required:
            problems.append(FieldProblem(f"parameters.{spec.name}", "is required"))
            continue
        try:
            values[spec.name] = _value(spec, value, local)
        except ValueError as error:
            problems.append(FieldProblem(f"parameters.{spec.name}", str(error)))
    _raise(problems)
    return values


def _raise(problems: list[FieldProblem]) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InvalidInput(f"{problems[0].field} {problems[0].message}{more}.", details=problems)


def _unknown(name: str, known: set[str]) -> FieldProblem:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]}" if near else ""
    return FieldProblem(f"parameters.{name[:64]}", f"is not a parameter of this report{hint}")


def _value(spec: ParameterSpec, value: Any, local: datetime) -> Any:
    if value is None:
        return None
    if spec.type == "list":
        items = _items(value)
        return [_scalar(spec.item_type, item, local) for item in items]
    return _scalar(spec.type, value, local)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        stripped = value.strip()
        if stripped.startswith("["):
            try:
                value = json.loads(stripped, parse_float=Decimal)
            except ValueError:
                raise ValueError("must be a list, as JSON or separated by commas") from None
        else:
            value = [part.strip() for part in stripped.split(",")] if stripped else []
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a list")
    if len(value) > _MAX_ITEMS:
        raise ValueError(f"has more than {_MAX_ITEMS:,} items")
    if any(item is None for item in value):
        raise ValueError("must not contain null")
    return list(value)


def _scalar(kind: ParameterType, value: Any, local: datetime) -> Any:
    match kind:
        case "string":
            return _text(value)
        case "integer":
            return _integer(value)
        case "number":
            return float(_decimal(value, "must be a number"))
        case "decimal":
            return _decimal(value, "must be an exact decimal, best sent as a text such as 12.50")
        case "boolean":
            return _boolean(value)
        case "date":
            return _date(value, local)
        case "datetime":
            return _datetime(value, local)
    raise ValueError("has an unknown type")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if len(value) > _MAX_TEXT or "\x00" in value:
        raise ValueError(f"must be a text of at most {_MAX_TEXT:,} characters without NUL")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("must be an integer")
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", value.strip(), re.ASCII):
        value = int(value)
    if not isinstance(value, int):
        raise ValueError("must be an integer")
    if not -(2**63) <= value < 2**63:
        raise ValueError("must fit into 64 bits")
    return value


def _decimal(value: Any, message: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise ValueError(message)
    text = repr(value) if isinstance(value, float) else str(value).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(message) from None
    if not number.is_finite() or len(text) > 100 or abs(number.adjusted()) > 308 or "_" in text or not text.isascii():
        raise ValueError(message)
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError("must be true or false")


def _date(value: Any, local: datetime) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        moment = _relative(value, local)
        if moment is not None:
            return moment.date()
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?", value.strip(), re.ASCII):
            text = value.strip()
            try:
                return date.fromisoformat(text if len(text) == 10 else f"{text}-01")
            except ValueError:
                pass
    raise ValueError("must be a date such as 2026-01-31, or an expression such as today-7d or start_of_month-1")


def _datetime(value: Any, local: datetime) -> datetime:
    """A text without offset is wall time in the schedule's zone."""
    if isinstance(value, str):
        moment = _relative(value, local)
        if moment is not None:
            return moment.astimezone(UTC)
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("must be a time such as 2026-01-31T08:00:00+01:00, or an expression such as now-2h")
    try:
        return (value if value.tzinfo else value.replace(tzinfo=local.tzinfo)).astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999") from None


def _relative(text: str, local: datetime) -> datetime | None:
    """The moment (in the local zone) that an expression stands for; None when it is no expression."""
    match = _ANCHOR.match(text.strip().lower())
    if match is None:
        return None
    anchor, offsets = match.groups()
    own_unit = _UNIT_LETTER.get(anchor.rpartition("_of_")[2]) if "_of_" in anchor else None
    steps = [
        ((1 if sign == "+" else -1) * int(number), unit or own_unit or "d")
        for sign, number, unit in _OFFSET.findall(offsets)
    ]
    try:
        if anchor.startswith(("start_of_", "end_of_")):
            # The anchor's own unit moves the period, and the end is looked for afterwards: end_of_month-1 is
            # the last day of the month before, whatever its length.
            period = _start(anchor.partition("_of_")[2], local)
            own = [step for step in steps if step[1] == own_unit]
            moment = _moved(period, own)
            if anchor.startswith("end_of_"):
                moment = _end(anchor.partition("_of_")[2], moment)
            return _moved(moment, [step for step in steps if step[1] != own_unit])
        return _moved(_simple(anchor, local), steps)
    except (OverflowError, ValueError):
        raise ValueError("leads outside the years 1 to 9999") from None


def _simple(anchor: str, local: datetime) -> datetime:
    if anchor == "now":
        return local
    today = _at_midnight(local)
    if anchor == "last_business_day":
        back = {0: 3, 6: 2}.get(today.weekday(), 1)
        return _moved(today, [(-back, "d")])
    if anchor == "first_business_day":
        first = today.replace(day=1)
        return _moved(first, [({5: 2, 6: 1}.get(first.weekday(), 0), "d")])
    return _moved(today, [({"yesterday": -1, "tomorrow": 1}.get(anchor, 0), "d")])


def _start(unit: str, local: datetime) -> datetime:
    if unit == "hour":
        return local.replace(minute=0, second=0, microsecond=0)
    day = _at_midnight(local)
    match unit:
        case "week":
            return _moved(day, [(-day.weekday(), "d")])
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
    return day


def _end(unit: str, start: datetime) -> datetime:
    """The last moment of a period: its last day at midnight for days and longer, else its last microsecond."""
    following = _moved(start, [(1, _UNIT_LETTER[unit])])
    if unit == "hour":
        return following - timedelta(microseconds=1)
    return _moved(following, [(-1, "d")])


def _at_midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _moved(moment: datetime, steps: Sequence[tuple[int, str]]) -> datetime:
    for number, unit in steps:
        if unit in _SPANS:  # elapsed time, whatever the clocks do
            moment = (moment.astimezone(UTC) + number * _SPANS[unit]).astimezone(moment.tzinfo)
        elif unit in ("d", "w"):  # calendar days: the wall time stays
            moment = moment + timedelta(days=number * (7 if unit == "w" else 1))
        else:
            moment = _months_later(moment, number * {"mo": 1, "q": 3, "y": 12}[unit])
    return moment


def _months_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
