"""The page of settings, from shared/settings.py."""

from __future__ import annotations

import typing
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.generator.markdown import code, prose, table
from shared.settings import PREFIX, Settings

_INTRODUCTION = f"""# Settings

Every setting is an environment variable; a `.env` file in the working directory works too. Durations are seconds or
ISO 8601 (`PT30S`). All problems are reported at once when a service starts, and it then ends with status 78.

**From a file.** `{PREFIX}<NAME>_FILE` names a file whose content is the value, for example
`{PREFIX}DATABASE_URL_FILE=/run/secrets/database_url`. It works for every setting below.

"""
_OTHERS = f"""
## Variables that are not settings of a service

| Variable | Read by | What it is |
| --- | --- | --- |
| `{PREFIX}SECRET_<NAME>` | execution engine | A secret that a configuration refers to as `env:{PREFIX}SECRET_<NAME>`. |
| `{PREFIX}SECRET_FOLDER` | execution engine | The folder below which `file:PATH` references are looked up. |
| `{PREFIX}API_KEY` | command line | The API key that `report-hub` sends. |
"""


def settings_page() -> str:
    """Markdown of all settings."""
    rows = [
        (code(f"{PREFIX}{name.upper()}"), _type(field), _default(field), prose(field.description or ""))
        for name, field in Settings.model_fields.items()
    ]
    return _INTRODUCTION + table(("Variable", "Type", "Default", "What it is"), rows) + _OTHERS


def _type(field: FieldInfo) -> str:
    annotation = field.annotation
    if typing.get_origin(annotation) is typing.Literal:
        return " · ".join(code(value) for value in typing.get_args(annotation))
    options = [annotation, *typing.get_args(annotation)]
    if SecretStr in options:
        return "secret text"
    if timedelta in options:
        return "duration"
    if typing.get_origin(annotation) is tuple:
        return "list of paths" if Path in options else "list"
    words = {bool: "`1` or `0`", int: "integer", Path: "path"}
    return next((text for kind, text in words.items() if kind in options), "text")


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is None or value is PydanticUndefined or value == ():
        return ""
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, bool):
        return code("1" if value else "0")
    return code(str(value))


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {word}{'s' if count > 1 else ''}"
    return f"{seconds} s"
