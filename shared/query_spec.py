"""Compiles what the visual builder makes into SQL of the datasource's dialect.

Names are always quoted, literals are written by the SQL library, parameters stay `:name` and are bound by the driver.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from sqlglot import exp

from shared.errors import FieldProblem, InvalidInput

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\"`\[\]]+$")]
Aggregate = Literal["sum", "avg", "min", "max", "count", "count_distinct"]
Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "like", "in", "not_in", "is_null", "is_not_null", "between", "contains",
    "starts_with",
]  # fmt: skip
Scalar = str | int | float | bool

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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class FieldSpec(_Part):
    column: Identifier
    aggregate: Aggregate | None = None
    alias: Identifier | None = None


class FilterSpec(_Part):
    column: Identifier
    op: Operator
    value: Scalar | list[Scalar] | None = None
    parameter: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] | None = None

    @model_validator(mode="after")
    def _one_operand(self) -> FilterSpec:
        needs_none = self.op in ("is_null", "is_not_null")
        has_value, has_parameter = self.value is not None, self.parameter is not None
        if needs_none and (has_value or has_parameter):
            raise ValueError(f"{self.op} takes neither value nor parameter")
        if not needs_none and has_value == has_parameter:
            raise ValueError("give either value or parameter")
        needs_list = self.op in ("in", "not_in", "between")
        if has_value and needs_list != isinstance(self.value, list):
            raise ValueError(f"the value of {self.op} must {'' if needs_list else 'not '}be a list")
        if self.op == "between" and (has_parameter or len(self.value) != 2):  # type: ignore[arg-type]
            raise ValueError("between takes a list of two values")
        if self.op in ("in", "not_in") and has_value and not self.value:
            raise ValueError("the list must not be empty")
        if self.op in ("contains", "starts_with") and has_value and not isinstance(self.value, str):
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
    spec: Mapping[str, Any], dialect: str, allowed: Mapping[str, Collection[str]] | None = None
) -> str:
    """SQL for a query_spec.

    Args:
        dialect: sqlglot's name.
        allowed: if given, the only tables, each with its only columns.

    Raises:
        InvalidInput: with the path of every field that is wrong, from `query_spec`.
    """
    checked = _checked(spec)
    if allowed is not None:
        _check_allowed(checked, allowed)
    query = exp.select(*(_field(field) for field in checked.fields)).from_(_table(checked.table))
    for condition in checked.filters:
        query = query.where(_condition(condition))
    if any(field.aggregate for field in checked.fields):
        groups = checked.group_by or [field.column for field in checked.fields if field.aggregate is None]
        query = query.group_by(*(_column(name) for name in groups))
    elif checked.group_by:
        query = query.group_by(*(_column(name) for name in checked.group_by))
    for order in checked.order_by:
        query = query.order_by(exp.Ordered(this=_column(order.column), desc=order.direction == "desc"))
    if checked.limit is not None:
        query = query.limit(checked.limit)
    return query.sql(dialect=dialect, identify=True)


def _checked(spec: Mapping[str, Any]) -> QuerySpec:
    try:
        return QuerySpec.model_validate(dict(spec))
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(["query_spec", *map(str, item["loc"])]), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidInput(f"{problems[0].field}: {problems[0].message}", details=problems) from None


def _check_allowed(spec: QuerySpec, allowed: Mapping[str, Collection[str]]) -> None:
    if spec.table not in allowed:
        message = "is not a table that may be used"
        raise InvalidInput(f"query_spec.table {message}.", details=[FieldProblem("query_spec.table", message)])
    aliases = {field.alias for field in spec.fields}
    named = {
        **{f"fields.{n}.column": field.column for n, field in enumerate(spec.fields)},
        **{f"filters.{n}.column": item.column for n, item in enumerate(spec.filters)},
        **{f"group_by.{n}": name for n, name in enumerate(spec.group_by)},
        **{f"order_by.{n}.column": item.column for n, item in enumerate(spec.order_by) if item.column not in aliases},
    }
    columns = allowed[spec.table]
    problems = [
        FieldProblem(f"query_spec.{path}", "is not a column of the table")
        for path, name in named.items()
        if name not in columns and name != "*"
    ]
    if problems:
        raise InvalidInput(f"{problems[0].field} {problems[0].message}.", details=problems)


def _table(name: str) -> exp.Table:
    parts = [exp.to_identifier(part, quoted=True) for part in name.split(".")]
    if len(parts) > 3 or any(not part.name for part in parts):
        message = "must be table, schema.table or catalog.schema.table"
        raise InvalidInput(f"query_spec.table {message}.", details=[FieldProblem("query_spec.table", message)])
    owners = dict(zip(("db", "catalog"), reversed(parts[:-1]), strict=False))
    return exp.Table(this=parts[-1], **owners)


def _column(name: str) -> exp.Expression:
    return exp.column(exp.to_identifier(name, quoted=True))


def _field(field: FieldSpec) -> exp.Expression:
    if field.aggregate is None:
        value = _column(field.column)
    elif field.aggregate == "count_distinct":
        value = exp.Count(this=exp.Distinct(expressions=[_column(field.column)]))
    else:
        inner = exp.Star() if field.aggregate == "count" and field.column == "*" else _column(field.column)
        value = _AGGREGATES[field.aggregate](this=inner)
    alias = field.alias or (f"{field.aggregate}_{field.column}" if field.aggregate else None)
    return exp.alias_(value, exp.to_identifier(alias, quoted=True)) if alias else value


def _condition(item: FilterSpec) -> exp.Expression:
    column = _column(item.column)
    if item.op in ("is_null", "is_not_null"):
        is_null = exp.Is(this=column, expression=exp.null())
        return is_null if item.op == "is_null" else exp.not_(is_null)
    if item.op in ("in", "not_in"):
        values = [exp.convert(value) for value in item.value] if isinstance(item.value, list) else [_operand(item)]
        found = exp.In(this=column, expressions=values)
        return found if item.op == "in" else exp.not_(found)
    if item.op == "between":
        assert isinstance(item.value, list)
        return exp.Between(this=column, low=exp.convert(item.value[0]), high=exp.convert(item.value[1]))
    if item.op in ("contains", "starts_with") and isinstance(item.value, str):
        return _pattern(column, item.op, item.value)
    if item.op in ("contains", "starts_with"):
        ends = [exp.Literal.string("%"), _operand(item), exp.Literal.string("%")]
        parts = ends if item.op == "contains" else ends[1:]
        return exp.Like(this=column, expression=exp.Concat(expressions=parts, safe=False, coalesce=False))
    return _COMPARISONS[item.op](this=column, expression=_operand(item))


def _pattern(column: exp.Expression, op: str, text: str) -> exp.Expression:
    """`%` and `_` in the text are ordinary characters."""
    escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    pattern = exp.Literal.string(f"%{escaped}%" if op == "contains" else f"{escaped}%")
    like = exp.Like(this=column, expression=pattern)
    return exp.Escape(this=like, expression=exp.Literal.string("!")) if escaped != text else like


def _operand(item: FilterSpec) -> exp.Expression:
    if item.parameter is not None:
        return exp.var(f":{item.parameter}")  # a Placeholder would be written in the driver's own style
    return exp.convert(item.value)
