"""`GET /api/plugins`: families, configuration schemas, and which drivers are installed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from shared.plugins import Connector, Converter, Deliverer, Family, Plugin, plugins
from shared.plugins.schema import secret_fields
from shared.web import Envelope, success


class PluginOut(BaseModel):
    """`config_schema` is JSON Schema 2020-12; forms and docs are made from it."""

    kind: str
    title: str
    is_installed: bool
    missing_drivers: list[str]
    install: str | None
    secret_fields: list[str]
    config_schema: dict[str, Any]
    format: str | None = None
    media_type: str | None = None
    dialect: str | None = None
    is_addressed: bool | None = None


class PluginsOut(BaseModel):
    connectors: list[PluginOut]
    converters: list[PluginOut]
    deliverers: list[PluginOut]


def plugin_routes() -> APIRouter:
    router = APIRouter(prefix="/api/plugins", tags=["plugins"])

    @router.get("", response_model=Envelope[PluginsOut], summary="All plug-ins by family")
    def list_plugins() -> dict[str, Any]:
        found = PluginsOut(
            connectors=_described("connector"),
            converters=_described("converter"),
            deliverers=_described("deliverer"),
        )
        return success(found)

    return router


def _described(family: Family) -> list[PluginOut]:
    return [_describe(plugin) for plugin in plugins(family).values()]


def _describe(plugin: type[Plugin[Any]]) -> PluginOut:
    missing = plugin.missing_drivers()
    shown = PluginOut(
        kind=plugin.kind,
        title=plugin.title,
        is_installed=not missing,
        missing_drivers=missing,
        install=plugin.install_line() if missing else None,
        secret_fields=list(secret_fields(plugin.config_model)),
        config_schema=plugin.config_schema(),
    )
    if issubclass(plugin, Converter):
        return shown.model_copy(update={"format": plugin.extension, "media_type": plugin.media_type})
    if issubclass(plugin, Connector):
        return shown.model_copy(update={"dialect": plugin.capabilities.dialect})
    assert issubclass(plugin, Deliverer)
    return shown.model_copy(update={"is_addressed": plugin.is_addressed})
