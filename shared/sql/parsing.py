"""The parser with an upper limit on its work, so that no text can hold a process."""

from __future__ import annotations

import functools
import logging
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError

from shared.sql.verdict import Refusal

_STEPS = 20_000
_STEPS_PER_TOKEN = 8
"""The parser goes back and tries again: TPC-H and TPC-DS need up to 1.3 steps for a token (sqlglot 30.30)."""
_NOT_READABLE = "it cannot be read as SQL of this datasource"
# On statements it does not know the parser writes their text to the log as a warning.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


def parse(text: str, dialect: str) -> exp.Expression:
    """The tree of the one statement.

    Raises:
        Refusal: not readable, not one statement, or too much work.
    """
    known = Dialect.get_or_raise(dialect)
    try:
        tokens = known.tokenize(text)
        parser = _limited(known.parser_class)(dialect=known)
        parser.steps_left = _STEPS + _STEPS_PER_TOKEN * len(tokens)
        trees = [tree for tree in parser.parse(tokens, text) if tree is not None]
    except Refusal:
        raise
    except RecursionError as error:
        raise Refusal("it is nested too deep") from error
    except ParseError as error:
        raise _unreadable(error) from error
    except Exception as error:  # a fault of the parser is a refusal, whatever it is
        raise Refusal(_NOT_READABLE) from error
    if len(trees) != 1:
        raise Refusal("it must be exactly one statement")
    tree: exp.Expression = trees[0]
    return tree


@functools.cache
def _limited(parser_class: type[Any]) -> type[Any]:
    class LimitedParser(parser_class):  # type: ignore[misc]
        steps_left = _STEPS

        def _advance(self, times: int = 1) -> None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise Refusal("it takes too long to read", *_start(getattr(self, "_curr", None)))
            super()._advance(times)

    return LimitedParser


def _start(token: Any) -> tuple[int | None, int | None]:
    line, column = getattr(token, "line", None), getattr(token, "col", None)
    if not line or column is None:
        return None, None
    return line, max(1, column - (token.end - token.start))


def _unreadable(error: ParseError) -> Refusal:
    details = error.errors[0] if error.errors else {}
    word = str(details.get("highlight") or "")
    near = f" near {word[:40]!r}" if word.strip() else ""
    line, column = details.get("line"), details.get("col")
    if line is None or column is None:
        return Refusal(f"{_NOT_READABLE}{near}")
    return Refusal(f"{_NOT_READABLE}{near}", line, max(1, column - len(word) + 1))
