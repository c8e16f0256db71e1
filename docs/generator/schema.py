"""Fields of a JSON Schema as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from docs.generator.markdown import code, prose, table

_HEAD = ("Field", "Type", "Default", "What it is")
_SPANS = (("minimum", "≥ {}"), ("exclusiveMinimum", "> {}"), ("maximum", "≤ {}"), ("exclusiveMaximum", "< {}"))


def fields_table(schema: Mapping[str, Any], definitions: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> str:
    """All fields of an object; `secrets` are marked."""
    return table(_HEAD, _rows(schema, definitions, secrets))


def type_words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The type in words: `integer`, one of a few values, a list of something."""
    if "$ref" in schema:
        return type_words(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " · ".join(code(value) for value in schema["enum"])
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return _any_of(schema[union], definitions)
    if schema.get("type") == "array":
        return f"list of {type_words(schema.get('items', {}), definitions)}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {type_words(values, definitions)}" if isinstance(values, dict) and values else "object"
    if schema.get("format") == "server-path":
        return "path on the server"
    if schema.get("format") == "date-time":
        return "time (ISO 8601 with offset)"
    return str(schema.get("type", "any"))


def _any_of(options: list[Mapping[str, Any]], definitions: Mapping[str, Any]) -> str:
    words = dict.fromkeys(type_words(option, definitions) for option in options if option.get("type") != "null")
    is_optional = any(option.get("type") == "null" for option in options)
    return " or ".join([*words, *(["null"] if is_optional else [])])


def _rows(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], secrets: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        kind = type_words(field, definitions)
        bounds = ", ".join(text.format(value) for key, text in _SPANS if (value := _bound(field, key)) is not None)
        yield (
            code(name),
            f"{kind} ({bounds})" if bounds else kind,
            "**required**" if name in required else _default(field),
            " ".join(_explained(field, is_secret=name in secrets)),
        )


def _default(field: Mapping[str, Any]) -> str:
    return "" if field.get("default") is None else code(field["default"])


def _explained(field: Mapping[str, Any], *, is_secret: bool) -> Iterator[str]:
    if field.get("description"):
        yield prose(field["description"])
    if is_secret:
        yield "**Secret**: encrypted at rest, shown as `********`."
    examples = field.get("examples") or []
    if examples:
        yield "Example: " + ", ".join(code(example) for example in examples) + "."


def _bound(field: Mapping[str, Any], key: str) -> Any:
    for option in (field, *field.get("anyOf", ())):
        if key in option:
            value = option[key]
            return int(value) if isinstance(value, float) and value.is_integer() else value
    return None
