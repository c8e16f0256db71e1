"""What deliverers over HTTP read from answers and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

_LONGEST = timedelta(days=7)


def retry_after(headers: httpx.Headers) -> timedelta | None:
    """Retry-After in both forms, seconds or a date; a date is compared with the server's own clock if it shows it."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), _LONGEST.total_seconds()))
    until = _date(value)
    if until is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return min(max(until - now, timedelta(0)), _LONGEST)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """True when an error of this kind lies below, however deep."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
