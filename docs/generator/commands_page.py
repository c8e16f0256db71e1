"""The page of the command line, from the commands themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cli.main import app
from docs.generator.markdown import code, prose, table

_ROOT = Path(__file__).resolve().parents[2]


def commands_page() -> str:
    """Markdown of `report-hub` and of `run_all.py`."""
    group: Any = typer.main.get_command(app)
    sections = [_section(name, command) for name, command in group.commands.items()]
    head = "# Command line\n\n`report-hub COMMAND`. Status 0 is good, 1 failed, 2 wrong usage.\n"
    return "\n".join([head, *sections, _run_all()])


def _section(name: str, command: Any) -> str:
    usage = " ".join(["report-hub", name, *_required(command), "[OPTIONS]"])
    parameters = table(("Argument or option", "Default", "What it is"), _rows(command))
    return f"## {name}\n\n{prose(command.help or '')}\n\n```text\n{usage}\n```\n\n{parameters}"


def _required(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield _shown(parameter) if parameter.required else f"[{_shown(parameter)}]"
        elif parameter.required:
            yield f"{parameter.opts[0]} {parameter.name.upper()}"


def _shown(argument: Any) -> str:
    return str(argument.metavar or argument.name).upper().strip("[]")


def _rows(command: Any) -> Iterator[tuple[str, str, str]]:
    for parameter in command.params:
        is_option = parameter.param_type_name == "option"
        names = [*parameter.opts, *parameter.secondary_opts] if is_option else [_shown(parameter)]
        default = "" if parameter.default is None or callable(parameter.default) else code(parameter.default)
        if parameter.required:
            default = "**required**"
        yield ", ".join(code(name) for name in names), default, prose(parameter.help or "")


def _run_all() -> str:
    """The script's own help text."""
    command = [sys.executable, "run_all.py", "--help"]
    done = subprocess.run(
        command, cwd=_ROOT, check=True, capture_output=True, text=True, timeout=60, env=_environment()
    )
    return f"## run_all.py\n\n```text\n{done.stdout.strip()}\n```\n"


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "COLUMNS": "100"}
