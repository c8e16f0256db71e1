"""Checks on the text and its tokens, before any recursive parser sees it."""

from __future__ import annotations

import itertools
import re
from typing import Any

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from shared.sql.verdict import Refusal

_MAX_LENGTH = 200_000
_MAX_BRACKETS = 20_000
_MAX_DEPTH = 24
_MAX_TYPE_DEPTH = 5
"""Brackets after a type's name: the parser tries both readings, so its time doubles with every level."""
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ufeff\u200b-\u200f\u202a-\u202e\u2060-\u2069]"
)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|//[^\n]*(?:\n|$)|/\*.*\*/)*$", re.DOTALL)
_HARMLESS_HINT = re.compile(r"/\*\+[\w\s(),.@`\"$]*\*/")
_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
STRINGS = {
    TokenType.STRING,
    TokenType.RAW_STRING,
    TokenType.HEREDOC_STRING,
    TokenType.BYTE_STRING,
    TokenType.NATIONAL_STRING,
    TokenType.UNICODE_STRING,
    TokenType.HEX_STRING,
    TokenType.BIT_STRING,
}


def scan(sql: str, dialect: str) -> str:
    """The one statement in the text, comments blanked out with spaces, so that all positions stay.

    Raises:
        Refusal: too long, invisible characters, several statements, executable comments, nested too deep …
    """
    if len(sql) > _MAX_LENGTH:
        raise Refusal(f"it is longer than {_MAX_LENGTH:,} characters")
    sql = sql.replace("\r\n", "\n")
    if invisible := _INVISIBLE.search(sql):
        raise _at(sql, invisible.start(), "it has a control or invisible character")
    if "\r" in sql:
        raise _at(sql, sql.index("\r"), "it has a carriage return without a line feed")
    if max(sql.count(bracket) for bracket in "([{") > _MAX_BRACKETS:
        raise Refusal("it has too many brackets")
    tokens = _tokens(sql, dialect)
    _Brackets(sql, dialect).check(tokens)
    return _without_comments(sql, dialect, tokens)


def position(sql: str, index: int) -> tuple[int, int]:
    """Line and column, from 1."""
    return sql.count("\n", 0, index) + 1, index - (sql.rfind("\n", 0, index) + 1) + 1


def _tokens(sql: str, dialect: str) -> list[Any]:
    try:
        tokens = list(Dialect.get_or_raise(dialect).tokenize(sql))
    except SqlglotError as error:
        raise Refusal("a string, a name in quotes or a comment is not closed") from error
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise Refusal("it is empty")
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            raise _at(sql, token.start, "it has more than one statement")
        if token.token_type not in STRINGS and "@@" in token.text:
            raise _at(sql, token.start, "it reads a system variable")
    if any(a.text == b.text == "@" and a.end + 1 == b.start for a, b in itertools.pairwise(tokens)):
        raise Refusal("it reads a system variable")
    return tokens


class _Brackets:
    """Depth of nesting, counted without recursion."""

    def __init__(self, sql: str, dialect: str) -> None:
        self._sql = sql
        self._types = Dialect.get_or_raise(dialect).parser_class.TYPE_TOKENS

    def check(self, tokens: list[Any]) -> None:
        stack: list[bool] = []
        previous = None
        for token in tokens:
            if token.token_type in _OPEN:
                stack.append(previous is not None and previous.token_type in self._types)
                if len(stack) > _MAX_DEPTH:
                    raise _at(self._sql, token.start, f"it is nested deeper than {_MAX_DEPTH} brackets")
                if sum(stack) > _MAX_TYPE_DEPTH:
                    raise _at(self._sql, token.start, "type-like calls are nested too deep")
            elif token.token_type in _CLOSE and stack:
                stack.pop()
            previous = token


def _without_comments(sql: str, dialect: str, tokens: list[Any]) -> str:
    parts: list[str] = []
    previous = None
    for token in tokens:
        gap = sql[previous.end + 1 : token.start] if previous is not None else sql[: token.start]
        _check_gap(sql, dialect, gap, token, previous)
        _check_glued(sql, dialect, gap, token, previous)
        if token.token_type == TokenType.HINT and not _HARMLESS_HINT.fullmatch(sql[token.start : token.end + 1]):
            raise _at(sql, token.start, "this hint is not allowed")
        parts += [_blank(gap), sql[token.start : token.end + 1]]
        previous = token
    tail = sql[tokens[-1].end + 1 :]
    if "/*!" in tail or "/*M!" in tail:
        raise Refusal("it has a comment that the server would execute")
    if dialect == "mysql" and any(re.match(r"M?!", comment) for token in tokens for comment in token.comments or ()):
        raise Refusal("it has a comment that the server would execute")
    return "".join(parts)


def _check_gap(sql: str, dialect: str, gap: str, token: Any, previous: Any) -> None:
    if gap.strip():
        if not _COMMENTS.match(gap):
            raise _at(sql, token.start, "there is text that cannot be read before this place")
        if any(mark in gap for mark in ("/*!", "/*M!", "/*+")):
            raise _at(sql, token.start, "it has a comment that the server would execute")
    if any(ord(character) > 127 and character.isspace() for character in gap):
        raise _at(sql, token.start, "there is a space before this place that only looks like one")
    is_glued = not gap and previous is not None and token.token_type == previous.token_type
    if dialect == "mysql" and is_glued and token.token_type == TokenType.DASH:
        raise _at(sql, token.start, "'--' needs a space after it")


def _check_glued(sql: str, dialect: str, gap: str, token: Any, previous: Any) -> None:
    """A name that touches a string (`E'…'`, `x'…'`) may mean something else to the server than to the parser."""
    if previous is None or gap:
        return
    if token.token_type == TokenType.AMP and previous.text.upper() == "U":
        raise _at(sql, token.start, 'names with escapes (U&"…") are not allowed')
    if token.token_type not in STRINGS or previous.token_type in _OPEN or previous.text.upper() == "N":
        return
    touches_word = re.match(r"[\w$]", sql[previous.end]) is not None
    is_introducer = dialect == "mysql" and previous.text.startswith("_")
    has_prefix = sql[token.start : token.start + 1].isalpha()
    is_name = previous.token_type in (TokenType.VAR, TokenType.IDENTIFIER)
    if is_name or (touches_word and not is_introducer and not has_prefix):
        raise _at(sql, token.start, "a name touches a string")


def _blank(gap: str) -> str:
    return re.sub(r"[^\n]", " ", gap)


def _at(sql: str, index: int, reason: str) -> Refusal:
    return Refusal(reason, *position(sql, index))
