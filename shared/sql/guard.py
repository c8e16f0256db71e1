"""One read-only statement, or the reason why not. Opens no connection and never raises on bad SQL."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from shared.errors import QueryRefused
from shared.sql.dialects import canonical
from shared.sql.inspecting import inspect
from shared.sql.scanning import scan
from shared.sql.verdict import Refusal, SqlPolicy, Verdict

_DEFAULT = SqlPolicy()


def check_sql(sql: str, dialect: str, policy: SqlPolicy = _DEFAULT) -> Verdict:
    """Is this text one read-only SELECT with harmless functions?

    Args:
        dialect: sqlglot's name of the SQL, or a common alias (postgresql, mariadb, sqlserver).
        policy: more functions, fewer tables.

    Returns:
        a Verdict; `text` of an allowed one is what to send. `:name` stands for a bound parameter.

    Raises:
        ValueError: unknown dialect.
    """
    name = canonical(dialect)
    try:
        text = scan(sql, name)
        inspect(_parse(text, name), name, policy)
    except Refusal as refusal:
        return Verdict(False, refusal.reason, refusal.line, refusal.column)
    return Verdict(True, text=text)


def refuse(verdict: Verdict) -> QueryRefused:
    """The error for a verdict that is not allowed."""
    return QueryRefused(
        f"The query was refused: {verdict.reason}.",
        hint="A query is one SELECT that only reads. Values are given as :name parameters.",
        line=verdict.line,
        column=verdict.column,
    )


def _parse(text: str, dialect: str) -> exp.Expression:
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect=dialect) if tree is not None]
    except RecursionError as error:
        raise Refusal("it is nested too deep") from error
    except ParseError as error:
        raise _unreadable(error) from error
    except (SqlglotError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise Refusal("it cannot be read as SQL of this datasource") from error
    if len(trees) != 1:
        raise Refusal("it must be exactly one statement")
    tree: exp.Expression = trees[0]
    return tree


def _unreadable(error: ParseError) -> Refusal:
    details = error.errors[0] if error.errors else {}
    word = str(details.get("highlight") or "")[:40]
    near = f" near {word!r}" if word.strip() else ""
    line, column = details.get("line"), details.get("col")
    if line is None or column is None:
        return Refusal(f"it cannot be read as SQL of this datasource{near}")
    return Refusal(f"it cannot be read as SQL of this datasource{near}", line, max(1, column - len(word) + 1))
