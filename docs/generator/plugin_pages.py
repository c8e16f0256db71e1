"""One page for each family of plug-ins, from the plug-ins' own configuration models."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from docs.generator.markdown import code, prose
from docs.generator.schema import fields_table
from shared.plugins import Connector, Converter, Deliverer, Family, Plugin, plugins
from shared.plugins.schema import secret_fields

_HEADS: dict[Family, str] = {
    "connector": "# Connectors\n\nThe `type` of a datasource, and the fields of its `connection_config`.\n",
    "converter": "# Formats\n\nWhat a report's `formats` may name, and the fields of its `format_options`.\n",
    "deliverer": "# Deliverers\n\nThe `method` of a delivery, and the fields of its `delivery_config`.\n",
}
_DEFINITIONS = "$defs"


def plugin_page(family: Family) -> str:
    """Markdown of one family."""
    return "\n".join([_HEADS[family], *(_section(plugin) for plugin in plugins(family).values())])


def _section(plugin: type[Plugin[Any]]) -> str:
    schema = plugin.config_schema()
    options = (
        fields_table(schema, schema.get(_DEFINITIONS, {}), secret_fields(plugin.config_model))
        if schema.get("properties")
        else "Nothing to configure.\n"
    )
    return f"## {plugin.title} {{ #{plugin.kind} }}\n\n{_story(plugin)}\n\n{_facts(plugin)}\n\n{options}"


def _story(plugin: type[Plugin[Any]]) -> str:
    """What the plug-in's module says about itself."""
    return prose(inspect.cleandoc(sys.modules[plugin.__module__].__doc__ or ""))


def _facts(plugin: type[Plugin[Any]]) -> str:
    facts = {"kind": code(plugin.kind)}
    if issubclass(plugin, Connector):
        facts["SQL dialect"] = code(plugin.capabilities.dialect) if plugin.capabilities.dialect else "no SQL"
        facts["cancels on the server"] = "yes" if plugin.capabilities.cancels else "no"
    if issubclass(plugin, Converter):
        facts = {"format": code(plugin.extension), **facts, "media type": code(plugin.media_type)}
    if issubclass(plugin, Deliverer):
        facts["recipients"] = "one message to each" if plugin.is_addressed else "none: the configuration is the place"
    facts["install"] = code(plugin.install_line()) if plugin.drivers else "always there"
    return " · ".join(f"{name}: {value}" for name, value in facts.items())
