"""What the guard is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlPolicy:
    """What is allowed beyond the defaults.

    Attributes:
        functions: more function names, lower case.
        tables: if not None, only these tables (lower case, as `schema.table` or `table`).
    """

    functions: frozenset[str] = frozenset()
    tables: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `text` is what may be sent: the author's words, comments blanked out, so that positions in the
    server's errors are those of the author's text. `line` and `column` count from 1."""

    allowed: bool
    reason: str | None = None
    line: int | None = None
    column: int | None = None
    text: str | None = None


class Refusal(Exception):
    """Ends a check. The reason completes the sentence *The query was refused: …*."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column
