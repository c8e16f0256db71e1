"""Finds the `:name` parameters of a statement."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from shared.sql.dialects import canonical

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_BEFORE = set("(,=<>+-*/|!~[&^%")
"""What may touch a parameter's colon from the left; anything else that does is a slice or a path."""


class ParameterSpan(NamedTuple):
    """Where a parameter stands in the text; `start` is its colon, `end` the first character after it."""

    start: int
    end: int
    name: str


def parameter_spans(sql: str, dialect: str) -> list[ParameterSpan]:
    """All places of parameters, in order; not those in strings, comments or casts (`::type`)."""
    try:
        tokens = list(Dialect.get_or_raise(canonical(dialect)).tokenize(sql))
    except SqlglotError:
        return []
    found = []
    for position, token in enumerate(tokens[:-1]):
        name = tokens[position + 1]
        before = tokens[position - 1] if position else None
        is_slice = before is not None and before.end + 1 == token.start and before.text[-1:] not in _BEFORE
        touches = token.end + 1 == name.start
        if token.token_type == TokenType.COLON and touches and not is_slice and _NAME.match(name.text):
            found.append(ParameterSpan(token.start, name.end + 1, name.text))
    return found


def find_parameters(sql: str, dialect: str) -> list[str]:
    """Names of parameters in order of appearance, each once."""
    return list(dict.fromkeys(span.name for span in parameter_spans(sql, dialect)))
