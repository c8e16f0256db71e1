"""Plug-ins as bodies name them, and what their configurations may name on this server."""

from __future__ import annotations

from typing import Any

from shared.errors import FieldProblem, InvalidInput
from shared.plugins import Family, Plugin, load
from shared.plugins.schema import ConfigPolicy
from shared.settings import Settings


def plugin_of(family: Family, kind: str, field: str) -> type[Plugin[Any]]:
    """The plug-in that `field` names. Raises InvalidInput listing the known ones."""
    try:
        return load(family, kind)
    except InvalidInput as error:
        raise InvalidInput(error.message, details=[FieldProblem(field, error.message)]) from None


def config_policy(settings: Settings) -> ConfigPolicy:
    return ConfigPolicy(
        folders=settings.folders,
        network=settings.network_policy,
        own_paths=settings.own_paths,
        requires_references=settings.require_secret_references,
    )
