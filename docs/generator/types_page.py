"""How values travel: the types of each datasource, from what the connectors say about themselves, and the table
type × format, from what the converters say."""

from __future__ import annotations

from typing import Any

from docs.generator.markdown import code, table
from shared.plugins import Connector, Converter, SourceType, plugins
from shared.plugins.connector import EVERYTHING_ELSE
from shared.plugins.converter import TYPE_FAMILIES

_HEAD = """# Types in files

Two steps tell how a value stands in a file. The tables of the datasources say what a type is on the way (in Arrow's
words) and *in files*; the last table says how each type *in files* stands in each format. What is behind it is in
[types of datasources](../types.md).

"""
_FILES = """
## In files

Formats that write a type in the same way share a line.

"""


def types_page() -> str:
    """Markdown of all tables."""
    connectors = [plugin for plugin in plugins("connector").values() if issubclass(plugin, Connector)]
    rows = [(family, "<br>".join(_lines(family))) for family in TYPE_FAMILIES]
    return _HEAD + "\n".join(map(_section, connectors)) + _FILES + table(("Type", "In the file"), rows)


def _section(connector: type[Connector[Any]]) -> str:
    head = ("In the datasource", "On the way", "In files", "To know")
    rows = [(_names(kind), _either(kind), kind.family, kind.note) for kind in connector.source_types]
    return f"## {connector.title} {{ #{connector.kind} }}\n\n" + table(head, rows)


def _names(kind: SourceType) -> str:
    return ", ".join(name if name == EVERYTHING_ELSE else code(name) for name in kind.names)


def _either(kind: SourceType) -> str:
    return " or ".join(map(code, kind.arrow.split(" or ")))


def _lines(family: str) -> list[str]:
    by_words: dict[str, list[str]] = {}
    for converter in plugins("converter").values():
        assert issubclass(converter, Converter)
        words = converter.representations.get(family)
        if words:
            by_words.setdefault(words, []).append(converter.extension)
    return [f"{', '.join(code(name) for name in formats)}: {words}" for words, formats in by_words.items()]
