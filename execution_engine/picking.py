"""Locks the rows at the head of a queue that nobody else holds, on every database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from shared.db.models import DeliveryTask, Execution

RowT = TypeVar("RowT", Execution, DeliveryTask)
_LONGEST_LOOK = 500


def pick(
    session: Session, model: type[RowT], condition: ColumnElement[bool], order: Sequence[Any], step: int
) -> Iterator[RowT]:
    """Locked rows, first ones first, `step` at a time and then more; the caller stops when it has enough.

    Looking and locking are two statements, because MySQL locks every row that a locking statement has to sort: one
    engine would hold the whole queue while it takes four rows.
    """
    seen: list[Any] = []
    while len(seen) < _LONGEST_LOOK:
        look = select(model.id).where(condition, model.id.not_in(seen)).order_by(*order).limit(step)
        ids: list[Any] = list(session.scalars(look))
        if not ids:
            return
        seen += ids
        lock = select(model).where(model.id.in_(ids), condition).with_for_update(skip_locked=True)
        locked: dict[Any, RowT] = {row.id: row for row in session.scalars(lock)}
        yield from (locked[row_id] for row_id in ids if row_id in locked)
        step *= 2
