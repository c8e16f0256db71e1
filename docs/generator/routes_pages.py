"""One page for each service, from its OpenAPI description. No server is started."""

from __future__ import annotations

import functools
import importlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.generator.markdown import code, prose, table
from docs.generator.schema import fields_table, type_words
from shared.settings import load_settings
from shared.web import ServiceContext

SERVICES = {"config_api": "Configuration API", "execution_engine": "Execution engine", "scheduler": "Scheduler"}
_METHODS = ("get", "post", "put", "patch", "delete")
_PORTS = {"config_api": 8080, "execution_engine": 8000, "scheduler": 8001}


@functools.cache
def openapi_of(service: str) -> dict[str, Any]:
    """The OpenAPI description of one service, made on an empty data folder."""
    with tempfile.TemporaryDirectory(prefix="report-hub-docs-") as folder:
        overrides = {
            "data_dir": folder,
            "database_url": f"sqlite:///{Path(folder) / 'empty.sqlite'}",
            "host": "127.0.0.1",
        }
        context = ServiceContext.open(service, load_settings(overrides))
        description: dict[str, Any] = importlib.import_module(f"{service}.app").build_app(context).openapi()
        context.database.close()
    return description


def routes_page(service: str) -> str:
    """Markdown of one service's routes: an overview, then each with its parameters and its body."""
    description = openapi_of(service)
    schemas = description["components"]["schemas"]
    operations = list(_operations(description))
    overview = table(
        ("Method", "Path", "What it does"),
        [
            (method.upper(), f"[{code(path)}](#{_id(op)})", prose(op.get("summary", "")))
            for method, path, op in operations
        ],
    )
    head = (
        f"# {SERVICES[service]}: routes\n\nPort {_PORTS[service]} by default. Each service describes itself at `/docs` "
        "(interactive) and `/openapi.json`. The form of every answer is in [HTTP conventions](../http.md).\n"
    )
    sections = [_section(method, path, op, schemas) for method, path, op in operations]
    return "\n".join([head, overview, *sections])


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in description["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _section(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [f"## {method.upper()} {path} {{ #{_id(operation)} }}\n\n{prose(operation.get('summary', ''))}."]
    if operation.get("parameters"):
        rows = [_parameter(parameter, schemas) for parameter in operation["parameters"]]
        parts.append(table(("Parameter", "Where", "Type", "What it is"), rows))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        parts.append("Body:\n\n" + _fields(body, schemas))
    parts.append(_answer(operation))
    return "\n\n".join(parts) + "\n"


def _parameter(parameter: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, ...]:
    schema = parameter.get("schema", {})
    words = [prose(parameter.get("description") or schema.get("description") or "")]
    if schema.get("default") is not None:
        words.append(f"Default: {code(schema['default'])}.")
    return code(parameter["name"]), parameter["in"], type_words(schema, schemas), " ".join(filter(None, words))


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    for option in [schema, *schema.get("anyOf", ())]:
        if "$ref" in option:
            found = schemas[option["$ref"].rsplit("/", 1)[-1]]
            return fields_table(found, schemas) if found.get("properties") else "An object.\n"
    return "An object.\n"


def _answer(operation: Mapping[str, Any]) -> str:
    good = next(status for status in operation["responses"] if status.startswith("2"))
    content = operation["responses"][good].get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    data = re.sub(r"^Envelope_|(Out)?_?$|Envelope$", "", name)
    return f"Answer: {good}" + (f" with {code(data)} in `data`." if data else ".")


def _id(operation: Mapping[str, Any]) -> str:
    return str(operation["operationId"]).replace("_", "-")
