"""Finds the `:name` parameters of a statement."""

from __future__ import annotations

import re

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from shared.sql.dialects import canonical

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def find_parameters(sql: str, dialect: str) -> list[str]:
    """Names of parameters in order of appearance, each once; not those in strings, comments or casts (`::type`)."""
    try:
        tokens = list(Dialect.get_or_raise(canonical(dialect)).tokenize(sql))
    except SqlglotError:
        return []
    found: dict[str, None] = {}
    for position, token in enumerate(tokens[:-1]):
        follower = tokens[position + 1]
        touches = token.end + 1 == follower.start
        before = tokens[position - 1] if position else None
        is_slice = before is not None and before.end + 1 == token.start and before.text not in "(,=<>+-*/|"
        if token.token_type == TokenType.COLON and touches and not is_slice and _NAME.match(follower.text):
            found.setdefault(follower.text)
    return list(found)
