"""Values that a format cannot hold: found in a column by position, reported to people by row and column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from shared.errors import ConversionRejected


class MisfitError(Exception):
    """The value at `index` of an array is `what`. Becomes a ConversionRejected where row and column are known."""

    def __init__(self, index: int, what: str, hint: str) -> None:
        super().__init__(what)
        self.index = index
        self.what = what
        self.hint = hint


@contextlib.contextmanager
def located(column: str, first_row: int, title: str) -> Iterator[None]:
    """Misfits inside the block are of this column, whose first value is in row `first_row`."""
    try:
        yield
    except MisfitError as error:
        raise ConversionRejected(
            f"Row {first_row + error.index:,} of column {column} holds {error.what}, which {title} cannot hold.",
            hint=error.hint,
        ) from error
