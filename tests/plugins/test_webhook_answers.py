"""Webhook: what answers, silences and broken connections mean."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from deliverers._http_errors import retry_after
from shared.errors import Cancelled, DeliveryRefused, DeliveryUnavailable, DeliveryUnknown
from shared.plugins import Control
from tests.plugins.deliverer_contract import BIG, LOOPBACK, artifact, control, parcel
from tests.plugins.webhook_places import deliverer
from tests.services.http_receiver import Answer, HttpReceiver


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(http_receiver: HttpReceiver, tmp_path: Path, status: int) -> None:
    http_receiver.answers.append(Answer(status, {"Location": http_receiver.url}))
    with pytest.raises(DeliveryRefused, match="elsewhere"):
        deliverer(http_receiver.url).deliver(parcel(artifact(tmp_path)), control())
    assert len(http_receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_a_refusal_is_final_and_repeats_the_servers_words(
    http_receiver: HttpReceiver, tmp_path: Path, status: int
) -> None:
    http_receiver.answers.append(Answer(status, body=b"no such report"))
    with pytest.raises(DeliveryRefused, match=f"HTTP {status}: no such report") as caught:
        deliverer(http_receiver.url).deliver(parcel(artifact(tmp_path)), control())
    assert caught.value.hint


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_a_busy_server_is_asked_again_when_it_wants(http_receiver: HttpReceiver, tmp_path: Path, status: int) -> None:
    http_receiver.answers.append(Answer(status, {"Retry-After": "120"}))
    with pytest.raises(DeliveryUnavailable) as caught:
        deliverer(http_receiver.url).deliver(parcel(artifact(tmp_path)), control())
    assert caught.value.retry_after == timedelta(minutes=2)


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime(2026, 1, 31, 7, 0, tzinfo=UTC)
    later = format_datetime(now + timedelta(minutes=3), usegmt=True)
    cases: list[tuple[dict[str, str], timedelta | None]] = [
        ({"Retry-After": "90"}, timedelta(seconds=90)),
        ({"Retry-After": later, "Date": format_datetime(now, usegmt=True)}, timedelta(minutes=3)),
        ({"Retry-After": format_datetime(now, usegmt=True), "Date": later}, timedelta(0)),
        ({"Retry-After": "9" * 400}, timedelta(days=7)),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ]
    for headers, expected in cases:
        assert retry_after(httpx.Headers(headers)) == expected, headers
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    found = retry_after(httpx.Headers({"Retry-After": soon}))
    assert found is not None
    assert timedelta(minutes=9) < found <= timedelta(minutes=10)


def test_a_connection_lost_after_the_last_byte_leaves_the_outcome_open(
    http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    http_receiver.answers.append(Answer(drop=True))
    with pytest.raises(DeliveryUnknown) as caught:
        deliverer(http_receiver.url).deliver(parcel(artifact(tmp_path)), control())
    assert caught.value.hint
    assert len(http_receiver.requests) == 1


def test_no_answer_in_time_leaves_the_outcome_open(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    http_receiver.answers.append(Answer(hang=True))
    with pytest.raises(DeliveryUnknown):
        deliverer(http_receiver.url).deliver(
            parcel(artifact(tmp_path)), Control(timedelta(seconds=0.5), network=LOOPBACK)
        )
    http_receiver.stopping.set()


def test_cancelling_ends_the_wait_for_an_answer(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    http_receiver.answers.append(Answer(hang=True))
    stopped = control()

    def cancel_once_it_waits() -> None:
        http_receiver.arrived.wait(30)
        stopped.cancel()

    helper = threading.Thread(target=cancel_once_it_waits)
    helper.start()
    with pytest.raises(Cancelled):
        deliverer(http_receiver.url).deliver(parcel(artifact(tmp_path)), stopped)
    helper.join()
    http_receiver.stopping.set()


@pytest.fixture
def closing_early() -> Iterator[str]:
    """A server that reads a little and resets the connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    thread.join()
    server.close()


def test_a_connection_lost_in_the_middle_is_tried_again(closing_early: str, tmp_path: Path) -> None:
    with pytest.raises(DeliveryUnavailable, match="before everything was sent"):
        deliverer(closing_early).deliver(parcel(artifact(tmp_path, "big.xlsx", BIG * 4)), control())


def test_a_certificate_of_an_unknown_authority_is_refused(https_receiver: HttpReceiver, tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match="TLS: the certificate"):
        deliverer(https_receiver.url).deliver(parcel(artifact(tmp_path)), control())
    assert https_receiver.requests == []


def test_a_known_authority_is_accepted(
    https_receiver: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(https_receiver.ca_file))
    deliverer(https_receiver.url).deliver(parcel(artifact(tmp_path)), control())
    assert len(https_receiver.received) == 1


def test_plain_http_behind_an_https_address_is_named(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    with pytest.raises(DeliveryUnavailable, match="TLS"):
        deliverer(http_receiver.url.replace("http:", "https:")).deliver(parcel(artifact(tmp_path)), control())


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match=r"Name: there is no server called http://no-such-host\.invalid"):
        deliverer("http://no-such-host.invalid/").deliver(parcel(artifact(tmp_path)), control())


@pytest.mark.parametrize("status", [200, 204, 404, 405, 501])
def test_a_check_takes_what_receivers_of_posts_say(http_receiver: HttpReceiver, status: int) -> None:
    http_receiver.answers.append(Answer(status))
    assert f"HTTP {status}" in deliverer(http_receiver.url).check(control())
    assert [request.method for request in http_receiver.requests] == ["HEAD"]


@pytest.mark.parametrize(
    ("status", "expected"), [(301, DeliveryRefused), (403, DeliveryRefused), (503, DeliveryUnavailable)]
)
def test_a_check_finds_what_would_fail(http_receiver: HttpReceiver, status: int, expected: type[Exception]) -> None:
    http_receiver.answers.append(Answer(status))
    with pytest.raises(expected):
        deliverer(http_receiver.url).check(control())
