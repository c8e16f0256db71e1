"""A second, slow and simple reading of cron: every minute of the wall clock is looked at. Standard fields only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
_LOW = (0, 0, 1, 1, 0)
_HIGH = (59, 23, 31, 12, 7)


def brute_slots(expressions: list[str], zone: str, start: datetime, until: datetime) -> dict[str, list[datetime]]:
    """All slots with start < slot <= until of each expression, in UTC."""
    found: dict[str, list[datetime]] = {text: [] for text in expressions}
    matchers = [
        (text, _matcher(text), not text.split()[0].startswith("*") and text.split()[1][0] != "*") for text in found
    ]
    for moment, local, skipped in _minutes(ZoneInfo(zone), start, until):
        for text, matches, is_fixed in matchers:
            is_slot = matches(local) and not (is_fixed and local.fold)
            if is_slot or (is_fixed and any(matches(wall) for wall in skipped)):
                found[text].append(moment)
    return found


def _minutes(zone: ZoneInfo, start: datetime, until: datetime) -> Iterator[tuple[datetime, datetime, list[datetime]]]:
    """Each minute in UTC, on the wall clock, and the wall times that the clock passed over just before."""
    moment = start.astimezone(UTC).replace(second=0, microsecond=0)
    before = moment.astimezone(zone)
    moment += MINUTE
    while moment <= until:
        local = moment.astimezone(zone)
        jump = (local.utcoffset() or MINUTE) - (before.utcoffset() or MINUTE)
        wall = before.replace(tzinfo=None)
        skipped = [wall + MINUTE * step for step in range(1, 1 + jump // MINUTE)] if jump > MINUTE * 0 else []
        yield moment, local, skipped
        before = local
        moment += MINUTE


def _matcher(text: str) -> Callable[[datetime], bool]:
    fields = text.split()
    minutes, hours, days, months, weekdays = (
        _numbers(field, *ends) for field, *ends in zip(fields, _LOW, _HIGH, strict=True)
    )
    is_and = fields[2].startswith("*") or fields[4].startswith("*")

    def matches(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        weekday = wall.isoweekday() % 7
        fits = (wall.day in days, weekday in weekdays or (weekday == 0 and 7 in weekdays))
        return all(fits) if is_and else any(fits)

    return matches


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in field.split(","):
        body, _, step = item.partition("/")
        first, _, last = body.partition("-")
        ends = (low, high) if first == "*" else (int(first), int(last or first))
        found |= set(range(ends[0], ends[1] + 1, int(step or 1)))
    return found
