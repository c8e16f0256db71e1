"""File names are safe everywhere, and paths stay inside their root."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.plugins.files import clean_file_name, clean_folder, confine, resolve_server_path, unique_names
from shared.templates import check_template

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "file_names.json").read_text())["cases"]


def of_kind(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CORPUS if case["kind"] == kind]


@pytest.mark.parametrize("case", of_kind("file_name"))
def test_names_of_the_corpus_are_kept_or_cleaned(case: dict[str, Any]) -> None:
    extension = PurePosixPath(case["input"]).suffix.removeprefix(".") if case["verdict"] == "keep" else "csv"
    cleaned = clean_file_name(case["input"], extension)
    if case["verdict"] == "keep":
        assert cleaned == case["input"]
    elif case["verdict"] == "change":
        assert cleaned != case["input"]
    _hold_invariants(cleaned, extension)


@given(st.text(max_size=300))
def test_whatever_the_name_the_invariants_hold(name: str) -> None:
    cleaned = clean_file_name(name, "csv")
    _hold_invariants(cleaned, "csv")
    assert clean_file_name(cleaned, "csv") == cleaned


@pytest.mark.parametrize("name", ["\u1fefid\u1fef", "e\u200d\u0301", "<\u200d\u0338", "x\u0301" * 150])
def test_names_that_change_when_normalised_are_clean_the_first_time(name: str) -> None:
    cleaned = clean_file_name(name, "csv")
    _hold_invariants(cleaned, "csv")
    assert "`" not in cleaned
    assert clean_file_name(cleaned, "csv") == cleaned


def _hold_invariants(name: str, extension: str) -> None:
    assert name.endswith(f".{extension}")
    assert len(name.encode()) <= 200
    assert not set(name) & set('/\\:*?"<>|\x00')
    assert name == unicodedata.normalize("NFC", name)
    assert name not in (".", "..")
    assert not name.startswith((" ", "-", "~"))
    assert not name.endswith((" ", "."))
    assert all(unicodedata.category(character) not in ("Cc", "Cf") for character in name)


@pytest.mark.parametrize("case", of_kind("name_template"))
def test_name_templates_are_kept_or_refused(case: dict[str, Any]) -> None:
    if case["verdict"] == "refuse":
        with pytest.raises(InvalidInput):
            check_template(case["input"], list(case["values"]))
    else:
        check_template(case["input"], list(case["values"]))


@pytest.mark.parametrize("case", of_kind("folder_under_root"))
def test_folders_below_the_root_are_kept_or_refused(case: dict[str, Any]) -> None:
    if case["verdict"] == "refuse":
        with pytest.raises(InvalidInput):
            clean_folder(case["input"])
    else:
        assert str(clean_folder(case["input"])) == case["input"]


def test_repeated_names_get_a_number_whatever_their_case() -> None:
    assert unique_names(["a.csv", "A.csv", "a.csv"]) == ["a.csv", "A-2.csv", "a-3.csv"]


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to("/etc")
    with pytest.raises(InvalidInput):
        confine(root, "link/passwd")
    with pytest.raises(InvalidInput):
        resolve_server_path("link/passwd", [root])


def test_a_path_below_any_allowed_root_is_its_real_path(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    assert resolve_server_path("x.db", [first, second]) == first / "x.db"
    assert resolve_server_path(str(second / "y.db"), [first, second]) == second / "y.db"
    with pytest.raises(InvalidInput):
        resolve_server_path("/etc/passwd", [first, second])


@pytest.mark.parametrize("path", ["loop/x", "a\x00b", "\ud800"])
def test_a_path_that_leads_nowhere_is_refused_as_input(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    if path == "loop/x" and sys.version_info >= (3, 13):
        pytest.skip("Since Python 3.13 such a link is left as it is.")
    with pytest.raises(InvalidInput):
        confine(tmp_path, path)
    with pytest.raises(InvalidInput):
        resolve_server_path(path, [tmp_path])


def test_a_server_without_allowed_folders_allows_no_path() -> None:
    with pytest.raises(InvalidInput) as refused:
        resolve_server_path("/etc/passwd", [])
    assert refused.value.hint


def test_long_names_that_differ_at_the_end_stay_different() -> None:
    """The date stands at the end: cutting it off would let one day's file replace another's."""
    names = [clean_file_name("Αναφορά " * 30 + day, "csv") for day in ("2026-11-21", "2026-11-22")]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 200 and name.endswith(".csv") for name in names)
    assert names[0] == clean_file_name("Αναφορά " * 30 + "2026-11-21", "csv")
