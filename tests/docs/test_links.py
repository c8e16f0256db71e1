"""Links lead somewhere: files, headings, and every page is in the navigation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from docs.generate import FOLDER
from docs.generator.markdown import anchor
from tests.docs.pages import ROOT, written_pages

_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+?)(?: \{ #([\w-]+) \})?$", re.M)


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path, generated: Mapping[str, str]) -> None:
    for target, fragment in _links(page.read_text()):
        found = (page.parent / target).resolve() if target else page
        text = generated.get(found.name) if found.parent == FOLDER else None
        assert text is not None or found.exists(), f"{target} does not exist"
        if fragment:
            assert fragment in _anchors(text or found.read_text()), f"{target} has no heading #{fragment}"


def test_links_of_generated_pages_resolve(generated: Mapping[str, str]) -> None:
    for name, text in generated.items():
        for target, fragment in _links(text):
            found = (FOLDER / target).resolve() if target else FOLDER / name
            linked = generated.get(found.name) if found.parent == FOLDER else found.read_text()
            assert linked is not None, (name, target)
            assert not fragment or fragment in _anchors(linked), (name, target, fragment)


def test_the_navigation_has_every_page_once(generated: Mapping[str, str]) -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = sorted(_leaves(navigation))
    written = [str(page.relative_to(ROOT / "docs")) for page in written_pages() if page.is_relative_to(ROOT / "docs")]
    made = [str((FOLDER / name).relative_to(ROOT / "docs")) for name in generated]
    assert listed == sorted(written + made)


def _links(text: str) -> Iterator[tuple[str, str]]:
    for link in _LINK.findall(_CODE.sub("", text)):
        if "://" not in link and not link.startswith("mailto:"):
            target, _, fragment = unquote(link).partition("#")
            yield target, fragment


def _anchors(text: str) -> set[str]:
    return {given or anchor(heading.replace("`", "")) for heading, given in _HEADING.findall(text)}


def _leaves(item: object) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    for part in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        yield from _leaves(part)
