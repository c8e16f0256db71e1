"""`python -m docs.generate [FOLDER]`: write the reference pages; by default into docs/reference/generated."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from docs.generator.commands_page import commands_page
from docs.generator.errors_page import errors_page
from docs.generator.plugin_pages import plugin_page
from docs.generator.routes_pages import routes_page
from docs.generator.settings_page import settings_page
from docs.generator.types_page import types_page

FOLDER = Path(__file__).parent / "reference" / "generated"


def pages() -> Mapping[str, str]:
    """Markdown by file name."""
    return {
        "settings.md": settings_page(),
        "connectors.md": plugin_page("connector"),
        "formats.md": plugin_page("converter"),
        "deliverers.md": plugin_page("deliverer"),
        "types.md": types_page(),
        "errors.md": errors_page(),
        "commands.md": commands_page(),
        "routes-config-api.md": routes_page("config_api"),
        "routes-execution-engine.md": routes_page("execution_engine"),
        "routes-scheduler.md": routes_page("scheduler"),
    }


def write(folder: Path) -> list[Path]:
    """Write all pages; those that are not made any more go."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in made]


if __name__ == "__main__":
    written = write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    sys.stdout.write(f"{len(written)} reference pages in {written[0].parent}\n")
