"""The README runs: its curl commands make a report from a PostgreSQL table that arrives at five real places."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest

from tests.docs.pages import ROOT, blocks
from tests.plugins.asyncssh_server import AsyncsshServer
from tests.services.databases import TestDatabase
from tests.services.http_receiver import HttpReceiver
from tests.services.hub import running_hub
from tests.services.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from tests.services.sftp_server import PASSWORD, USER
from tests.services.smtp_server import SmtpServer

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.service,
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),  # the test server's worry
]
_BLOCKS = list(blocks(ROOT / "README.md"))


@dataclass(frozen=True)
class Arrived:
    """The story of the execution, and what lies at each place, by file name."""

    story: dict[str, Any]
    places: Mapping[str, dict[str, bytes]]
    download: bytes
    schedules: list[dict[str, Any]]


@pytest.fixture
def arrived(
    postgres_database: TestDatabase,
    smtp_server: Callable[..., SmtpServer],
    mail_authority_file: Path,
    asyncssh_server: AsyncsshServer,
    moto_server: S3Server,
    http_receiver: HttpReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Arrived]:
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_authority_file))
    mail = smtp_server("starttls")
    mail.logins["reports"] = "post"
    bucket = moto_server.new_bucket()
    postgres_database.execute(*_text("sql"))
    with running_hub(tmp_path / "hub", **_start_settings()) as hub:
        own = {
            "HUB": hub.url("config"),
            "ENGINE": hub.url("engine"),
            "PGHOST": postgres_database.host,
            "PGPORT": postgres_database.port,
            "PGDATABASE": postgres_database.name,
            "PGUSER": postgres_database.username,
            "PGPASSWORD": postgres_database.password,
            "SMTP_HOST": "localhost",
            "SMTP_PORT": mail.port,
            "SMTP_PASSWORD": "post",
            "SFTP_PORT": asyncssh_server.port,
            "SFTP_USER": USER,
            "SFTP_PASSWORD": PASSWORD,
            "S3_ENDPOINT": moto_server.url,
            "S3_BUCKET": bucket,
            "S3_ACCESS_KEY": ACCESS_KEY,
            "S3_SECRET_KEY": SECRET_KEY,
            "HOOK": http_receiver.url,
        }
        if shutil.which("ssh-keyscan") is None:
            own["SFTP_HOST_KEY"] = f"'{asyncssh_server.public()}'"
        _run(_with_values("".join(_text("bash")), own), tmp_path)
        (execution,) = hub.call("GET", "/api/executions")["items"]
        yield Arrived(
            story=hub.call("GET", f"/api/execution/{execution['execution_id']}", service="engine"),
            places={
                **{item.recipient: item.files for item in mail.mails},
                "sftp": _files(asyncssh_server.folder / "in"),
                "s3": _objects(moto_server, bucket),
                "webhook": _posted(http_receiver),
                "local_folder": _files(hub.data_dir / "files" / "share"),
            },
            download=(tmp_path / "orders.xlsx").read_bytes(),
            schedules=hub.call("GET", "/api/schedules")["items"],
        )
    shutil.rmtree(asyncssh_server.folder / "in")


def test_a_report_made_with_curl_alone_arrives_everywhere_and_its_story_says_so(
    arrived: Arrived, tmp_path: Path
) -> None:
    story = arrived.story
    assert (story["state"], story["completeness"], story["row_count"]) == ("COMPLETED", "COMPLETE", 3)
    assert {item["rows_read_back"] for item in story["artifacts"]} == {3}
    assert {item["status"] for item in story["deliveries"]} == {"DELIVERED"}
    assert sorted(item["method"] for item in story["deliveries"]) == [
        "email", "email", "local_folder", "s3", "sftp", "webhook"
    ]  # fmt: skip
    assert all(len(item["attempts"]) == 1 and item["attempts"][0]["message"] for item in story["deliveries"])

    recorded = {item["file_name"]: item["sha256"] for item in story["artifacts"]}
    assert {name.rpartition(".")[2] for name in recorded} == {"csv", "xlsx", "json", "pdf"}
    assert arrived.places.keys() == {
        "finance@example.com", "audit@example.org", "sftp", "s3", "webhook", "local_folder"
    }  # fmt: skip
    for place, files in arrived.places.items():
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        assert {name: value for name, value in hashes.items() if not name.endswith(".ok")} == recorded, place
    assert {name for name in arrived.places["sftp"] if name.endswith(".ok")} == {f"{name}.ok" for name in recorded}
    assert arrived.download == next(c for n, c in arrived.places["local_folder"].items() if n.endswith(".xlsx"))
    assert arrived.schedules[0]["next_run_at"] is not None

    _read_back(arrived.places["local_folder"], tmp_path)


def _read_back(files: Mapping[str, bytes], folder: Path) -> None:
    """By readers that are not ours."""
    content = {name.rpartition(".")[2]: data for name, data in files.items()}
    rows = list(csv.DictReader(content["csv"].decode().splitlines()))
    assert [row["id"] for row in rows] == ["1", "2", "9007199254740993"]
    assert rows[1]["customer"] == "'=1+1 is a name, too"  # a spreadsheet would run it
    assert rows[2]["customer"] == "0012"
    assert [row["customer"] for row in json.loads(content["json"])] == [
        "Ζωή Παπαδοπούλου",
        "=1+1 is a name, too",
        "0012",
    ]
    for ending in ("xlsx", "pdf"):
        (folder / f"read.{ending}").write_bytes(content[ending])
    workbook = openpyxl.load_workbook(folder / "read.xlsx")
    cells = [[cell.value for cell in row] for row in workbook.worksheets[0].iter_rows(min_row=2, max_row=4)]
    assert cells[0][1:3] == ["Ζωή Παπαδοπούλου", 1234.5]
    assert workbook.worksheets[0]["B3"].data_type == "s"
    assert cells[2][0] == "9007199254740993"
    workbook.close()
    assert "Orders" in pypdf.PdfReader(folder / "read.pdf").pages[0].extract_text()


def _text(language: str) -> list[str]:
    return [block.text for block in _BLOCKS if block.language == language]


def _start_settings() -> dict[str, str]:
    """The settings with which the README starts the services."""
    (start,) = [text for text in _text("sh") if "make run" in text]
    return dict(re.findall(r"REPORT_HUB_(\w+)=(\S+)", start))


def _with_values(script: str, values: Mapping[str, object]) -> str:
    """The README's own variables with values of this test; each of them must be there."""
    for name, value in values.items():
        script, count = re.subn(
            rf"^{name}=.*$", lambda _, name=name, value=value: f"{name}={value}", script, flags=re.M
        )
        assert count == 1, name
    return script


def _run(script: str, folder: Path) -> None:
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _objects(server: S3Server, bucket: str) -> dict[str, bytes]:
    found = {}
    for item in server.client.list_objects_v2(Bucket=bucket).get("Contents", []):
        with server.client.get_object(Bucket=bucket, Key=item["Key"])["Body"] as body:
            found[item["Key"].rpartition("/")[2]] = body.read()
    return found


def _posted(receiver: HttpReceiver) -> dict[str, bytes]:
    (request,) = receiver.received
    parts = [part for part in request.parts() if part.get_filename()]
    return {str(part.get_filename()): part.get_payload(decode=True) for part in parts}
