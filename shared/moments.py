"""Points in time as bodies and queries give them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field


def _no_number(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise ValueError("must be a text in ISO 8601")
    return value


def _storable(value: datetime) -> datetime:
    """Room for relative dates and zones on either side of what databases and Python can hold."""
    if not 1970 <= value.year <= 2999:
        raise ValueError("must lie between the years 1970 and 2999")
    return value.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_no_number),
    Field(strict=False, description="ISO 8601 with offset."),
    AfterValidator(_storable),
]
"""A point in time, in UTC; every database can keep it."""
