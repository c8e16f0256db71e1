"""Which names are visible at a place of the tree: common table expressions and table aliases."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

_UPPER = ("oracle", "snowflake")
_AS_WRITTEN = ("bigquery", "clickhouse", "mysql")
"""Names differ by case, with or without quotes (MySQL: on Linux)."""
_IMPLICITLY_RECURSIVE = ("oracle", "sqlite", "tsql")


def is_cte(table: exp.Expression, dialect: str) -> bool:
    """Is this a name that a WITH around it defines? If in doubt, no: then it is checked as a real table."""
    identifier = table.this
    if not isinstance(identifier, exp.Identifier) or table.args.get("db") or table.args.get("table"):
        return False
    name = _folded(identifier, dialect)
    return any(_cte_name(cte, dialect) == name for cte in _visible_ctes(table, dialect))


def sources(node: exp.Expression) -> Iterator[tuple[str, str]]:
    """(schema, name) in lower case of all tables and aliases that a column at this place may be qualified with."""
    parent: exp.Expression | None = node
    while parent is not None:
        if isinstance(parent, exp.Select):
            parts = [parent.args.get("from_") or parent.args.get("from")]
            parts += [*(parent.args.get("joins") or ()), *(parent.args.get("laterals") or ())]
            for part in parts:
                if part is not None:
                    yield from _names(part)
        parent = parent.parent


def _names(part: exp.Expression) -> Iterator[tuple[str, str]]:
    kinds = (exp.Table, exp.Subquery, exp.Lateral, exp.Unnest, exp.Pivot)
    for source in part.walk(prune=lambda inner: isinstance(inner, exp.Select)):
        if not isinstance(source, kinds):
            continue
        if source.alias:
            yield "", source.alias.lower()
        elif isinstance(source, exp.Table):
            yield "", source.name.lower()
            if source.db:
                yield source.db.lower(), source.name.lower()


def _visible_ctes(table: exp.Expression, dialect: str) -> Iterator[exp.CTE]:
    path: list[exp.Expression] = [table]
    while (parent := path[-1].parent) is not None:
        child = path[-1]
        if isinstance(parent, exp.With):
            place = next(number for number, cte in enumerate(parent.expressions) if cte is child)
            yield from parent.expressions[:place]
            may_recurse = parent.args.get("recursive") or dialect in _IMPLICITLY_RECURSIVE
            if may_recurse and _in_recursive_part(child, path):
                yield child
        elif not isinstance(child, exp.With):
            found = parent.args.get("with_") or parent.args.get("with")
            if isinstance(found, exp.With):
                yield from found.expressions
        path.append(parent)


def _in_recursive_part(cte: exp.Expression, path: list[exp.Expression]) -> bool:
    """In any part but the first of its UNION: elsewhere DuckDB takes the name for the real table (2.0.1)."""
    body = cte.this
    passed = {id(node) for node in path}
    while isinstance(body, exp.SetOperation):
        if id(body.expression) in passed:
            return True
        body = body.this
    return False


def _cte_name(cte: exp.CTE, dialect: str) -> str | None:
    alias = cte.args.get("alias")
    identifier = alias.this if isinstance(alias, exp.TableAlias) else alias
    return _folded(identifier, dialect) if isinstance(identifier, exp.Identifier) else None


def _folded(identifier: exp.Identifier, dialect: str) -> str:
    name: str = identifier.name
    if dialect in _AS_WRITTEN or (identifier.quoted and dialect in ("postgres", *_UPPER)):
        return name
    return name.upper() if dialect in _UPPER else name.lower()
