"""A capped file says so inside, in each format that has a place for it; elsewhere the execution has a warning."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from pypdf import PdfReader

from shared.errors import RowLimitReached
from tests.fidelity.executions import FORMATS, ROWS, execute

LIMIT = 1_234
NOTE = "Capped at 1,234 rows: the query gives more."


def _last_line(path: Path) -> str:
    return path.read_text().splitlines()[-1]


def _workbook(path: Path) -> str:
    return "\n".join(str(row[0].value) for row in openpyxl.load_workbook(path)["Notes"].iter_rows())


def _paper(path: Path) -> str:
    return " ".join(PdfReader(path).pages[-1].extract_text().split())


def _metadata(path: Path) -> str:
    return str(json.loads(pq.read_metadata(path).metadata[b"report_hub.notes"]))


def _page(path: Path) -> str:
    return path.read_text().split("</tbody>")[1]


PLACES: Mapping[str, tuple[dict[str, object], Callable[[Path], str]]] = {
    "csv": ({"write_notes": True}, _last_line),
    "html": ({}, _page),
    "json": ({"layout": "table"}, lambda path: str(json.loads(path.read_bytes())["notes"])),
    "xlsx": ({}, _workbook),
    "pdf": ({}, _paper),
    "parquet": ({}, _metadata),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_capped_file_says_so_inside(name: str, tmp_path: Path) -> None:
    options, notes = PLACES[name]
    result = execute(tmp_path, name, options=options, row_limit=LIMIT, on_cap="label")
    assert NOTE in notes(result.files[0].path)
    assert result.notes == (NOTE,)
    assert (result.completeness, result.row_count) == ("CAPPED", LIMIT)
    assert result.files[0].row_count == result.files[0].rows_read_back == LIMIT
    assert not any(NOTE in warning for warning in result.warnings)


@pytest.mark.parametrize("name", ["csv", "json", "ndjson"])
def test_where_rows_are_all_there_is_a_warning_says_so(name: str, tmp_path: Path) -> None:
    result = execute(tmp_path, name, row_limit=LIMIT, on_cap="label")
    assert any(NOTE in warning for warning in result.warnings)
    assert NOTE not in result.files[0].path.read_text()
    assert result.completeness == "CAPPED"


@pytest.mark.parametrize("name", PLACES)
def test_a_whole_file_says_nothing_of_a_cap(name: str, tmp_path: Path) -> None:
    options, _ = PLACES[name]
    result = execute(tmp_path, name, options=options, row_limit=ROWS, on_cap="label")
    assert (result.completeness, result.notes, result.row_count) == ("COMPLETE", (), ROWS)
    assert b"Capped" not in result.files[0].path.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_a_cap_that_may_not_be_fails_the_execution(name: str, tmp_path: Path) -> None:
    with pytest.raises(RowLimitReached, match="1,234"):
        execute(tmp_path, name, row_limit=LIMIT, on_cap="fail")
