"""The command line as a script uses it: real processes, exit statuses, JSON on standard output."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.services.hub import Hub, running_hub

pytestmark = pytest.mark.acceptance
COMMAND = Path(sys.executable).with_name("report-hub")


@dataclass(frozen=True)
class Shop:
    """A running hub with one datasource and one report."""

    hub: Hub
    config_id: int

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return cli(dict(self.hub.environment), *arguments, text=text)


def cli(environment: dict[str, str], *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(COMMAND), *arguments]
    return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("cli")
    with running_hub(folder) as hub:
        path = folder / "files" / "shop.sqlite"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE sales (id INTEGER, code TEXT, amount DECIMAL(10,2))")
            rows = [(n, f"{n:04}", n + 0.5) for n in range(1, 301)]
            database.executemany("INSERT INTO sales VALUES (?, ?, ?)", rows)
        database.close()
        source = {"name": "shop", "type": "sqlite", "connection_config": {"path": str(path)}}
        report = {
            "name": "Sales",
            "datasource_id": hub.call("POST", "/api/datasources", source)["id"],
            "query": "SELECT id, code, amount FROM sales WHERE id <= :most ORDER BY id",
            "parameters": [{"name": "most", "type": "integer", "default": 300}],
            "formats": ["csv"],
        }
        yield Shop(hub, hub.call("POST", "/api/reports", report)["id"])


def test_run_writes_one_complete_file(shop: Shop, tmp_path: Path) -> None:
    output = tmp_path / "sales.csv"
    done = shop.run("run", "Sales", "--param", "most=3", "--format", "csv", "--output", str(output))
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(output.read_text().splitlines()))
    assert rows == [["id", "code", "amount"], ["1", "0001", "1.50"], ["2", "0002", "2.50"], ["3", "0003", "3.50"]]
    assert "3 rows" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["sales.csv"]


def test_run_is_in_the_history_like_every_execution(shop: Shop, tmp_path: Path) -> None:
    done = shop.run("run", "Sales", "--output", str(tmp_path / "s.csv"), "--json")
    story = json.loads(done.stdout)
    assert shop.hub.call("GET", f"/api/executions/{story['execution_id']}")["state"] == "COMPLETED"
    assert story["row_count"] == 300


def test_run_writes_to_standard_output(shop: Shop) -> None:
    done = shop.run("run", "Sales", "-p", "most=1", "-o", "-")
    assert done.stdout.splitlines() == ["id,code,amount", "1,0001,1.50"]


def test_a_capped_file_is_written_but_not_called_complete(shop: Shop, tmp_path: Path) -> None:
    shop.hub.call("PATCH", f"/api/reports/{shop.config_id}", {"row_limit": 5, "on_cap": "label"})
    try:
        done = shop.run("run", "Sales", "-o", str(tmp_path / "capped.csv"))
    finally:
        shop.hub.call("PATCH", f"/api/reports/{shop.config_id}", {"row_limit": None})
    assert done.returncode == 1
    assert "CAPPED" in done.stdout
    assert (tmp_path / "capped.csv").is_file()


def test_a_report_that_fails_leaves_no_file_and_says_why(shop: Shop, tmp_path: Path) -> None:
    done = shop.run("run", "Sales", "-p", "most=x", "-o", str(tmp_path / "none.csv"))
    assert done.returncode == 1
    assert "most" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_report_is_a_sentence(shop: Shop, tmp_path: Path) -> None:
    done = shop.run("run", "Nobody", "-o", str(tmp_path / "none.csv"))
    assert done.returncode == 1
    assert "There is no report 'Nobody'" in done.stderr
    assert "Traceback" not in done.stderr


def test_execute_follows_until_the_end(shop: Shop) -> None:
    done = shop.run("execute", "Sales", "--param", "most=7", "--wait", "60", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["row_count"] == 7


def test_execute_of_a_failing_report_has_status_one(shop: Shop) -> None:
    broken = {
        "name": "Broken",
        "datasource_id": shop.hub.call("GET", "/api/datasources")["items"][0]["id"],
        "query": "SELECT no_such_column FROM sales",
    }
    shop.hub.call("POST", "/api/reports", broken)
    done = shop.run("execute", "Broken", "--wait", "60")
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_executions_lists_and_shows(shop: Shop) -> None:
    execution_id = shop.hub.execute(shop.config_id)["execution_id"]
    listed = json.loads(shop.run("executions", "--report", "Sales", "--limit", "1", "--json").stdout)
    assert [item["execution_id"] for item in listed["items"]] == [execution_id]
    shown = shop.run("executions", execution_id)
    assert "Sales   COMPLETED   300 rows, complete" in shown.stdout


def test_fetch_gives_arrow_with_the_types_of_the_datasource(shop: Shop, tmp_path: Path) -> None:
    output = tmp_path / "rows.arrow"
    done = shop.run("fetch", "shop", "--query", "SELECT * FROM sales", "--output", str(output), "--json")
    assert json.loads(done.stdout)["rows"] == 300
    with pa.memory_map(str(output)) as source:
        table = pa.ipc.open_file(source).read_all()
    assert table.schema.field("amount").type == pa.decimal128(10, 2)
    assert table.num_rows == 300


def test_fetch_refuses_what_is_no_query(shop: Shop, tmp_path: Path) -> None:
    done = shop.run("fetch", "shop", "--query", "DELETE FROM sales", "--output", str(tmp_path / "x.arrow"), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "QUERY_REFUSED"
    assert list(tmp_path.iterdir()) == []


def test_check_sees_database_key_drivers_and_services(shop: Shop) -> None:
    done = shop.run("check", "--json")
    assert done.returncode == 0, done.stdout
    good = {item["name"] for item in json.loads(done.stdout) if item["is_good"]}
    assert {"database", "key", "service config", "service engine", "service scheduler", "converter excel"} <= good


def test_check_of_a_database_without_schema_fails(tmp_path: Path, shop: Shop) -> None:
    environment = {**shop.hub.environment, "REPORT_HUB_DATA_DIR": str(tmp_path)}
    done = cli(environment, "check")
    assert done.returncode == 1
    assert "report-hub migrate" in done.stdout


def test_migrate_goes_up_and_down(tmp_path: Path, shop: Shop) -> None:
    environment = {**shop.hub.environment, "REPORT_HUB_DATA_DIR": str(tmp_path)}
    assert json.loads(cli(environment, "migrate", "--json").stdout)["revision"]
    assert json.loads(cli(environment, "migrate", "--down", "--json").stdout)["revision"] is None


def test_migrate_to_an_unknown_schema_is_a_sentence(tmp_path: Path, shop: Shop) -> None:
    done = cli({**shop.hub.environment, "REPORT_HUB_DATA_DIR": str(tmp_path)}, "migrate", "nowhere")
    assert done.returncode == 1
    assert "cannot be brought to the schema nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_is_a_sentence(tmp_path: Path, shop: Shop) -> None:
    (tmp_path / "file").write_text("")
    environment = {**shop.hub.environment, "REPORT_HUB_DATA_DIR": str(tmp_path / "file" / "data")}
    for arguments in (["migrate"], ["check"], ["run", "Sales", "-o", "-"], ["serve"]):
        done = cli(environment, *arguments)
        assert done.returncode != 0
        assert "cannot be written (Not a directory)" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_refused_before_the_query_runs(shop: Shop, tmp_path: Path) -> None:
    before = json.loads(shop.run("executions", "--json").stdout)["total"]
    for place in (tmp_path, tmp_path / "missing" / "sales.csv"):
        done = shop.run("run", "Sales", "--output", str(place))
        assert done.returncode == 1
        assert f"{place} cannot be written" in done.stderr
    assert json.loads(shop.run("executions", "--json").stdout)["total"] == before


def test_a_hub_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    done = cli({"PATH": "/usr/bin", "HOME": str(tmp_path)}, "executions", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "does not answer" in done.stderr


@pytest.mark.parametrize("arguments", [["run"], ["run", "x"], ["execute", "x", "--wait", "soon"], ["nonsense"]])
def test_wrong_usage_has_status_two(arguments: list[str], tmp_path: Path) -> None:
    assert cli({"PATH": "/usr/bin", "HOME": str(tmp_path)}, *arguments).returncode == 2


def _parquet(folder: Path) -> Path:
    path = folder / "rows.parquet"
    table = pa.table({"id": pa.array([1, 2, None], pa.int64()), "name": ["Zürich", "=1+1", ""]})
    pq.write_table(table, path)
    return path


def test_convert_writes_a_workbook_that_others_read(tmp_path: Path) -> None:
    output = tmp_path / "rows.xlsx"
    done = cli({"PATH": "/usr/bin"}, "convert", str(_parquet(tmp_path)), "-f", "xlsx", "-o", str(output), "--json")
    assert json.loads(done.stdout)["rows"] == 3
    sheet = openpyxl.load_workbook(output).worksheets[0]
    assert [cell.value for cell in sheet["B"]][:3] == ["name", "Zürich", "=1+1"]
    assert sheet["B3"].data_type == "s"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-f", "nothing"], "no converter of this kind"),
        (["-f", "csv", "--options", '{"delimiter": 7}'], "delimiter"),
        (["-f", "csv", "--options", "{nonsense"], "options"),
    ],
)
def test_convert_says_what_is_wrong_and_leaves_nothing(tmp_path: Path, arguments: list[str], expected: str) -> None:
    source = _parquet(tmp_path)
    done = cli({"PATH": "/usr/bin"}, "convert", str(source), "-o", str(tmp_path / "out"), *arguments)
    assert done.returncode == 1
    assert expected in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_convert_refuses_what_is_no_parquet(tmp_path: Path) -> None:
    source = tmp_path / "rows.parquet"
    source.write_text("nothing")
    done = cli({"PATH": "/usr/bin"}, "convert", str(source), "-f", "csv", "-o", str(tmp_path / "out.csv"))
    assert done.returncode == 1
    assert "cannot be read" in done.stderr


def test_sql_check_answers_for_a_batch() -> None:
    lines = [{"id": "a", "dialect": "mysql", "sql": "SELECT 1"}, {"id": "b", "dialect": "mysql", "sql": "DROP TABLE t"}]
    done = cli({"PATH": "/usr/bin"}, "sql-check", "--batch", text="\n".join(map(json.dumps, lines)))
    answers: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(item["id"], item["verdict"]) for item in answers] == [("a", "allow"), ("b", "refuse")]
    assert done.returncode == 1
