"""Compiles what the visual builder makes into SQL of the datasource's dialect.

Names are always quoted, literals are written by the SQL library, parameters stay `:name` and are bound by the driver.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from shared.errors import FieldProblem, InvalidInput
from shared.sql.dialects import canonical
from shared.sql.scanning import INVISIBLE


def _visible(text: str) -> str:
    if INVISIBLE.search(text) or "\r" in text:
        raise ValueError("it has a control or invisible character")
    return text


# Quotes are refused, not doubled; a backslash would escape the closing quote in BigQuery and ClickHouse.
Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\\\"`\[\]]+$"),
    AfterValidator(_visible),
]
Aggregate = Literal["sum", "avg", "min", "max", "count", "count_distinct"]
Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "like", "in", "not_in", "is_null", "is_not_null", "between", "contains",
    "starts_with",
]  # fmt: skip
Scalar = Annotated[str, AfterValidator(_visible)] | int | float | bool

_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
    "like": exp.Like,
}
_AGGREGATES: dict[str, type[exp.AggFunc]] = {
    "sum": exp.Sum,
    "avg": exp.Avg,
    "min": exp.Min,
    "max": exp.Max,
    "count": exp.Count,
}
_NO_ESCAPE_CLAUSE = ("bigquery", "clickhouse")
"""In their LIKE the backslash escapes, always."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class FieldSpec(_Part):
    column: Identifier
    aggregate: Aggregate | None = None
    alias: Identifier | None = None

    @model_validator(mode="after")
    def _star_is_counted(self) -> FieldSpec:
        if self.column == "*" and self.aggregate != "count":
            raise ValueError("the column * can only be counted")
        return self

    @property
    def name(self) -> str:
        """The column's name in the result."""
        if self.alias is not None or self.aggregate is None:
            return self.alias or self.column
        return self.aggregate if self.column == "*" else f"{self.aggregate}_{self.column}"


class FilterSpec(_Part):
    column: Identifier
    op: Operator
    value: Scalar | Annotated[list[Scalar], Field(max_length=1000)] | None = None
    parameter: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] | None = None

    @model_validator(mode="after")
    def _one_operand(self) -> FilterSpec:
        needs_none = self.op in ("is_null", "is_not_null")
        has_value, has_parameter = self.value is not None, self.parameter is not None
        if needs_none and (has_value or has_parameter):
            raise ValueError(f"{self.op} takes neither value nor parameter")
        if not needs_none and has_value == has_parameter:
            raise ValueError("give either value or parameter")
        if self.op == "between" and not (isinstance(self.value, list) and len(self.value) == 2):
            raise ValueError("between takes a list of two values")
        needs_list = self.op in ("in", "not_in", "between")
        if has_value and needs_list != isinstance(self.value, list):
            raise ValueError(f"the value of {self.op} must {'' if needs_list else 'not '}be a list")
        if self.op in ("in", "not_in") and has_value and not self.value:
            raise ValueError("the list must not be empty")
        if self.op in ("like", "contains", "starts_with") and has_value and not isinstance(self.value, str):
            raise ValueError(f"the value of {self.op} must be a text")
        return self


class OrderSpec(_Part):
    column: Identifier
    direction: Literal["asc", "desc"] = "asc"


class QuerySpec(_Part):
    """One table, its columns, filters, groups and order."""

    table: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    fields: list[FieldSpec] = Field(min_length=1, max_length=500)
    filters: list[FilterSpec] = Field([], max_length=100)
    group_by: list[Identifier] = Field([], max_length=100)
    order_by: list[OrderSpec] = Field([], max_length=100)
    limit: int | None = Field(None, ge=1, le=2**31 - 1)


def compile_query_spec(
    spec: Mapping[str, Any], dialect: str | None, allowed: Mapping[str, Collection[str]] | None = None
) -> str:
    """SQL for a query_spec; it passes `check_sql`, unless the table belongs to the system.

    Args:
        dialect: sqlglot's name or a common alias, as for `check_sql`; None where the datasource takes no SQL.
        allowed: if given, the only tables, each with its only columns.

    Raises:
        InvalidInput: with the path of every field that is wrong, from `query_spec`.
        ValueError: unknown dialect.
    """
    if dialect is None:
        raise _invalid({"query_spec": "cannot be used with this datasource, which takes no SQL; write a query"})
    checked = _checked(spec)
    if allowed is not None:
        _check_allowed(checked, allowed)
    return _Compiler(checked, canonical(dialect)).sql()


def _checked(spec: Mapping[str, Any]) -> QuerySpec:
    if not isinstance(spec, Mapping):
        raise _invalid({"query_spec": "must be an object"})
    try:
        return QuerySpec.model_validate(dict(spec))
    except ValidationError as error:
        problems: dict[str, str] = {}
        for item in error.errors(include_input=False, include_url=False):
            # What follows `value` names the types that were tried.
            steps = item["loc"][: item["loc"].index("value") + 1] if "value" in item["loc"] else item["loc"]
            problems.setdefault(".".join(["query_spec", *map(str, steps)]), item["msg"].removeprefix("Value error, "))
        raise _invalid(problems) from None


def _check_allowed(spec: QuerySpec, allowed: Mapping[str, Collection[str]]) -> None:
    if spec.table not in allowed:
        raise _invalid({"query_spec.table": "is not a table that may be used"})
    results = {field.name for field in spec.fields}
    named = {
        **{f"fields.{n}.column": field.column for n, field in enumerate(spec.fields) if field.column != "*"},
        **{f"filters.{n}.column": item.column for n, item in enumerate(spec.filters)},
        **{f"group_by.{n}": name for n, name in enumerate(spec.group_by)},
        **{f"order_by.{n}.column": item.column for n, item in enumerate(spec.order_by) if item.column not in results},
    }
    columns = allowed[spec.table]
    problems = {f"query_spec.{at}": "is not a column of the table" for at, name in named.items() if name not in columns}
    if problems:
        raise _invalid(problems)


def _invalid(problems: Mapping[str, str]) -> InvalidInput:
    field, message = next(iter(problems.items()))
    details = [FieldProblem(where, what) for where, what in problems.items()]
    return InvalidInput(f"{field}: {message}.", details=details)


class _Compiler:
    def __init__(self, spec: QuerySpec, dialect: str) -> None:
        self._spec = spec
        self._dialect = dialect
        self._table = _table(spec.table)
        self._results = {field.name for field in spec.fields}

    def sql(self) -> str:
        spec = self._spec
        query = exp.select(*(self._field(field) for field in spec.fields)).from_(self._table)
        if spec.filters:
            # One level for all: `.where()` again and again would nest brackets.
            query = query.where(functools.reduce(_and, (self._condition(item) for item in spec.filters)))
        groups = spec.group_by
        if not groups and any(field.aggregate for field in spec.fields):
            groups = [field.column for field in spec.fields if field.aggregate is None]
        if groups:
            query = query.group_by(*(self._column(name) for name in dict.fromkeys(groups)))
        for order in spec.order_by:
            query = query.order_by(self._ordered(order))
        if spec.limit is not None:
            query = query.limit(spec.limit)
        text: str = query.sql(dialect=self._dialect, identify=True)
        return text

    def _column(self, name: str) -> exp.Expression:
        # SQLite takes an unknown "name" for a text; with its table it is an error.
        owner = self._table.this.copy() if self._dialect == "sqlite" else None
        return exp.column(exp.to_identifier(name, quoted=True), table=owner)

    def _field(self, field: FieldSpec) -> exp.Expression:
        if field.column == "*":
            value: exp.Expression = exp.Count(this=exp.Star())
        elif field.aggregate == "count_distinct":
            value = exp.Count(this=exp.Distinct(expressions=[self._column(field.column)]))
        elif field.aggregate is not None:
            value = _AGGREGATES[field.aggregate](this=self._column(field.column))
        elif field.alias is None:
            return self._column(field.column)
        else:
            value = self._column(field.column)
        return exp.alias_(value, exp.to_identifier(field.name, quoted=True))

    def _ordered(self, order: OrderSpec) -> exp.Expression:
        is_result = order.column in self._results
        name = exp.column(exp.to_identifier(order.column, quoted=True)) if is_result else self._column(order.column)
        is_descending = order.direction == "desc"
        # NULLs where the database puts them: to move them SQL Server would need an expression over an alias.
        kind = Dialect.get_or_raise(self._dialect).NULL_ORDERING
        nulls_first = {"nulls_are_small": not is_descending, "nulls_are_large": is_descending}.get(kind, False)
        return exp.Ordered(this=name, desc=is_descending, nulls_first=nulls_first)

    def _condition(self, item: FilterSpec) -> exp.Expression:
        column = self._column(item.column)
        if item.op in ("is_null", "is_not_null"):
            is_null = exp.Is(this=column, expression=exp.null())
            return is_null if item.op == "is_null" else exp.Not(this=is_null)
        if item.op in ("in", "not_in"):
            values = [self._literal(value) for value in item.value] if isinstance(item.value, list) else []
            found = exp.In(this=column, expressions=values or [self._operand(item)])
            return found if item.op == "in" else exp.Not(this=found)
        if item.op == "between":
            low, high = (self._literal(value) for value in item.value)  # type: ignore[union-attr]
            return exp.Between(this=column, low=low, high=high)
        if item.op in ("contains", "starts_with"):
            return self._pattern(column, item)
        return _COMPARISONS[item.op](this=column, expression=self._operand(item))

    def _pattern(self, column: exp.Expression, item: FilterSpec) -> exp.Expression:
        """`%` and `_` in what is looked for are ordinary characters, whether it is a value or a parameter."""
        mark = "\\" if self._dialect in _NO_ESCAPE_CLAUSE else "!"
        special = [mark, "%", "_", *(["["] if self._dialect == "tsql" else [])]
        if isinstance(item.value, str):
            text = functools.reduce(lambda done, sign: done.replace(sign, mark + sign), special, item.value)
            needs_escape = text != item.value
            pattern: exp.Expression = exp.Literal.string(f"%{text}%" if item.op == "contains" else f"{text}%")
        else:
            needs_escape = True
            found = functools.reduce(lambda done, sign: _replaced(done, sign, mark), special, self._operand(item))
            around = [found, exp.Literal.string("%")]
            pattern = self._joined([exp.Literal.string("%"), *around] if item.op == "contains" else around)
        like = exp.Like(this=column, expression=pattern)
        if not needs_escape or self._dialect in _NO_ESCAPE_CLAUSE:
            return like
        return exp.Escape(this=like, expression=exp.Literal.string(mark))

    def _joined(self, parts: list[exp.Expression]) -> exp.Expression:
        if self._dialect == "oracle":  # its CONCAT takes two
            return functools.reduce(lambda left, right: exp.DPipe(this=left, expression=right), parts)
        return exp.Concat(expressions=parts, safe=False, coalesce=False)

    def _operand(self, item: FilterSpec) -> exp.Expression:
        if item.parameter is not None:
            return exp.var(f":{item.parameter}")  # a Placeholder would be written in the driver's own style
        return self._literal(item.value)

    def _literal(self, value: Any) -> exp.Expression:
        if isinstance(value, bool) and self._dialect in ("oracle", "tsql"):  # no TRUE before Oracle 23
            return exp.Literal.number(int(value))
        literal: exp.Expression = exp.convert(value)
        return literal


def _and(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    return exp.And(this=left, expression=right)


def _replaced(text: exp.Expression, sign: str, mark: str) -> exp.Expression:
    literals = [exp.Literal.string(sign), exp.Literal.string(mark + sign)]
    return exp.Anonymous(this="REPLACE", expressions=[text, *literals])


def _table(name: str) -> exp.Table:
    parts = name.split(".")
    forbidden = set('\\"`[]/:*?@\r')  # quotes, and what makes a name a file, a stage or a link
    is_odd = any(not part or forbidden & set(part) or INVISIBLE.search(part) for part in parts)
    if len(parts) > 3 or is_odd or any(len(part) > 128 for part in parts):
        raise _invalid({"query_spec.table": "must be table, schema.table or catalog.schema.table"})
    identifiers = [exp.to_identifier(part, quoted=True) for part in parts]
    owners = dict(zip(("db", "catalog"), reversed(identifiers[:-1]), strict=False))
    return exp.Table(this=identifiers[-1], **owners)
