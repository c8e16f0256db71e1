"""What a configuration model says about its fields: which are secrets, which are paths on the server."""

from __future__ import annotations

import functools
import typing
from typing import Any

from pydantic import BaseModel, SecretStr

from shared.plugins.base import SERVER_PATH


@functools.cache
def secret_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields whose values are SecretStr, alone or inside a container (`dict[str, SecretStr]`)."""
    return tuple(name for name, field in model.model_fields.items() if _mentions(field.annotation, SecretStr))


@functools.cache
def server_path_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields of type ServerPath."""
    return tuple(name for name, schema in _properties(model).items() if _has_format(schema, SERVER_PATH))


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    properties: dict[str, Any] = model.model_json_schema().get("properties", {})
    return properties


def _has_format(schema: Any, wanted: str) -> bool:
    if not isinstance(schema, dict):
        return False
    return schema.get("format") == wanted or any(_has_format(option, wanted) for option in schema.get("anyOf", ()))


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in typing.get_args(annotation))
