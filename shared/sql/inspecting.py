"""Checks on the parsed statement: what it is, what it calls, what it reads."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from shared.sql.dialects import (
    HARMLESS_TABLES,
    SECRET_SCHEMAS,
    SECRET_TABLES,
    STATEMENTS_IN_BRACKETS,
    TSQL_RESERVED,
    TSQL_TABLE_HINTS,
    allowed_functions,
    parser_functions,
)
from shared.sql.scopes import is_cte, sources
from shared.sql.verdict import Refusal, SqlPolicy


def _classes(names: str) -> tuple[type[exp.Expression], ...]:
    """Those of the classes that this version of the parser has."""
    return tuple(getattr(exp, name) for name in names.split() if hasattr(exp, name))


_NOT_READING = _classes(
    "Insert Update Delete Merge Create Drop Alter TruncateTable Command Copy Into Lock Set SetItem Use Pragma "
    "Attach Detach Kill Describe Show LoadData Export Grant Revoke Execute IfBlock Declare Transaction Commit "
    "Rollback Analyze Summarize Install Put Get ListStage Undrop Refresh Semicolon Comment MultitableInserts "
    "SessionParameter DDL DML"
)
_NAMED_FUNCTIONS = _classes("Anonymous AnonymousAggFunc CombinedAggFunc ParameterizedAgg CombinedParameterizedAgg")
_CLAUSES = (("into", "INTO"), ("locks", "FOR UPDATE"), ("settings", "SETTINGS"), ("format", "FORMAT"))
_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
_CLICKHOUSE_SUFFIX = re.compile(
    r"(?<=.)(If|Array|Merge|State|Distinct|OrNull|OrDefault|ForEach|Map|Resample|ArgMin|ArgMax)+$"
)
_LIKE_A_FILE = re.compile(r"[/\\:*?\x00]|\.(csv|parquet|json|db|duckdb|txt|gz)$", re.IGNORECASE)


def inspect(tree: exp.Expression, dialect: str, policy: SqlPolicy) -> None:
    """Raise Refusal, with the position where it is known, unless the statement only reads."""
    if not isinstance(tree, _QUERIES):
        raise _at(tree, "it is not a SELECT")
    try:
        _Inspector(tree, dialect, policy).run()
    except Refusal:
        raise
    except Exception as error:  # what cannot be checked is not allowed
        raise Refusal("it has a part that cannot be checked") from error


class _Inspector:
    def __init__(self, tree: exp.Expression, dialect: str, policy: SqlPolicy) -> None:
        self._tree = tree
        self._dialect = dialect
        self._tables = None if policy.tables is None else {name.lower() for name in policy.tables}
        self._added = {name.lower() for name in policy.functions}
        self._functions = allowed_functions(dialect) | self._added

    def run(self) -> None:
        for node in self._tree.walk():
            if isinstance(node, _NOT_READING):
                raise _at(node, f"{type(node).__name__.upper()} is not allowed")
            self._check_clauses(node)
            if isinstance(node, exp.Func):
                self._check_function(node)
            if isinstance(node, exp.Table):
                self._check_table(node)
            if isinstance(node, exp.In):
                self._check_in(node)
            self._check_variable(node)
            if isinstance(node, exp.Column) and node.table:
                self._check_column(node)
            if self._dialect == "tsql":
                self._check_tsql(node)

    def _check_clauses(self, node: exp.Expression) -> None:
        if isinstance(node, (exp.Select, exp.SetOperation, exp.Subquery)):
            for clause, name in _CLAUSES:
                if node.args.get(clause):
                    raise _at(node, f"{name} is not allowed")
        may_name_values = self._dialect == "clickhouse"
        if isinstance(node, exp.CTE) and not isinstance(node.this, (exp.Query, exp.Pivot)) and not may_name_values:
            raise _at(node, "a WITH part is not a query")

    def _check_function(self, node: exp.Func) -> None:
        if isinstance(node, _NAMED_FUNCTIONS):
            self._check_name(node)
        elif type(node).__name__ not in parser_functions():
            raise _at(node, f"the function {type(node).__name__.upper()} is not allowed")

    def _check_name(self, node: exp.Func) -> None:
        name = node.name if isinstance(node, exp.Anonymous) else str(node.this)
        base = _CLICKHOUSE_SUFFIX.split(name)[0] if self._dialect == "clickhouse" else name
        if isinstance(node.parent, exp.Hint):
            return
        if name.lower() not in self._functions and base.lower() not in self._functions:
            raise _at(node, f"the function {name[:64]} is not on the list of allowed functions")
        owner = _owner(node)
        full_name = f"{owner}.{name}".lower()
        if owner and full_name not in self._functions and owner.lower() != "pg_catalog":
            raise _at(node, f"the function {full_name[:128]} is not on the list of allowed functions")

    def _check_table(self, node: exp.Table) -> None:
        source = node.this
        if isinstance(source, exp.Func):
            if node.args.get("db") is not None and self._dialect == "bigquery":
                raise _at(node, "this table function is not allowed")
            return
        if not isinstance(source, (exp.Identifier, exp.Dot, exp.Values)):
            raise _at(node, "a table must be named directly")
        parts = [part.name for part in node.parts]
        for part in parts:
            if "@" in part or (self._dialect != "bigquery" and _LIKE_A_FILE.search(part)):
                raise _at(node, "a table's name looks like a file, a stage or a link")
        if self._dialect == "tsql" and len(parts) > 3:
            raise _at(node, "linked servers are not allowed")
        statements = STATEMENTS_IN_BRACKETS.get(self._dialect, ())
        is_bare = isinstance(source, exp.Identifier) and not source.quoted and len(parts) == 1
        if is_bare and isinstance(node.parent, exp.Subquery) and parts[0].upper() in statements:
            raise _at(node, f"{parts[0].upper()} is not allowed")
        if not is_cte(node, self._dialect):
            self._check_real_table(node, parts)

    def _check_in(self, node: exp.In) -> None:
        """`x IN t` reads the table t in SQLite and ClickHouse."""
        field = node.args.get("field")
        is_table = isinstance(field, exp.Column) and self._dialect in ("sqlite", "clickhouse")
        if is_table and not is_cte(field, self._dialect):
            self._check_real_table(field, [part.name for part in field.parts])

    def _check_real_table(self, node: exp.Expression, parts: list[str]) -> None:
        name = ".".join(parts).lower()
        schema, table = SECRET_SCHEMAS.get(self._dialect), SECRET_TABLES.get(self._dialect)
        if name not in HARMLESS_TABLES.get(self._dialect, ()):
            if schema is not None and any(schema.match(part) for part in parts[:-1]):
                raise _at(node, "system schemas are not allowed")
            if table is not None and table.match(parts[-1]):
                raise _at(node, "system tables are not allowed")
        if self._tables is not None and name not in self._tables:
            raise _at(node, "a table is not on the list of this datasource")

    def _check_variable(self, node: exp.Expression) -> None:
        if isinstance(node, exp.Parameter) and self._dialect in ("mysql", "snowflake"):
            raise _at(node, "session variables are not allowed")
        if isinstance(node, exp.PropertyEQ) and isinstance(node.this, exp.Parameter):
            raise _at(node, "assigning a variable is not allowed")
        if isinstance(node, exp.TableFromRows) and not isinstance(node.this, exp.Func):
            raise _at(node, "a table must be named directly")
        if isinstance(node, exp.Placeholder) and isinstance(node.parent, (exp.Table, exp.From)):
            raise _at(node, "a parameter cannot stand for a table")

    def _check_column(self, node: exp.Column) -> None:
        if node.name.upper() in ("NEXTVAL", "CURRVAL") and self._dialect in ("oracle", "snowflake"):
            raise _at(node, "sequences are not allowed")
        # Oracle calls a function of a package without brackets: what stands before the dot must be a table.
        if self._dialect == "oracle" and (node.db.lower(), node.table.lower()) not in set(sources(node)):
            raise _at(node, f"{node.table[:64]} is no table of this query")

    def _check_tsql(self, node: exp.Expression) -> None:
        if isinstance(node, (exp.Alias, exp.TableAlias)):
            alias = node.args.get("alias") if isinstance(node, exp.Alias) else node.this
            if isinstance(alias, exp.Identifier) and not alias.quoted and alias.name.upper() in TSQL_RESERVED:
                raise _at(node, "a reserved word stands where a name should, which starts another statement")
        if isinstance(node, exp.EQ) and isinstance(node.this, exp.Parameter) and isinstance(node.parent, exp.Select):
            raise _at(node, "assigning a variable is not allowed")
        if isinstance(node, exp.Fetch) and not (node.parent and node.parent.args.get("offset")):
            raise _at(node, "FETCH without OFFSET starts another statement")
        if isinstance(node, exp.WithTableHint):
            for hint in node.expressions:
                if hint.name.upper() not in TSQL_TABLE_HINTS and not isinstance(hint, exp.Anonymous):
                    raise _at(node, "this table hint is not allowed")


def _owner(node: exp.Expression) -> str:
    """What stands before the dot of `owner.function()`; empty for a function of its own and for `f().g()`."""
    parent = node.parent
    if not isinstance(parent, exp.Dot) or parent.expression is not node:
        return ""
    left = parent.this
    if any(isinstance(part, exp.Func) for part in left.walk()):
        return ""
    return ".".join(part.name for part in left.find_all(exp.Identifier, bfs=False))


def _at(node: exp.Expression, reason: str) -> Refusal:
    for part in node.walk():
        meta: dict[str, Any] = part.meta
        line, column, start, end = (meta.get(key) for key in ("line", "col", "start", "end"))
        if line and column is not None and start is not None and end is not None:  # names made up have None
            return Refusal(reason, line, max(1, column - (end - start)))
    return Refusal(reason)
