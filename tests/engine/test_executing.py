"""One execution from the request to the files, over HTTP, on real datasources."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pypdf
import pytest

from shared.db.models import ErrorEntry
from tests.engine.hub import EngineProcess
from tests.services.hub import eventually


@pytest.fixture(scope="module")
def story(engine: EngineProcess) -> dict[str, Any]:
    desk = engine.desk
    query = "SELECT id, name, amount FROM sales WHERE id <= :most ORDER BY id"
    parameters = [{"name": "most", "type": "integer", "default": 40}]
    formats = ["csv", "xlsx", "json", "pdf", "parquet"]
    report = desk.report(desk.sqlite(100), query, formats=formats, parameters=parameters)
    return engine.run(report)


def _file(engine: EngineProcess, story: dict[str, Any], name: str) -> Path:
    stored = {a.format: a.storage_key for a in engine.desk.artifacts(story["execution_id"])}
    return engine.desk.data_dir / "artifacts" / stored[name]


def test_every_format_holds_the_rows_that_were_asked_for(engine: EngineProcess, story: dict[str, Any]) -> None:
    assert story["state"] == "COMPLETED", story["error"]
    rows = list(csv.DictReader(io.StringIO(_file(engine, story, "csv").read_text("utf-8-sig"))))
    assert [row["name"] for row in rows] == [f"Höfn {n}" for n in range(1, 41)]
    book = openpyxl.load_workbook(_file(engine, story, "xlsx"))
    assert "Höfn 40" in {cell.value for row in book.worksheets[0].iter_rows() for cell in row}
    records = json.loads(_file(engine, story, "json").read_text())
    assert len(records if isinstance(records, list) else records["rows"]) == 40
    assert pq.read_table(_file(engine, story, "parquet")).column("id").to_pylist() == list(range(1, 41))
    assert "Höfn 40" in pypdf.PdfReader(_file(engine, story, "pdf")).pages[-1].extract_text()


def test_size_hash_and_rows_are_recorded_as_they_are(engine: EngineProcess, story: dict[str, Any]) -> None:
    assert [a["format"] for a in story["artifacts"]] == ["csv", "xlsx", "json", "pdf", "parquet"]
    for artifact in story["artifacts"]:
        content = _file(engine, story, artifact["format"]).read_bytes()
        assert artifact["size"] == len(content)
        assert artifact["sha256"] == hashlib.sha256(content).hexdigest()
        assert artifact["row_count"] == 40
        assert artifact["rows_read_back"] in (40, None)


def test_the_control_totals_say_that_nothing_is_missing(story: dict[str, Any]) -> None:
    assert (story["row_count"], story["completeness"]) == (40, "COMPLETE")
    totals = story["control_totals"]
    assert totals["rows_read"] == 40
    assert set(totals["rows_written"].values()) == {40}
    sums = {column["name"]: column.get("sum") for column in totals["columns"]}
    assert sums["id"] == str(sum(range(1, 41)))


def test_the_story_tells_the_query_that_was_sent_and_the_parameters(story: dict[str, Any]) -> None:
    assert "FROM sales" in story["query"]
    assert story["parameters"] == {"most": 40}
    assert story["progress"] is None
    assert story["config_version"] == 1


def test_no_workspace_is_left(engine: EngineProcess, story: dict[str, Any]) -> None:
    assert not [path for path in engine.desk.workspaces() if path.name.startswith(story["execution_id"])]


def test_too_many_rows_fail_and_leave_no_file(engine: EngineProcess) -> None:
    desk = engine.desk
    story = engine.run(desk.report(desk.sqlite(30), "SELECT * FROM sales", row_limit=29))
    assert story["state"] == "FAILED"
    assert story["error"]["code"] == "ROW_LIMIT_REACHED"
    assert "29" in story["error"]["message"]
    assert story["artifacts"] == []
    assert not [path for path in desk.stored_files() if story["execution_id"] in path.parts]


def test_exactly_as_many_rows_as_allowed_are_complete(engine: EngineProcess) -> None:
    desk = engine.desk
    story = engine.run(desk.report(desk.sqlite(30), "SELECT * FROM sales", row_limit=30, on_cap="label"))
    assert (story["state"], story["completeness"], story["row_count"]) == ("COMPLETED", "COMPLETE", 30)


def test_a_capped_file_says_that_it_is_capped(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.report(desk.sqlite(30), "SELECT * FROM sales", row_limit=10, on_cap="label", formats=["pdf", "xlsx"])
    story = engine.run(report)
    assert (story["state"], story["completeness"], story["row_count"]) == ("COMPLETED", "CAPPED", 10)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(_file(engine, story, "pdf")).pages)
    assert "Capped at 10 rows" in text
    book = openpyxl.load_workbook(_file(engine, story, "xlsx"))
    cells = [str(cell.value) for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert any("Capped at 10 rows" in cell for cell in cells)


def test_a_query_without_rows_makes_a_file_without_rows(engine: EngineProcess) -> None:
    desk = engine.desk
    story = engine.run(desk.report(desk.sqlite(3), "SELECT * FROM sales WHERE id > 5"))
    assert (story["state"], story["row_count"]) == ("COMPLETED", 0)
    assert _file(engine, story, "csv").read_text("utf-8-sig").splitlines() == ["id,name,amount"]


def test_a_harmful_query_is_refused_with_its_place(engine: EngineProcess) -> None:
    desk = engine.desk
    story = engine.run(desk.report(desk.sqlite(3), "SELECT id,\n  load_extension('x') FROM sales"))
    assert story["error"]["code"] == "QUERY_REFUSED"
    assert story["error"]["line"] == 2


def test_options_that_fit_no_more_are_named(engine: EngineProcess) -> None:
    desk = engine.desk
    story = engine.run(desk.report(desk.sqlite(3), "SELECT 1", format_options={"csv": {"no_such_option": 1}}))
    assert story["error"]["code"] == "VALIDATION_ERROR"
    assert "format_options.csv.no_such_option" in story["error"]["message"]


def test_a_file_outside_of_the_allowed_folders_is_not_opened(engine: EngineProcess, tmp_path: Path) -> None:
    desk = engine.desk
    source = desk.datasource("sqlite", {"path": str(tmp_path / "elsewhere.sqlite")})
    story = engine.run(desk.report(source, "SELECT 1"))
    assert story["state"] == "FAILED"
    assert "outside" in story["error"]["message"]


def test_progress_can_be_watched_while_it_runs(engine: EngineProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    execution_id = engine.start(engine.desk.scripted({"rows": 12, "until": str(gate)}))
    assert eventually(lambda: (engine.story(execution_id)["progress"] or {}).get("rows"), 30) <= 12
    assert engine.story(execution_id)["progress"]["stage"] in ("fetch", "convert")
    gate.touch()
    assert engine.ended(execution_id)["row_count"] == 12


def test_an_unexpected_fault_hides_its_words_and_is_in_the_error_log(engine: EngineProcess) -> None:
    desk = engine.desk
    execution_id = engine.start(desk.scripted("{this is no json"))
    story = engine.ended(execution_id)
    assert story["error"]["code"] == "INTERNAL_ERROR"
    assert "JSONDecodeError" not in json.dumps(story)
    assert (
        desk.count(ErrorEntry, ErrorEntry.execution_id == execution_id, ErrorEntry.detail.contains("JSONDecode")) == 1
    )
