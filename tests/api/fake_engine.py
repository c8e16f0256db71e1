"""An execution engine that fails on order: it gives the answers of a list, one after the other, and keeps the asks."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """`body` as JSON, or raw bytes; `holds` keeps the caller waiting until the test lets go."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    holds: threading.Event | None = None


@dataclass(frozen=True)
class Ask:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class FakeEngine:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asks: list[Ask] = []
        self.address = ""

    def start_again(self) -> None:
        self.answers.clear()
        self.asks.clear()

    def then(self, status: int = 200, body: Any = None, **options: Any) -> None:
        self.answers.append(Answer(status, body, **options))


@contextmanager
def fake_engine() -> Iterator[FakeEngine]:
    engine = FakeEngine()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            engine.asks.append(Ask(self.command, self.path, headers, json.loads(text) if text else None))
            answer = engine.answers.pop(0)
            if answer.holds is not None:
                answer.holds.wait(30)
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            with contextlib.suppress(BrokenPipeError):  # a caller that did not wait
                self.send_response(answer.status)
                for name, value in {"content-length": str(len(body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield engine
    server.shutdown()
    server.server_close()
    thread.join()
