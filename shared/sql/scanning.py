"""Checks on the text and its tokens, before any recursive parser sees it."""

from __future__ import annotations

import itertools
import re
from typing import Any

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

from shared.sql.verdict import Refusal

_MAX_LENGTH = 200_000
_MAX_TOKENS = 30_000
"""About 0.6 s of parsing; the longest query of TPC-DS has 2,021."""
_MAX_DEPTH = 24
_MAX_TYPE_DEPTH = 5
"""Brackets after a type's name: the parser tries both readings, so its time doubles with every level."""
INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\xad\u061c\u180e\u2028\u2029\ufeff\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ud800-\udfff]"
)
_EXECUTED = re.compile(r"/\*(?:M?!|\+)")
_BLOCK_MARK = re.compile(r"/\*|\*/")
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
    if invisible := INVISIBLE.search(sql):
        raise _at(sql, invisible.start(), "it has a control or invisible character")
    if "\r" in sql:
        raise _at(sql, sql.index("\r"), "it has a carriage return without a line feed")
    tokens = _tokens(sql, dialect)
    _check_brackets(sql, dialect, tokens)
    return _without_comments(sql, dialect, tokens)


def position(sql: str, index: int) -> tuple[int, int]:
    """Line and column, from 1."""
    return sql.count("\n", 0, index) + 1, index - (sql.rfind("\n", 0, index) + 1) + 1


def _tokens(sql: str, dialect: str) -> list[Any]:
    try:
        tokens = list(Dialect.get_or_raise(dialect).tokenize(sql))
    except Exception as error:  # a fault of the tokenizer is a refusal, whatever it is
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
    for token, following in itertools.pairwise(tokens):
        if token.text == following.text == "@" and token.end + 1 == following.start:
            raise _at(sql, token.start, "it reads a system variable")
    if len(tokens) > _MAX_TOKENS:
        raise _at(sql, tokens[_MAX_TOKENS].start, f"it has more than {_MAX_TOKENS:,} words and signs")
    return tokens


def _check_brackets(sql: str, dialect: str, tokens: list[Any]) -> None:
    """Depth of nesting, counted without recursion."""
    types = Dialect.get_or_raise(dialect).parser_class.TYPE_TOKENS
    stack: list[bool] = []
    previous = None
    for token in tokens:
        if token.token_type in _OPEN:
            stack.append(previous is not None and previous.token_type in types)
            if len(stack) > _MAX_DEPTH:
                raise _at(sql, token.start, f"it is nested deeper than {_MAX_DEPTH} brackets")
            if sum(stack) > _MAX_TYPE_DEPTH:
                raise _at(sql, token.start, "type-like calls are nested too deep")
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
    rest = tokens[-1].end + 1
    if executed := re.search(r"/\*M?!", sql[rest:]):
        raise _at(sql, rest + executed.start(), "it has a comment that the server would execute")
    if dialect == "mysql" and any(re.match(r"M?!", comment) for token in tokens for comment in token.comments or ()):
        raise Refusal("it has a comment that the server would execute")
    return "".join(parts)


def _check_gap(sql: str, dialect: str, gap: str, token: Any, previous: Any) -> None:
    start = token.start - len(gap)
    if gap.strip(" \t\n"):
        if executed := _EXECUTED.search(gap):
            raise _at(sql, start + executed.start(), "it has a comment that the server would execute")
        if (unreadable := _unreadable(gap, dialect)) is not None:
            raise _at(sql, start + unreadable, "this cannot be read as part of a query")
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


def _unreadable(gap: str, dialect: str) -> int | None:
    """Where the text between two tokens is neither ASCII space nor comment; one pass, nothing is tried twice."""
    nests = Dialect.get_or_raise(dialect).tokenizer_class.NESTED_COMMENTS
    place = 0
    while place < len(gap):
        if gap[place] in " \t\n":
            place += 1
        elif gap.startswith(("--", "#", "//"), place):
            end = gap.find("\n", place)
            place = len(gap) if end == -1 else end
        elif gap.startswith("/*", place):
            place = _block_end(gap, place, nests)
        else:
            return place
    return None


def _block_end(gap: str, place: int, nests: bool) -> int:
    if not nests:
        end = gap.find("*/", place + 2)
        return len(gap) if end == -1 else end + 2
    depth = 0
    for mark in _BLOCK_MARK.finditer(gap, place):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(gap)


def _blank(gap: str) -> str:
    return re.sub(r"[^\n]", " ", gap)


def _at(sql: str, index: int, reason: str) -> Refusal:
    return Refusal(reason, *position(sql, index))
