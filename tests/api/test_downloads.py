"""Files of executions: whole, in parts, under their name, and never a wrong or half one."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx2
import pytest
from sqlalchemy import update

from shared.db.models import Artifact
from shared.storage import ArtifactStore
from tests.api.history import add_artifact, add_execution
from tests.api.hub import Hub

CONTENT = bytes(range(256)) * 4096  # 1 MiB: several pieces
SHA256 = hashlib.sha256(CONTENT)
ETAG = f'"{SHA256.hexdigest()}"'


@pytest.fixture
def execution(hub: Hub) -> str:
    made = add_execution(hub, hub.report()["id"])
    add_artifact(hub, made, "pdf", CONTENT)
    return made


def download(hub: Hub, execution_id: str, query: str = "", **headers: str) -> httpx2.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return hub.client.get(f"/api/executions/{execution_id}/download{query}", headers=names)


class TestWhole:
    def test_the_file_arrives_with_its_type_size_name_and_hash(self, hub: Hub, execution: str) -> None:
        response = download(hub, execution)
        assert (response.status_code, response.content) == (200, CONTENT)
        expected = {
            "content-type": "application/pdf",
            "content-length": str(len(CONTENT)),
            "content-disposition": 'attachment; filename="orders.pdf"',
            "etag": ETAG,
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "x-content-type-options": "nosniff",
            "repr-digest": f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:",
        }
        assert response.headers.items() >= expected.items()
        assert response.headers["x-request-id"]

    def test_one_of_several_is_chosen_by_format_or_id(self, hub: Hub, execution: str) -> None:
        csv = add_artifact(hub, execution, "csv", b"a\n")
        add_artifact(hub, execution, "xlsx", b"PK")
        assert download(hub, execution, "?format=csv").headers["content-type"] == "text/csv; charset=utf-8"
        assert download(hub, execution, "?format=excel").content == b"PK"
        by_id = hub.client.get(f"/api/executions/{execution}/artifacts/{csv}/download")
        assert (by_id.status_code, by_id.content) == (200, b"a\n")
        problem = hub.get(f"/api/executions/{execution}/download", status=422)
        assert problem["message"] == "format must be one of: pdf, csv, xlsx."

    def test_an_empty_file_is_a_file(self, hub: Hub) -> None:
        made = add_execution(hub, hub.report()["id"])
        add_artifact(hub, made, "csv", b"")
        response = download(hub, made)
        assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")

    @pytest.mark.parametrize("query", ["?format=html", "?format=nonsense", "?format="])
    def test_a_format_that_was_not_made_is_not_found(self, hub: Hub, execution: str, query: str) -> None:
        hub.get(f"/api/executions/{execution}/download{query}", status=404)

    def test_an_artifact_of_another_execution_is_not_found(self, hub: Hub, execution: str) -> None:
        other = add_execution(hub, 1)
        hub.get(f"/api/executions/{other}/artifacts/1/download", status=404)
        assert hub.get(f"/api/executions/{other}/download", status=404)["message"] == (
            "The execution is COMPLETED and has no such file."
        )


class TestNames:
    @pytest.mark.parametrize(
        ("name", "plain"),
        [
            ("Umsätze März", "Umsatze Marz.pdf"),
            ("売上レポート", "report.pdf"),
            ("Отчёт 2026", "2026.pdf"),
            ('100% "sure"; x=1', "100 sure; x=1.pdf"),
            ("a\\b", "ab.pdf"),
            ("😀", "report.pdf"),
        ],
    )
    def test_a_name_in_any_script_arrives_and_has_a_plain_form(self, hub: Hub, name: str, plain: str) -> None:
        made = add_execution(hub, hub.report()["id"])
        add_artifact(hub, made, "pdf", b"x")
        with hub.context.database.transaction() as session:
            session.execute(update(Artifact).values(file_name=f"{name}.pdf"))
        header = download(hub, made).headers["content-disposition"]
        first, _, extended = header.partition("; filename*=UTF-8''")
        assert first == f'attachment; filename="{plain}"'
        assert unquote(extended) == f"{name}.pdf"
        assert header.isascii()


class TestRanges:
    @pytest.mark.parametrize(
        ("wanted", "start", "end"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=0-99", 0, 99),
            ("bytes=262143-262145", 262143, 262145),
            ("bytes=1000-", 1000, len(CONTENT) - 1),
            ("bytes=-10", len(CONTENT) - 10, len(CONTENT) - 1),
            ("bytes=5-99999999999", 5, len(CONTENT) - 1),
            ("bytes=-99999999", 0, len(CONTENT) - 1),
            ("Bytes = 3 - 4", 3, 4),
        ],
    )
    def test_a_part_is_that_part(self, hub: Hub, execution: str, wanted: str, start: int, end: int) -> None:
        response = download(hub, execution, Range=wanted)
        assert response.status_code == 206
        assert response.headers["content-range"] == f"bytes {start}-{end}/{len(CONTENT)}"
        assert response.content == CONTENT[start : end + 1]
        assert response.headers["content-length"] == str(end - start + 1)

    def test_two_parts_make_the_whole(self, hub: Hub, execution: str) -> None:
        first = download(hub, execution, Range="bytes=0-499999")
        second = download(hub, execution, Range="bytes=500000-", If_Range=first.headers["etag"])
        assert first.content + second.content == CONTENT

    @pytest.mark.parametrize("wanted", [f"bytes={len(CONTENT)}-", "bytes=9999999-99999999", "bytes=-0"])
    def test_behind_the_end_there_is_nothing(self, hub: Hub, execution: str, wanted: str) -> None:
        response = hub.send("GET", f"/api/executions/{execution}/download", headers={"Range": wanted})
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"
        assert response.json()["error"] == "RANGE_NOT_SATISFIABLE"

    @pytest.mark.parametrize(
        "wanted",
        ["bytes=9-3", "bytes=-", "bytes=a-b", "lines=0-5", "bytes", "bytes=0-1,5-6", f"bytes={'9' * 5000}-"],
    )
    def test_what_cannot_be_read_gives_the_whole(self, hub: Hub, execution: str, wanted: str) -> None:
        response = download(hub, execution, Range=wanted)
        assert (response.status_code, len(response.content)) == (200, len(CONTENT))

    @pytest.mark.parametrize("tag", ['"another"', f"W/{ETAG}", "Tue, 24 Nov 2026 22:10:35 GMT"])
    def test_a_part_of_another_version_gives_the_whole(self, hub: Hub, execution: str, tag: str) -> None:
        response = download(hub, execution, Range="bytes=0-9", If_Range=tag)
        assert (response.status_code, len(response.content)) == (200, len(CONTENT))

    @pytest.mark.parametrize("tag", [ETAG, f"W/{ETAG}", "*", f'"x", {ETAG}'])
    def test_who_has_it_gets_nothing(self, hub: Hub, execution: str, tag: str) -> None:
        response = download(hub, execution, If_None_Match=tag)
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", ETAG)

    def test_who_has_another_version_gets_this_one(self, hub: Hub, execution: str) -> None:
        assert download(hub, execution, If_None_Match='"x"').content == CONTENT


class TestGone:
    def test_a_file_whose_time_is_over_says_so(self, hub: Hub) -> None:
        made = add_execution(hub, hub.report()["id"])
        add_artifact(hub, made, "csv", b"a", deleted_at=datetime.now(UTC))
        problem = hub.get(f"/api/executions/{made}/download", status=404)
        assert problem["message"] == "The file was removed because its time of keeping is over."

    def test_a_file_that_is_lost_is_not_found(self, hub: Hub, execution: str) -> None:
        for path in _stored(hub):
            path.unlink()
        hub.get(f"/api/executions/{execution}/download", status=404)

    @pytest.mark.parametrize("content", [CONTENT[:-1], b"", CONTENT + b"x"])
    def test_a_file_that_is_not_what_was_made_is_not_handed_out(self, hub: Hub, execution: str, content: bytes) -> None:
        for path in _stored(hub):
            path.write_bytes(content)
        problem = hub.get(f"/api/executions/{execution}/download", status=409)
        assert "damaged" in problem["message"]


def _stored(hub: Hub) -> list[object]:
    root = ArtifactStore.open(hub.settings)._root
    return [path for path in root.rglob("*") if path.is_file()]  # type: ignore[misc]
