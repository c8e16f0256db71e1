"""Small pieces of Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

_SPECIAL = re.compile(r"([\\|<>*_])")
_CODE = re.compile(r"(`[^`]*`)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_one_line(cell) for cell in line) + " |" for line in lines) + "\n"


def prose(text: str) -> str:
    """Plain text as Markdown: code between backticks stays, everything else means itself."""
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") and len(part) > 1 else _SPECIAL.sub(r"\\\1", part) for part in parts)


def code(value: Any) -> str:
    """A value as code, in the form of JSON unless it is a text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}" if text.strip() else f"`{json.dumps(text)}`"


def anchor(text: str) -> str:
    """The anchor of a heading, as MkDocs makes it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())


def _one_line(cell: str) -> str:
    # A bar would end the cell, even inside code.
    return re.sub(r"(?<!\\)\|", r"\\|", cell).replace("\n", " ").strip()
