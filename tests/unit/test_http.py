"""Outgoing HTTP: which URLs are refused, and that the socket goes where the check looked."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest

from shared.errors import AddressBlocked, Cancelled, SizeLimitReached, TimeLimitReached
from shared.http import check_url, is_unknown_name, open_client
from shared.network import NetworkPolicy
from shared.plugins import Control
from tests.services.http_receiver import Answer, HttpReceiver

CASES = json.loads((Path(__file__).parents[1] / "corpora" / "ssrf_urls.json").read_text())["cases"]
LOOPBACK = NetworkPolicy((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))


class Sockets(httpcore.SyncBackend):
    """Stands where the operating system would connect: counts, and answers every request in the same way."""

    opened: list[str]
    answer: list[bytes]

    def connect_tcp(self, host: str, *arguments: Any, **keywords: Any) -> httpcore.NetworkStream:
        type(self).opened.append(host)
        return _Canned(list(type(self).answer))


class _Canned(httpcore.MockStream):
    def start_tls(self, *arguments: Any, **keywords: Any) -> httpcore.NetworkStream:
        return self


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> type[Sockets]:
    Sockets.opened = []
    Sockets.answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    monkeypatch.setattr(httpcore, "SyncBackend", Sockets)
    return Sockets


def resolver_of(case: dict[str, Any]) -> Callable[[str, int], list[str]]:
    """The case's fake DNS; a literal address is its own answer, as with the system's resolver."""

    def answer(host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            return list(case["dns"]["*"])

    return answer


def policy_of(case: dict[str, Any]) -> NetworkPolicy:
    hosts = case.get("policy", {}).get("allow_hosts", [])
    addresses = [address for host in hosts for address in (case["dns"]["*"] if "dns" in case else [host])]
    return NetworkPolicy(tuple(ipaddress.ip_network(address) for address in addresses))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['why']}"[:60])
def test_urls_are_judged_as_the_corpus_says(case: dict[str, Any], sockets: type[Sockets]) -> None:
    if "redirect" in case:
        status, location = case["redirect"]["status"], case["redirect"]["location"]
        sockets.answer = [f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()]

    def send() -> httpx.Response:
        check_url(case["url"])
        with open_client(Control(network=policy_of(case)), resolver=resolver_of(case)) as client:
            return client.post(case["url"], content=b"x")

    if case["verdict"] == "allow":
        assert send().status_code == 200
        assert len(sockets.opened) == 1
    elif "redirect" in case:
        assert send().is_redirect
        assert len(sockets.opened) == 1
    else:
        with pytest.raises((ValueError, AddressBlocked)):
            send()
        assert sockets.opened == []


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "fec0::1", "fe80::1%1",
        "168.63.129.16", "100.100.100.200", "169.254.169.254", "192.88.99.1", "224.0.0.1", "ff02::1", "0.0.0.0",
        "255.255.255.255",
    ],
)  # fmt: skip
def test_special_addresses_are_no_public_ones_in_whatever_form(address: str, sockets: type[Sockets]) -> None:
    assert not NetworkPolicy().allows(ipaddress.ip_address(address))
    with open_client(Control(), resolver=lambda host, port: [address]) as client, pytest.raises(AddressBlocked):
        client.get("https://example.com/")
    assert sockets.opened == []


@pytest.mark.parametrize("port", [22, 25, 6379, 9000, 65535])
def test_public_servers_are_reached_on_web_ports_only(port: int, sockets: type[Sockets]) -> None:
    control = Control()
    with (
        open_client(control, resolver=lambda host, port: ["93.184.215.14"]) as client,
        pytest.raises(AddressBlocked),
    ):
        client.get(f"http://example.com:{port}/")
    assert sockets.opened == []


def test_any_unprivileged_port_of_an_allowed_network_is_reached(sockets: type[Sockets]) -> None:
    policy = NetworkPolicy((ipaddress.ip_network("10.0.0.0/8"),))
    with open_client(Control(network=policy), resolver=lambda host, port: ["10.1.2.3"]) as client:
        assert client.get("http://minio.corp.example:9000/").status_code == 200
    assert sockets.opened == ["10.1.2.3"]


def test_one_private_answer_among_public_ones_refuses_the_name(sockets: type[Sockets]) -> None:
    with (
        open_client(Control(), resolver=lambda host, port: ["93.184.215.14", "127.0.0.1"]) as client,
        pytest.raises(AddressBlocked),
    ):
        client.get("http://example.com/")
    assert sockets.opened == []


def test_a_second_dns_answer_does_not_move_the_connection(sockets: type[Sockets]) -> None:
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    with open_client(Control(), resolver=lambda host, port: next(answers)) as client:
        assert client.get("https://rebind.example/").status_code == 200
    assert sockets.opened == ["93.184.215.14"]


@pytest.mark.parametrize(
    "url", ["http://bücher.example/", "http://①②⑦.0.0.1/", "http://127。0。0。1/", "http://ex%61mple.com/"]
)
def test_hosts_that_parsers_rewrite_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        check_url(url)


def test_punycode_and_ipv6_literals_are_understood() -> None:
    assert check_url("https://xn--bcher-kva.example/x?y=1").host == "xn--bcher-kva.example"
    assert check_url("http://[2606:4700::1111]:8080/").origin == "http://[2606:4700::1111]:8080"


def test_an_unknown_name_is_told_from_a_silent_name_server() -> None:
    def fails(errno: int) -> Callable[[str, int], list[str]]:
        def resolver(host: str, port: int) -> list[str]:
            raise socket.gaierror(errno, "no")

        return resolver

    for errno, is_unknown in ((socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)):
        with open_client(Control(), resolver=fails(errno)) as client, pytest.raises(httpx.ConnectError) as caught:
            client.get("http://nowhere.example/")
        assert is_unknown_name(caught.value) is is_unknown


def test_tls_keeps_the_name_while_the_socket_goes_to_the_address(
    https_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(https_receiver.ca_file))
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with open_client(Control(network=LOOPBACK), resolver=resolver) as client:
        assert client.post(https_receiver.url, content=b"x").text == "thank you"
    assert asked == ["localhost"]
    assert https_receiver.received[0].headers["host"] == f"localhost:{https_receiver.port}"


def test_a_certificate_of_an_unknown_authority_is_refused(https_receiver: HttpReceiver) -> None:
    with (
        open_client(Control(network=LOOPBACK)) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.post(https_receiver.url, content=b"x")


def test_proxies_of_the_environment_are_ignored(http_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    monkeypatch.setenv("ALL_PROXY", "http://192.0.2.1:3128")
    with open_client(Control(network=LOOPBACK)) as client:
        assert client.post(http_receiver.url, content=b"x").status_code == 200


def test_an_endless_answer_is_cut(http_receiver: HttpReceiver) -> None:
    http_receiver.answers.append(Answer(body=b"x" * 200_000))
    with (
        open_client(Control(network=LOOPBACK), max_answer_bytes=100_000) as client,
        pytest.raises(SizeLimitReached),
    ):
        client.post(http_receiver.url)


@pytest.fixture(params=["plain", "tls"])
def silent_receiver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    receiver: HttpReceiver = request.getfixturevalue("http_receiver" if request.param == "plain" else "https_receiver")
    if receiver.ca_file:
        monkeypatch.setenv("SSL_CERT_FILE", str(receiver.ca_file))
    receiver.answers.append(Answer(hang=True))
    yield receiver
    receiver.stopping.set()


def test_cancelling_ends_a_request_that_waits(silent_receiver: HttpReceiver) -> None:
    control = Control(network=LOOPBACK)

    def cancel_once_it_waits() -> None:
        silent_receiver.arrived.wait(30)
        control.cancel()

    helper = threading.Thread(target=cancel_once_it_waits)
    helper.start()
    with open_client(control, timeout=60) as client, pytest.raises(httpx.HTTPError):
        client.post(silent_receiver.url, content=b"x")
    helper.join()
    with pytest.raises(Cancelled):
        control.check()


def test_the_time_limit_ends_a_request_that_waits(silent_receiver: HttpReceiver) -> None:
    control = Control(timedelta(seconds=0.5), network=LOOPBACK)
    with open_client(control, timeout=60) as client, pytest.raises(httpx.HTTPError):
        client.post(silent_receiver.url, content=b"x")
    with pytest.raises(TimeLimitReached):
        control.check()
