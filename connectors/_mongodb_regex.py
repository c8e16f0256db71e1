"""Regular expressions of a MongoDB query: those that can take exponential time are refused, and so is the query."""

from __future__ import annotations

import re
from typing import Any

from shared.errors import QueryRefused

_MAX_REGEX = 1000
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d+,\d*\}|\{\d+\}|[()|*+?]|.", re.DOTALL)
_ENDLESS = re.compile(r"[*+]\Z|\{\d+,\d*\}\Z")


def refusal(reason: str) -> QueryRefused:
    return QueryRefused(
        f"The query was refused: {reason}.",
        hint='A query is one find or one aggregation that only reads. Values are given as {"$param": "name"}.',
    )


def check_regex(pattern: Any, place: str) -> str:
    """The pattern itself.

    Raises:
        QueryRefused: it is no text, too long, or repeats a group that repeats inside: `(a+)+`.
    """
    if not isinstance(pattern, str):
        raise refusal(f"{place} must be a text or a parameter")
    if len(pattern) > _MAX_REGEX or "\0" in pattern:
        raise refusal(f"{place} is longer than {_MAX_REGEX} characters, or has a NUL")
    repeats = [False]
    closed: bool | None = None
    for piece in _PIECE.findall(pattern):
        if piece == "(":
            repeats.append(False)
        elif piece == ")" and len(repeats) > 1:
            closed = repeats.pop()
            repeats[-1] = repeats[-1] or closed
            continue
        elif _ENDLESS.match(piece):
            if closed:
                raise refusal(f"{place} repeats a group that repeats inside, which can take exponential time")
            repeats[-1] = True
        closed = None
    return pattern
