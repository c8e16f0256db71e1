"""The table type × format, from what the converters say about themselves."""

from __future__ import annotations

from docs.generator.markdown import code, table
from shared.plugins import Converter, plugins
from shared.plugins.converter import TYPE_FAMILIES

_HEAD = """# Types in files

How a value of each type stands in each format. Formats that write it in the same way share a line. Where the types
come from is in [types of datasources](../types.md).

"""


def types_page() -> str:
    """Markdown of the whole table."""
    rows = [(family, "<br>".join(_lines(family))) for family in TYPE_FAMILIES]
    return _HEAD + table(("Type", "In the file"), rows)


def _lines(family: str) -> list[str]:
    by_words: dict[str, list[str]] = {}
    for converter in plugins("converter").values():
        assert issubclass(converter, Converter)
        words = converter.representations.get(family)
        if words:
            by_words.setdefault(words, []).append(converter.extension)
    return [f"{', '.join(code(name) for name in formats)}: {words}" for words, formats in by_words.items()]
