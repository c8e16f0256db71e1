"""A web server that keeps what it is sent and answers as it is told, over HTTP or over TLS with its own authority."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme


@dataclass(frozen=True)
class ReceivedRequest:
    """One request, whole."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def parts(self) -> list[EmailMessage]:
        """The parts of a multipart body, read by the standard library."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


@dataclass(frozen=True)
class Answer:
    """What the receiver says. `drop` closes without an answer; `hang` waits until the receiver stops."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"thank you"
    drop: bool = False
    hang: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what some tests are about."""


class HttpReceiver:
    """Keeps each request once per Idempotency-Key, as good receivers do; `requests` has them all."""

    def __init__(self, tls: ssl.SSLContext | None = None, ca_file: Path | None = None) -> None:
        self.requests: list[ReceivedRequest] = []
        self.answers: list[Answer] = []
        self.token: str | None = None
        self.arrived = threading.Event()
        self.stopping = threading.Event()
        self.ca_file = ca_file
        self.host = "localhost" if tls else "127.0.0.1"
        self._scheme = "https" if tls else "http"
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.host}:{self.port}/hook"

    @property
    def received(self) -> list[ReceivedRequest]:
        """Accepted requests, repeated ones once."""
        seen = {request.headers.get("idempotency-key", str(n)): request for n, request in enumerate(self._accepted)}
        return list(seen.values())

    @property
    def _accepted(self) -> list[ReceivedRequest]:
        return [request for request in self.requests if request.method == "POST"]

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                announced = int(self.headers.get("content-length", 0))
                body = self.rfile.read(announced)
                if len(body) < announced:  # the client left in the middle: nothing was sent
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                if receiver.token is not None and headers.get("authorization") != receiver.token:
                    self._send(Answer(401, body=b"who are you?"))
                    return
                receiver.requests.append(ReceivedRequest(self.command, self.path, headers, body))
                receiver.arrived.set()
                self._send(receiver.answers.pop(0) if receiver.answers else Answer())

            do_HEAD = do_PUT = do_GET = do_POST  # noqa: N815 - the names that the base class calls

            def _send(self, answer: Answer) -> None:
                if answer.hang:
                    receiver.stopping.wait(60)
                if answer.drop or answer.hang:
                    self.close_connection = True
                    return
                with contextlib.suppress(OSError):  # the other side may have had enough
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(answer.body)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


@pytest.fixture
def http_receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def https_receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpReceiver]:
    """As `http_receiver`, with TLS for the name localhost; `ca_file` holds its authority, for SSL_CERT_FILE."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    receiver = HttpReceiver(context, ca_file)
    yield receiver
    receiver.stop()
