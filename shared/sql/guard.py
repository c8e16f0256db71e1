"""One read-only statement, or the reason why not. Opens no connection and never raises on bad SQL."""

from __future__ import annotations

from shared.errors import QueryRefused
from shared.sql.dialects import canonical
from shared.sql.inspecting import inspect
from shared.sql.parsing import parse
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
        inspect(parse(text, name), name, policy)
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
