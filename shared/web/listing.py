"""Paging and sorting of lists, the same in every service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy.sql.selectable import GenerativeSelect

from shared.errors import FieldProblem, InvalidInput

StatementT = TypeVar("StatementT", bound=GenerativeSelect)


class Listing(BaseModel):
    limit: int
    offset: int
    sort_by: str | None
    sort_order: Literal["asc", "desc"]


def _listing(
    limit: Annotated[int, Query(ge=1, le=200, description="Rows of one page.")] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31, description="Rows to skip.")] = 0,
    sort_by: Annotated[str | None, Query(max_length=64, description="Field to sort by.")] = None,
    sort_order: Annotated[Literal["asc", "desc"], Query(description="Direction.")] = "asc",
) -> Listing:
    return Listing(limit=limit, offset=offset, sort_by=sort_by, sort_order=sort_order)


ListQuery = Annotated[Listing, Depends(_listing)]


def ordered(statement: StatementT, listing: Listing, columns: Mapping[str, Any]) -> StatementT:
    """Sort and cut `statement`; `columns` are the fields one may sort by (default: id), and `id` breaks ties.

    Rows without a value come last in both directions, whatever the database likes better.

    Raises:
        InvalidInput: unknown sort field; the message lists the known ones.
    """
    field = listing.sort_by or "id"
    if field not in columns:
        message = f"Sorting works by: {', '.join(sorted(columns))}."
        raise InvalidInput(message, details=[FieldProblem("sort_by", message)])
    order = [columns[name] for name in dict.fromkeys((field, "id"))]
    if listing.sort_order == "desc":
        order = [column.desc() for column in order]
    nulls_last = [] if field == "id" else [columns[field].is_(None)]
    return statement.order_by(*nulls_last, *order).limit(listing.limit).offset(listing.offset)
