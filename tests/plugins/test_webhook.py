"""The webhook deliverer against a real web server; signatures are verified by the reference library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import secrets
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.formparser import parse_form_data

from deliverers.webhook import WebhookConfig, WebhookDeliverer
from shared.errors import DeliveryRefused
from tests.plugins.deliverer_contract import BIG, SECRET, ServerDelivererContract, artifact, control, parcel
from tests.plugins.webhook_places import deliverer
from tests.services.databases import free_port
from tests.services.http_receiver import Answer, HttpReceiver, ReceivedRequest

NEW, OLD = ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))


def form_of(request: ReceivedRequest) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """The JSON part, and the files by name with their type, as another multipart parser reads them."""
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": request.headers["content-type"],
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.input": io.BytesIO(request.body),
    }
    _, fields, files = parse_form_data(environ, stream_factory=lambda **_: io.BytesIO())
    return json.loads(fields["report"]), {
        str(file.filename): (str(file.content_type), file.read()) for file in files.getlist("file")
    }


def named(request: ReceivedRequest) -> str:
    """The file name of a request whose body is the file."""
    return unquote(request.headers["content-disposition"].rpartition("filename*=UTF-8''")[2], errors="strict")


class Hook:
    def __init__(self, receiver: HttpReceiver, mode: str) -> None:
        self.receiver = receiver
        self.mode = mode

    def deliverer(self, **changes: Any) -> WebhookDeliverer:
        headers = {"Authorization": f"Bearer {SECRET}"}
        return deliverer(self.receiver.url, mode=self.mode, secret=NEW, headers=headers, **changes)

    def files(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for request in self.receiver.received:
            if self.mode == "body":
                found[named(request)] = request.body
            else:
                found |= {name: content for name, (_, content) in form_of(request)[1].items()}
        return found

    def everything(self) -> Any:
        return [
            (request.headers["idempotency-key"], request.headers.get("content-disposition"), request.body)
            for request in self.receiver.received
        ]


@pytest.fixture(params=["multipart", "body"])
def place(request: pytest.FixtureRequest, http_receiver: HttpReceiver) -> Hook:
    http_receiver.token = f"Bearer {SECRET}"
    return Hook(http_receiver, request.param)


@pytest.fixture
def unreachable() -> WebhookDeliverer:
    return deliverer(f"http://127.0.0.1:{free_port()}/hook")


@pytest.fixture
def wrong_login(http_receiver: HttpReceiver) -> WebhookDeliverer:
    http_receiver.token = "Bearer of something else"
    return deliverer(http_receiver.url, headers={"Authorization": f"Bearer {SECRET}"})


class TestWebhook(ServerDelivererContract):
    def is_marked(self, place: Any) -> bool:
        request = place.receiver.received[0]
        return list(place.files()) == ["TEST_sales.csv"] and request.headers["report-hub-test"] == "true"


@pytest.mark.parametrize("mode", ["multipart", "body", "notice"])
def test_the_reference_library_accepts_the_signature(http_receiver: HttpReceiver, tmp_path: Path, mode: str) -> None:
    deliverer(http_receiver.url, mode=mode, secret=NEW).deliver(parcel(artifact(tmp_path)), control())
    [request] = http_receiver.received
    Webhook(NEW).verify(request.body, dict(request.headers), json_parse=False)
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "01JX5-7"
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(request.body + b" ", dict(request.headers), json_parse=False)
    late = {**request.headers, "webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 360)}
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(NEW).verify(request.body, late, json_parse=False)


def test_while_secrets_change_both_are_accepted(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    deliverer(http_receiver.url, secret=NEW, previous_secret=OLD).deliver(parcel(artifact(tmp_path)), control())
    [request] = http_receiver.received
    for secret in (NEW, OLD):
        Webhook(secret).verify(request.body, dict(request.headers), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(
            request.body, dict(request.headers), json_parse=False
        )


def test_without_a_secret_nothing_is_signed_but_the_digest_is_there(
    http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    sent = artifact(tmp_path)
    deliverer(http_receiver.url, mode="body").deliver(parcel(sent), control())
    [request] = http_receiver.received
    assert "webhook-signature" not in request.headers
    digest = base64.b64encode(bytes.fromhex(sent.sha256)).decode()
    assert request.headers["content-digest"] == f"sha-256=:{digest}:"


def test_a_notice_tells_all_about_the_files_and_holds_none(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    files = [artifact(tmp_path, "Umsätze.csv", b"secret content"), artifact(tmp_path, "big.xlsx", BIG)]
    sent = parcel(*files, notes=("Rows were capped.",), completeness="CAPPED")
    deliverer(http_receiver.url, mode="notice").deliver(sent, control())
    [request] = http_receiver.received
    assert len(request.body) < 2_000
    assert b"secret content" not in request.body
    notice = json.loads(request.body)
    assert notice["type"] == "report.ready"
    assert notice["data"]["scheduled_for"] == "2026-01-31T07:00:00+00:00"
    assert (notice["data"]["completeness"], notice["data"]["notes"]) == ("CAPPED", ["Rows were capped."])
    assert [(file["file_name"], file["size"], file["sha256"]) for file in notice["data"]["files"]] == [
        (file.file_name, file.size, file.sha256) for file in files
    ]


def test_multipart_holds_the_facts_and_the_types(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    deliverer(http_receiver.url).deliver(parcel(artifact(tmp_path), is_test=True), control())
    facts, files = form_of(http_receiver.received[0])
    assert facts["type"] == "report.test"
    assert facts["data"]["files"][0]["file_name"] == "TEST_sales.csv"
    assert files["TEST_sales.csv"][0] == "text/csv; charset=utf-8"


def test_files_as_bodies_have_keys_of_their_own(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    sent = parcel(artifact(tmp_path, "a.csv"), artifact(tmp_path, "b.csv"))
    receipt = deliverer(http_receiver.url, mode="body").deliver(sent, control())
    assert [request.headers["idempotency-key"] for request in http_receiver.received] == ["01JX5-7-1", "01JX5-7-2"]
    assert receipt.detail["requests"] == 2


def test_every_attempt_sends_the_same_bytes_under_the_same_id(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    files = [artifact(tmp_path), artifact(tmp_path, "big.xlsx", BIG)]
    for attempt in (1, 2):
        deliverer(http_receiver.url).deliver(parcel(*files, attempt=attempt), control())
    first, second = http_receiver.requests
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert (first.headers["report-hub-attempt"], second.headers["report-hub-attempt"]) == ("1", "2")


def test_the_receipt_has_the_first_words_of_the_answer(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    http_receiver.answers.append(Answer(202, body=b"queued\r\nas \x1b[1m17\x1b[0m " + SECRET.encode() + b"x" * 100_000))
    headers = {"Authorization": f"Bearer {SECRET}"}
    receipt = deliverer(http_receiver.url, headers=headers).deliver(parcel(artifact(tmp_path)), control())
    assert receipt.message.startswith("HTTP 202: queued as [1m17 [0m ********xxx")
    assert len(receipt.message) < 250


@pytest.fixture
def draining() -> Iterator[tuple[str, list[int]]]:
    """A server that keeps nothing of what it reads but its length."""
    server = socket.create_server(("127.0.0.1", 0))
    lengths: list[int] = []

    def serve() -> None:
        for _ in range(2):
            connection, _address = server.accept()
            with connection, connection.makefile("rb") as reader:
                head = iter(reader.readline, b"\r\n")
                length = left = next(
                    int(line.split()[1]) for line in head if line.lower().startswith(b"content-length")
                )
                list(head)
                while left:
                    left -= len(reader.read(min(left, 65_536)))
                lengths.append(length)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/", lengths
    thread.join()
    server.close()


def test_large_files_need_no_more_memory_than_small_ones(draining: tuple[str, list[int]], tmp_path: Path) -> None:
    url, lengths = draining
    peaks = []
    for size in (8, 64):
        sent = parcel(artifact(tmp_path, "big.xlsx", bytes(size << 20)))
        tracemalloc.start()
        deliverer(url, secret=NEW).deliver(sent, control())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert lengths[1] > 64 << 20
    assert peaks[1] < peaks[0] + (1 << 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://example.com/"},
        {"url": "https://ann:pw@example.com/"},
        {"headers": {"X-Key": "a\r\nBcc: b"}},
        {"headers": {"X-Key": "Zürich"}},
        {"headers": {"X-Key": " a"}},
        {"headers": {"X-Key": ""}},
        {"headers": {"X Key": "a"}},
        {"headers": {"X-Key:": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"Host": "intern"}},
        {"headers": {"content-length": "1"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"Webhook-Signature": "v1,x"}},
        {"headers": {"a": "1", "A": "2"}},
        {"secret": "whsec_short"},
        {"secret": base64.b64encode(b"x" * 32).decode()},
        {"secret": "whsec_" + "ä" * 40},
        {"mode": "fax"},
        {"timeout": 0},
    ],
)
def test_bad_configurations_are_refused_when_saved(changes: dict[str, Any]) -> None:
    values = {"url": "https://hooks.example.com/", **changes}
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate(values)
    for value in (changes.get("headers") or {}).values():
        assert len(value) < 4 or value not in str(caught.value)


def test_a_secret_kept_elsewhere_is_checked_when_it_is_used(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    reference = deliverer(http_receiver.url, secret="env:REPORT_HUB_SECRET_HOOK")
    with pytest.raises(DeliveryRefused, match="signing secret"):
        reference.deliver(parcel(artifact(tmp_path)), control())
    assert http_receiver.requests == []


def test_the_target_shows_neither_path_nor_query() -> None:
    assert deliverer("https://hooks.example.com/services/T0/s3cr3t?key=x").target() == "https://hooks.example.com"


def test_the_signature_is_over_id_time_and_body(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    """Also for bytes that are no text, which the reference library cannot read."""
    deliverer(http_receiver.url, mode="body", secret=NEW).deliver(parcel(artifact(tmp_path, "x.xlsx", BIG)), control())
    [request] = http_receiver.received
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + BIG
    expected = hmac.new(base64.b64decode(NEW[6:]), signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
