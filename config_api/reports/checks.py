"""What a report must fulfil before it is saved: a query that is safe, parameters, formats and a file name that fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from config_api.plugin_configs import plugin_of
from shared.errors import FieldProblem, InvalidInput, QueryRefused
from shared.parameters import ParameterSpec, check_specs
from shared.plugins import Connector, Converter, load
from shared.query_spec import compile_query_spec
from shared.sql import check_sql, find_parameters, refuse
from shared.templates import check_template

_FILE_NAME_VALUES = ("report", "date", "time", "datetime", "scheduled_for", "execution_id", "rows")


def checked_parameters(given: Sequence[dict[str, Any]]) -> list[ParameterSpec]:
    """Raises InvalidInput naming every parameter that is wrong."""
    specs: list[ParameterSpec] = []
    problems: list[FieldProblem] = []
    for position, item in enumerate(given):
        try:
            specs.append(ParameterSpec.model_validate(item))
        except ValidationError as error:
            problems += [
                FieldProblem(".".join(["parameters", str(position), *map(str, found["loc"])]), found["msg"])
                for found in error.errors(include_input=False, include_url=False)
            ]
    if problems:
        raise InvalidInput(f"{problems[0].field}: {problems[0].message}", details=problems)
    check_specs(specs)
    return specs


def check_query(query: str | None, query_spec: dict[str, Any] | None, kind: str, known: Collection[str]) -> None:
    """Exactly one of the two, read-only, and every `:name` in it declared.

    Raises:
        InvalidInput: with the field.
        QueryRefused: with line and column.
    """
    if (query is None) == (query_spec is None):
        message = "give either query or query_spec"
        raise InvalidInput(f"The report must {message}.", details=[FieldProblem("query", message)])
    connector = load("connector", kind)
    field = "query" if query is not None else "query_spec"
    try:
        used = _parameters_of(connector, query, query_spec)
    except QueryRefused as error:
        error.details = (FieldProblem(field, error.message),)
        raise
    unknown = [name for name in used if name not in known]
    if unknown:
        message = f"uses :{unknown[0]}, which is not among the parameters"
        raise InvalidInput(f"The query {message}.", details=[FieldProblem(field, message)])


def _parameters_of(
    connector: type[Connector[Any]], query: str | None, query_spec: dict[str, Any] | None
) -> Iterable[str]:
    """Names of the parameters of a query that may be sent. Raises QueryRefused."""
    dialect = connector.capabilities.dialect
    text = compile_query_spec(query_spec or {}, dialect) if query is None else query
    if dialect is None:
        return sorted(connector.check_query(text))
    verdict = check_sql(text, dialect)
    if not verdict.allowed:
        raise refuse(verdict)
    return dict.fromkeys(find_parameters(text, dialect))


def checked_formats(names: Sequence[str] | None, field: str = "formats") -> list[str] | None:
    """Formats by their canonical name (`excel` → `xlsx`), each once."""
    if names is None:
        return None
    found: list[str] = []
    for position, name in enumerate(names):
        extension = _extension(name, f"{field}.{position}")
        if extension not in found:
            found.append(extension)
    return found


def checked_options(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Options by canonical format, validated by the converters' own models."""
    checked: dict[str, dict[str, Any]] = {}
    problems: list[FieldProblem] = []
    for name, given in options.items():
        converter = plugin_of("converter", name, f"format_options.{name}")
        try:
            converter.config_model.model_validate(given)
        except ValidationError as error:
            problems += [
                FieldProblem(".".join(["format_options", name, *map(str, item["loc"])]), item["msg"])
                for item in error.errors(include_input=False, include_url=False)
            ]
        checked[_extension(name, f"format_options.{name}")] = given
    if problems:
        raise InvalidInput(f"{problems[0].field}: {problems[0].message}", details=problems)
    return checked


def check_file_name(template: str, parameters: Collection[str]) -> None:
    names = [*_FILE_NAME_VALUES, *(f"param.{name}" for name in parameters)]
    try:
        check_template(template, names)
    except InvalidInput as error:
        problem = FieldProblem("file_name_template", error.message)
        raise InvalidInput(error.message, hint=error.hint, details=[problem]) from None


def _extension(name: str, field: str) -> str:
    converter = plugin_of("converter", name, field)
    assert issubclass(converter, Converter)
    return converter.extension
