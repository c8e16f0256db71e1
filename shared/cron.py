"""Cron expressions as people know them: one module for firing, preview and validation.

The rules are those of Vixie cron as in Debian (crontab(5), cron(8)):

- Five fields, names in any case, lists, ranges, steps; weekdays 0 to 7 (0 and 7 are Sunday); `@daily` and friends.
- Day of month and weekday combine with OR, unless the text of either begins with `*`: then with AND.
- When clocks go forward by less than three hours, a schedule whose minute and hour do not begin with `*` and whose
  time fell into the gap runs once, in the first minute after it. When they go back, it runs in the first pass only.
  Schedules with a `*` there follow the wall clock: they skip the gap and run in both passes. Greater changes are
  corrections of the clock: nothing is made up for.

Extensions: `L` (last day), `L-n`, `LW` (last weekday of the month), `nW` (weekday nearest to day n), `n#k` (k-th
weekday n), `nL` (last weekday n), `a/n` in all fields but the weekday's.
"""

from __future__ import annotations

import calendar
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from shared.cron_words import describe
from shared.errors import FieldProblem, InvalidInput

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_WEEKDAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS = ("minute", "hour", "day of month", "month", "weekday")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _WEEKDAYS)
_DAY, _MONTH, _WEEKDAY = 2, 3, 4
_CORRECTION = timedelta(hours=3)
_MINUTE = timedelta(minutes=1)
_HORIZON_DAYS = 366 * 41
_NOT_ZONES = {"localtime", "posixrules", "Factory"}


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression; made by `parse`."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    special_days: tuple[tuple[str, int], ...]
    special_weekdays: tuple[tuple[int, int], ...]
    starred: tuple[bool, ...]

    def __str__(self) -> str:
        return self.text

    def next(self, after: datetime, timezone: str) -> datetime | None:
        """The first slot strictly after `after` (aware), in UTC; None when there is none within 41 years.

        Raises:
            InvalidInput: there is no such zone (any more).
        """
        return next(self._slots(after, timezone), None)

    def upcoming(self, after: datetime, timezone: str, count: int) -> list[datetime]:
        """The next `count` slots after `after`, in UTC."""
        return [slot for _, slot in zip(range(count), self._slots(after, timezone), strict=False)]

    def between(self, after: datetime, until: datetime, timezone: str) -> Iterator[datetime]:
        """All slots with after < slot <= until, in order, in UTC."""
        for slot in self._slots(after, timezone):
            if slot > until:
                return
            yield slot

    def sentence(self, timezone: str | None = None) -> str:
        """What it means, in plain English: `At 07:00 on day 1 of the month (Europe/Berlin)`."""
        return describe(self.text, timezone)

    def lint(self) -> list[str]:
        """Things that are allowed and probably not meant."""
        found = []
        fields = _MACROS.get(self.text, self.text).split()
        for position, field in enumerate(fields):
            for item in field.split(","):
                step = re.search(r"/(\d+)$", item)
                low, high = _BOUNDS[position]
                if step and int(step[1]) > high - low:
                    found.append(f"{_FIELDS[position]}: the step {step[1]} is wider than the field, so it fires once.")
        is_restricted = not self.starred[_DAY] and not self.starred[_WEEKDAY]
        if is_restricted:
            found.append("Day of month and weekday are both given: it fires when either fits.")
        return found

    def matches_day(self, day: date) -> bool:
        """True when month, day of month and weekday fit."""
        if day.month not in self.months:
            return False
        last = calendar.monthrange(day.year, day.month)[1]
        weekday = (day.weekday() + 1) % 7
        fits_day = day.day in self.days or any(_is_special_day(day, last, *item) for item in self.special_days)
        fits_weekday = weekday in self.weekdays or any(
            weekday == wanted and ((day.day - 1) // 7 + 1 == nth if nth else day.day + 7 > last)
            for wanted, nth in self.special_weekdays
        )
        if self.starred[_DAY] or self.starred[_WEEKDAY]:
            return fits_day and fits_weekday
        return fits_day or fits_weekday

    def _slots(self, after: datetime, timezone: str) -> Iterator[datetime]:
        zone = UTC if timezone == "UTC" else check_timezone(timezone)
        after = after.astimezone(UTC)
        try:
            day = after.astimezone(zone).date() - timedelta(days=1)
            latest = after
            for _ in range(_HORIZON_DAYS):
                if self.matches_day(day):
                    for slot in self._instants(day, zone):
                        if slot > latest:
                            yield slot
                            latest = slot
                day += timedelta(days=1)
        except OverflowError:  # the end of year 9999
            return

    def _instants(self, day: date, zone: tzinfo) -> list[datetime]:
        """The moments in UTC of all wall times of one local day."""
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - wall time, the zone comes below
        times = [timedelta(hours=hour, minutes=minute) for hour in self.hours for minute in self.minutes]
        offsets = {(midnight + timedelta(hours=hours)).replace(tzinfo=zone).utcoffset() for hours in (-3, 0, 27)}
        if len(offsets) == 1:  # no change of the clock near this day
            start = (midnight - (offsets.pop() or timedelta())).replace(tzinfo=UTC)
            return [start + time for time in times]
        found: set[datetime] = set()
        for time in times:
            found |= self._around_change(midnight + time, zone)
        return sorted(found)

    def _around_change(self, wall: datetime, zone: tzinfo) -> set[datetime]:
        """The moments of one wall time on a day when the clock changes: none, one or two."""
        before = wall.replace(tzinfo=zone).utcoffset() or timedelta()
        after = wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
        first, second = (wall - before).replace(tzinfo=UTC), (wall - after).replace(tzinfo=UTC)
        is_fixed = not (self.starred[0] or self.starred[1])
        if before == after:
            return {first}
        if before > after:  # the wall time comes twice
            return {first} if is_fixed and before - after <= _CORRECTION else {first, second}
        if is_fixed and after - before < _CORRECTION:  # it does not come at all
            return {_end_of_gap(second, first, before, zone)}
        return set()


@functools.lru_cache(4096)
def parse(expression: str) -> Cron:
    """Read a cron expression.

    Raises:
        InvalidInput: field `cron_expression`, saying what is wrong and how to write it.
    """
    if len(expression) > 255 or not re.fullmatch(r"[\x20-\x7e\t]*", expression):
        raise _refused("has characters that cron does not know, or more than 255 of them")
    text = expression.strip(" \t").lower()
    if text.startswith("@") and text not in _MACROS:
        raise _refused("is no known shortcut", f"Known: {', '.join(sorted(_MACROS))}.")
    fields = re.split(r"[ \t]+", _MACROS.get(text, text))
    if len(fields) != 5 or not fields[0]:
        hint = "Write minute, hour, day of month, month, weekday: 0 7 * * MON-FRI."
        if len(fields) in (6, 7):
            hint = f"Drop the field of seconds (and of years). {hint}"
        raise _refused("must have five fields", hint)
    parsed = [_Field(position, field) for position, field in enumerate(fields)]
    cron = Cron(
        text=text if text.startswith("@") else " ".join(fields),
        minutes=tuple(sorted(parsed[0].values)),
        hours=tuple(sorted(parsed[1].values)),
        days=frozenset(parsed[_DAY].values),
        months=frozenset(parsed[_MONTH].values),
        weekdays=frozenset(value % 7 for value in parsed[_WEEKDAY].values),
        special_days=tuple(parsed[_DAY].special_days),
        special_weekdays=tuple(parsed[_WEEKDAY].special_weekdays),
        starred=tuple(field.startswith("*") for field in fields),
    )
    if not _ever_fires(cron):
        raise _refused("names a day that never comes", "There is no such date, for example 31 February.")
    return cron


def check_timezone(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        InvalidInput: field `timezone`.
    """
    if name not in _zones():
        near = _nearest_zone(name)
        hint = f"Did you mean {near}?" if near else "Use an IANA name such as Europe/Berlin."
        message = "is not a time zone of the IANA database"
        raise InvalidInput(f"timezone {message}.", hint=hint, details=[FieldProblem("timezone", message)])
    return ZoneInfo(name)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NOT_ZONES)


def _nearest_zone(name: str) -> str | None:
    import difflib

    by_lower = {zone.lower(): zone for zone in _zones()}
    found = difflib.get_close_matches(name[:64].lower(), by_lower, 1, 0.7)
    return by_lower[found[0]] if found else None


class _Field:
    """One field of the five."""

    def __init__(self, position: int, text: str) -> None:
        self._position = position
        self.values: set[int] = set()
        self.special_days: list[tuple[str, int]] = []
        self.special_weekdays: list[tuple[int, int]] = []
        for item in text.split(","):
            if not self._is_special(item):
                self.values |= self._range(item)

    def _is_special(self, item: str) -> bool:
        if self._position == _DAY:
            return self._special_day(item)
        if self._position == _WEEKDAY:
            match = re.fullmatch(r"([0-9]|[a-z]{3})(?:#([1-5])|l)", item)
            if match:
                self.special_weekdays.append((self._number(match[1]) % 7, int(match[2] or 0)))
            return match is not None
        return False

    def _special_day(self, item: str) -> bool:
        if item == "lw":
            self.special_days.append(("last weekday", 0))
        elif match := re.fullmatch(r"l(?:-([0-9]{1,2}))?", item):
            offset = int(match[1] or 0)
            if offset > 30:
                raise self._wrong("L-n takes 1 to 30")
            self.special_days.append(("last", offset))
        elif match := re.fullmatch(r"([0-9]{1,2})w", item):
            if not 1 <= int(match[1]) <= 31:
                raise self._wrong("nW takes a day from 1 to 31")
            self.special_days.append(("nearest weekday", int(match[1])))
        else:
            return False
        return True

    def _range(self, item: str) -> set[int]:
        match = re.fullmatch(r"(\*|[0-9a-z]+(?:-[0-9a-z]+)?)(?:/([0-9]+))?", item)
        if match is None:
            raise self._wrong("cannot be read")
        step = int(match[2][:6]) if match[2] else 1
        if step < 1:
            raise self._wrong("has the step 0")
        low, high = _BOUNDS[self._position]
        if match[1] == "*":
            first, last = low, high
        elif "-" in match[1]:
            first, last = (self._number(end) for end in match[1].split("-"))
            if first > last:
                raise self._wrong("has a range that runs backwards", "Write two ranges, for example 22-23,0-6.")
        else:
            first = last = self._number(match[1])
            if match[2]:
                if self._position == _WEEKDAY:
                    raise self._wrong("has a step without a range", "Write it as a range, for example 1-5/2.")
                last = high
        return set(range(first, last + 1, step))

    def _number(self, text: str) -> int:
        names = _NAMES[self._position]
        if text in names:
            return names[text]
        low, high = _BOUNDS[self._position]
        if not re.fullmatch(r"[0-9]{1,4}", text):
            raise self._wrong(f"takes numbers from {low} to {high}{' and three-letter names' if names else ''}")
        if not low <= int(text) <= high:
            raise self._wrong(f"takes {low} to {high}")
        return int(text)

    def _wrong(self, what: str, hint: str | None = None) -> InvalidInput:
        return _refused(f"has {_with_article(_FIELDS[self._position])} that {what}" if " " in what else what, hint)


def _with_article(word: str) -> str:
    return f"an {word}" if word == "hour" else f"a {word}"


def _refused(what: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(f"cron_expression {what}.", hint=hint, details=[FieldProblem("cron_expression", what)])


def _ever_fires(cron: Cron) -> bool:
    """Looked for over eight years and all leap days to 2400, not by waiting for a slot."""
    start = date(2000, 1, 1)
    if any(cron.matches_day(start + timedelta(days=offset)) for offset in range(366 * 8 + 2)):
        return True
    return any(cron.matches_day(date(year, 2, 29)) for year in range(2000, 2401) if calendar.isleap(year))


def _is_special_day(day: date, last: int, kind: str, number: int) -> bool:
    if kind == "last":
        return day.day == last - number
    if kind == "last weekday":
        end = day.replace(day=last)
        return day == end - timedelta(days=max(0, end.weekday() - 4))
    if number > last:
        return False
    wanted = day.replace(day=number)
    if wanted.weekday() == 5:
        wanted += timedelta(days=-1 if number > 1 else 2)
    elif wanted.weekday() == 6:
        wanted += timedelta(days=1 if number < last else -2)
    return day == wanted


def _end_of_gap(inside: datetime, beyond: datetime, offset: timedelta, zone: tzinfo) -> datetime:
    """The first minute (UTC) after the clock went forward, by bisection."""
    while beyond - inside > _MINUTE:
        middle = inside + ((beyond - inside) // 2) // _MINUTE * _MINUTE
        if middle.astimezone(zone).utcoffset() == offset:
            inside = middle
        else:
            beyond = middle
    return beyond
