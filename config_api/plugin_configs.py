"""Plug-ins as bodies name them: unknown kinds and paths outside the allowed folders are errors of a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import FieldProblem, InvalidInput
from shared.plugins import Family, Plugin, load
from shared.plugins.files import resolve_server_path
from shared.plugins.schema import server_path_fields
from shared.settings import Settings


def plugin_of(family: Family, kind: str, field: str) -> type[Plugin[Any]]:
    """The plug-in that `field` names. Raises InvalidInput listing the known ones."""
    try:
        return load(family, kind)
    except InvalidInput as error:
        raise InvalidInput(error.message, details=[FieldProblem(field, error.message)]) from None


def checked_paths(plugin: type[Plugin[Any]], config: Mapping[str, Any], settings: Settings, prefix: str) -> None:
    """Raise InvalidInput for a path that lies outside the allowed folders."""
    for name in server_path_fields(plugin.config_model):
        if config.get(name) is None:
            continue
        try:
            resolve_server_path(config[name], settings.folders)
        except InvalidInput as error:
            field = f"{prefix}.{name}"
            raise InvalidInput(error.message, hint=error.hint, details=[FieldProblem(field, error.message)]) from None
