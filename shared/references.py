"""References to secrets that are kept elsewhere.

`env:NAME` (the variable must be called REPORT_HUB_SECRET_…, so that a reference reads nothing but what the operator
meant for it) or `file:PATH` (below the folder that REPORT_HUB_SECRET_FOLDER names). They are stored as they are and
followed when a plug-in is used.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from shared.errors import InvalidInput

_VARIABLE = re.compile(r"env:(REPORT_HUB_SECRET_[A-Z0-9_]{1,100})\Z")
_FOLDER = "REPORT_HUB_SECRET_FOLDER"


def is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def reference_problem(value: Any) -> str | None:
    """What is wrong with the form of a secret that is a reference, or holds some; None when nothing is."""
    if isinstance(value, dict):
        return next(filter(None, map(reference_problem, value.values())), None)
    if isinstance(value, str) and value.startswith("env:") and not _VARIABLE.match(value):
        return "an env: reference must name a variable that starts with REPORT_HUB_SECRET_"
    return None


def follow(value: Any, name: str) -> Any:
    """The secret that a reference stands for; anything else as it is, also inside a dict.

    Raises:
        InvalidInput: it leads nowhere. `name` is the field, for the sentence.
    """
    if isinstance(value, dict):
        return {key: follow(item, f"{name}.{key}") for key, item in value.items()}
    if not is_reference(value):
        return value
    return _from_variable(value, name) if value.startswith("env:") else _from_file(value.removeprefix("file:"), name)


def _from_variable(reference: str, name: str) -> str:
    match = _VARIABLE.match(reference)
    found = os.environ.get(match.group(1)) if match else None
    if found is None:
        raise InvalidInput(f"The secret {name} refers to a variable that is not set on the server.")
    return found


def _from_file(path: str, name: str) -> str:
    folder = os.environ.get(_FOLDER)
    if folder is None:
        raise InvalidInput(f"The secret {name} refers to a file, but the server has no {_FOLDER}.")
    file = (Path(folder) / path).resolve()
    if not file.is_relative_to(Path(folder).resolve()) or not file.is_file():
        raise InvalidInput(f"The secret {name} refers to a file that is not in the server's folder of secrets.")
    return file.read_text(encoding="utf-8").strip()
