"""Checks on the parsed statement: what it is, what it calls, what it reads."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from shared.sql.dialects import (
    SECRET_SCHEMAS,
    SECRET_TABLES,
    TSQL_RESERVED,
    TSQL_TABLE_HINTS,
    allowed_functions,
)
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
_UNSAFE_FUNCTIONS = _classes(
    "ReadCSV ReadParquet NextValueFor ToFile AIAgg AIClassify AIEmbed AIForecast AIGenerate AISimilarity "
    "AISummarizeAgg MLForecast MLTranslate Predict FeaturesAtTime GenerateEmbedding GenerateTable GenerateText "
    "GenerateBool GenerateInt GenerateDouble VectorSearch Secret DynamicIdentifier CurrentAvailableRoles "
    "CurrentIpAddress CurrentVersion CurrentStatement Search SearchIp Decrypt DecryptRaw Host"
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
    _Inspector(tree, dialect, policy).run()


class _Inspector:
    def __init__(self, tree: exp.Expression, dialect: str, policy: SqlPolicy) -> None:
        self._tree = tree
        self._dialect = dialect
        self._policy = policy
        self._functions = allowed_functions(dialect) | policy.functions
        sources = tree.find_all(exp.Table, exp.Subquery, exp.CTE, exp.Lateral, exp.Unnest)
        self._sources = {source.alias_or_name.lower() for source in sources}
        self._sources |= {table.name.lower() for table in tree.find_all(exp.Table)}
        self._ctes = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}

    def run(self) -> None:
        for node in self._tree.walk():
            if isinstance(node, _NOT_READING):
                raise _at(node, f"{type(node).__name__.upper()} is not allowed")
            self._check_clauses(node)
            if isinstance(node, exp.Func):
                self._check_function(node)
            if isinstance(node, exp.Table):
                self._check_table(node)
            self._check_variable(node)
            self._check_column(node)
            if self._dialect == "tsql":
                self._check_tsql(node)

    def _check_clauses(self, node: exp.Expression) -> None:
        if isinstance(node, (exp.Select, exp.SetOperation, exp.Subquery)):
            for clause, name in (
                ("into", "INTO"),
                ("locks", "FOR UPDATE"),
                ("settings", "SETTINGS"),
                ("format", "FORMAT"),
            ):
                if node.args.get(clause):
                    raise _at(node, f"{name} is not allowed")
        if (
            isinstance(node, exp.CTE)
            and not isinstance(node.this, (exp.Query, exp.Pivot))
            and self._dialect != "clickhouse"
        ):
            raise _at(node, "a WITH part is not a query")

    def _check_function(self, node: exp.Func) -> None:
        if isinstance(node, _UNSAFE_FUNCTIONS):
            raise _at(node, f"the function {type(node).__name__.upper()} is not allowed")
        if not isinstance(node, _NAMED_FUNCTIONS):
            return
        name = node.name if isinstance(node, exp.Anonymous) else str(node.this)
        base = _CLICKHOUSE_SUFFIX.split(name)[0] if self._dialect == "clickhouse" else name
        is_hint = isinstance(node.parent, exp.Hint)
        if not is_hint and name.lower() not in self._functions and base.lower() not in self._functions:
            raise _at(node, f"the function {name[:64]} is not on the list of allowed functions")
        parent = node.parent
        if (
            isinstance(parent, exp.Dot)
            and parent.expression is node
            and not isinstance(parent.this, (exp.Func, exp.Dot))
        ):
            owner = str(getattr(parent.this, "name", "")).lower()
            if f"{owner}.{name.lower()}" not in self._functions and owner not in ("pg_catalog", ""):
                raise _at(node, f"the function {owner[:64]}.{name[:64]} is not on the list of allowed functions")

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
        is_cte = len(parts) == 1 and parts[0].lower() in self._ctes
        schema, table = SECRET_SCHEMAS.get(self._dialect), SECRET_TABLES.get(self._dialect)
        if schema is not None and any(schema.match(part) for part in parts[:-1]):
            raise _at(node, "system schemas are not allowed")
        if table is not None and table.match(parts[-1]) and not is_cte:
            raise _at(node, "system tables are not allowed")
        if self._policy.tables is not None and ".".join(parts).lower() not in self._policy.tables and not is_cte:
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

    def _check_column(self, node: exp.Expression) -> None:
        if not isinstance(node, exp.Column) or not node.table:
            return
        if node.name.upper() in ("NEXTVAL", "CURRVAL") and self._dialect in ("oracle", "snowflake"):
            raise _at(node, "sequences are not allowed")
        if self._dialect == "oracle" and node.table.lower() not in self._sources:
            raise _at(node, f"{node.table[:64]} is no table of this query")  # a package call without brackets

    def _check_tsql(self, node: exp.Expression) -> None:
        if isinstance(node, (exp.Alias, exp.TableAlias)):
            alias = node.args.get("alias") if isinstance(node, exp.Alias) else node.this
            if isinstance(alias, exp.Identifier) and not alias.quoted and alias.name.upper() in TSQL_RESERVED:
                raise _at(node, "a reserved word stands where a name should, which starts another statement")
        if isinstance(node, exp.EQ) and isinstance(node.this, exp.Parameter) and isinstance(node.parent, exp.Select):
            raise _at(node, "assigning a variable is not allowed")
        if isinstance(node, exp.WithTableHint):
            for hint in node.expressions:
                if hint.name.upper() not in TSQL_TABLE_HINTS and not isinstance(hint, exp.Anonymous):
                    raise _at(node, "this table hint is not allowed")


def _at(node: exp.Expression, reason: str) -> Refusal:
    for part in node.walk():
        meta: dict[str, Any] = part.meta
        if "line" in meta and "start" in meta:
            length = meta.get("end", 0) - meta["start"]
            return Refusal(reason, meta["line"], max(1, meta["col"] - length))
    return Refusal(reason)
