"""What the tests of the documentation share: its pages, and the code blocks in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?\n(?P<text>.*?)^(?P=indent)```$', re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A code block: its language, its title (POST /api/reports) and where it stands."""

    page: str
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.title or self.language}"


def tracked_files() -> list[Path]:
    """Every file that belongs to the repo, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def written_pages() -> list[Path]:
    """Markdown written by hand."""
    return sorted(path for path in tracked_files() if path.suffix == ".md")


def blocks(page: Path) -> Iterator[Block]:
    name = str(page.relative_to(ROOT))
    for match in _BLOCK.finditer(page.read_text()):
        indent = match["indent"]
        text = "\n".join(line.removeprefix(indent) for line in match["text"].splitlines())
        yield Block(name, match["language"], match["title"] or "", text + "\n")


def all_blocks(language: str) -> list[Block]:
    return [block for page in written_pages() for block in blocks(page) if block.language == language]
