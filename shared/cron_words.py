"""Cron expressions in plain English, for people who do not read cron."""

from __future__ import annotations

import re

_MACROS = {
    "@yearly": "Every year on 1 January at 00:00",
    "@annually": "Every year on 1 January at 00:00",
    "@monthly": "At 00:00 on day 1 of the month",
    "@weekly": "At 00:00 on Sunday",
    "@daily": "Every day at 00:00",
    "@midnight": "Every day at 00:00",
    "@hourly": "Every hour",
}
_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
_WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_SHORT_MONTHS = [name[:3].lower() for name in _MONTHS]
_SHORT_WEEKDAYS = [name[:3].lower() for name in _WEEKDAYS[:7]]
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}


def describe(expression: str, timezone: str | None) -> str:
    """One sentence without a full stop; the expression is valid and lower case."""
    zone = f" ({timezone})" if timezone else ""
    if expression in _MACROS:
        return _MACROS[expression] + zone
    minute, hour, day, month, weekday = expression.split()
    return f"{_when(minute, hour, day, month, weekday)}{zone}"


def _when(minute: str, hour: str, day: str, month: str, weekday: str) -> str:
    dates = _dates(day, month, weekday)
    clock = _clock(minute, hour)
    if not dates and clock.startswith("At "):
        return f"Every day {clock[0].lower()}{clock[1:]}"
    return f"{clock}{dates}"


def _clock(minute: str, hour: str) -> str:
    if minute.isdigit() and re.fullmatch(r"\d+(,\d+)*", hour):
        return "At " + _joined([f"{int(each):02}:{int(minute):02}" for each in hour.split(",")])
    if minute == "*" and hour == "*":
        return "Every minute"
    minutes = _every(minute, "minute") or f"at minute {_joined(minute.split(','))}"
    if hour == "*":
        return (
            "Every hour" if minute == "0" else _sentence(minutes if "every" in minutes else f"{minutes} of every hour")
        )
    hours = _every(hour, "hour") or f"in the hours {_spans(hour, [f'{number:02}' for number in range(24)])}"
    if minute == "0" and hours.startswith("every"):
        return _sentence(hours)
    return _sentence(f"{minutes}, {hours}")


def _every(field: str, unit: str) -> str | None:
    match = re.fullmatch(r"\*(?:/(\d+))?", field)
    if match is None:
        return None
    return f"every {unit}" if match[1] in (None, "1") else f"every {int(match[1])} {unit}s"


def _dates(day: str, month: str, weekday: str) -> str:
    parts = []
    if day not in ("*", "*/1"):
        parts.append(_day(day))
    if weekday not in ("*", "*/1"):
        link = "and only " if (day.startswith("*") or weekday.startswith("*")) and parts else "or " if parts else ""
        parts.append(link + _weekday(weekday))
    if month not in ("*", "*/1"):
        parts.append(f"in {_spans(month, ['', *_MONTHS], _SHORT_MONTHS, 1)}")
    return "".join(f" {part}" for part in parts)


def _day(day: str) -> str:
    words = []
    for item in day.split(","):
        if item == "l":
            words.append("the last day")
        elif item == "lw":
            words.append("the last weekday (Monday to Friday)")
        elif item.startswith("l-"):
            words.append(f"day {item[2:]} before the last")
        elif item.endswith("w"):
            words.append(f"the weekday nearest to day {item[:-1]}")
        elif item.startswith("*/"):
            words.append(f"every {item[2:]} days")
        else:
            words.append(f"day {item.replace('-', ' to ')}")
    return f"on {_joined(words)} of the month"


def _weekday(weekday: str) -> str:
    words = []
    for item in weekday.split(","):
        match = re.fullmatch(r"(\w+?)(?:#(\d)|(l))", item)
        if match and (match[2] or match[3]) and match[1]:
            name = _name(match[1], _WEEKDAYS, _SHORT_WEEKDAYS, 0)
            words.append(f"the {_ORDINALS[int(match[2])] if match[2] else 'last'} {name} of the month")
        else:
            words.append(_span(item, _WEEKDAYS, _SHORT_WEEKDAYS, 0))
    return f"on {_joined(words)}"


def _spans(field: str, names: list[str], short: list[str] | None = None, first: int = 0) -> str:
    return _joined([_span(item, names, short or [], first) for item in field.split(",")])


def _span(item: str, names: list[str], short: list[str], first: int) -> str:
    base, _, step = item.partition("/")
    low, _, high = base.partition("-")
    text = "every one" if base == "*" else _name(low, names, short, first)
    if high:
        text = f"{text} to {_name(high, names, short, first)}"
    return f"{text} in steps of {step}" if step else text


def _name(text: str, names: list[str], short: list[str], first: int) -> str:
    return names[short.index(text) + first] if text in short else names[int(text)]


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
