"""The page of error codes, from shared/errors.py and the few codes that only an execution has."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import shared.errors
from docs.generator.markdown import anchor, code, prose, table
from shared.errors import ReportHubError

_TREE_LINE = re.compile(r"^[│├└─\s]+(\w+)(?:\s+\d{3})?(?:\s{2,}(.+))?$")
_HOMES = ("shared", "config_api", "execution_engine", "scheduler", "cli")
"""Packages that have errors; all their modules are looked at."""
ROW_CODES = {
    "MISSED": "A slot passed while no scheduler was running; the execution is SKIPPED.",
    "OVERLAP": "The previous execution of the schedule had not ended; the execution is SKIPPED.",
    "INTERRUPTED": "The engine ended while it was sending; the attempt is UNKNOWN.",
    "METHOD_NOT_ALLOWED": "The path exists, the method does not (405).",
}
"""Codes without a class: notes on executions and attempts, and what the framework answers."""


def errors_page() -> str:
    """Markdown of all codes."""
    classes = {error.code: error for error in _classes()}
    rows = [
        (_linked(name), str(error.status), "yes" if error.retryable else "", prose(_meaning(error)))
        for name, error in sorted(classes.items())
    ]
    notes = [(_linked(name), prose(meaning)) for name, meaning in sorted(ROW_CODES.items())]
    return (
        "# Error codes\n\nThe field `error` of an answer, and `error.code` of an execution. The code says what may be "
        "done about it; the message is for people. Each links to what to do.\n\n"
        + table(("Code", "HTTP status", "May succeed later", "What it means"), rows)
        + "\n## Codes without an answer of their own\n\n"
        + table(("Code", "What it means"), notes)
    )


def error_codes() -> list[str]:
    """Every code that people can meet."""
    return sorted({error.code for error in _classes()} | ROW_CODES.keys())


def _classes() -> Iterator[type[ReportHubError]]:
    for home in _HOMES:
        for module in pkgutil.walk_packages(importlib.import_module(home).__path__, f"{home}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    return (error for error in _walk(ReportHubError) if error.__module__.partition(".")[0] in _HOMES)


def _walk(base: type[ReportHubError]) -> Iterator[type[ReportHubError]]:
    yield base
    for child in base.__subclasses__():
        yield from _walk(child)


def _linked(name: str) -> str:
    return f"[{code(name)}](../../how-to/troubleshooting.md#{anchor(name)})"


def _meaning(error: type[ReportHubError]) -> str:
    """The class's own words, else those of the tree at the top of shared/errors.py."""
    if error is ReportHubError:
        return "A fault of ours; the log has the cause under the request id"
    own = error.__dict__.get("__doc__")
    text = inspect.cleandoc(own).split("\n\n")[0] if own else _tree().get(error.__name__, "")
    return " ".join(text.split()).removesuffix(".")


def _tree() -> dict[str, str]:
    found = (_TREE_LINE.match(line) for line in (shared.errors.__doc__ or "").splitlines())
    return {match[1]: match[2] for match in found if match and match[2]}
