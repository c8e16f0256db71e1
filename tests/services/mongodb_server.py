"""A MongoDB server for tests: MongoDB's wire protocol over mongomock, so the real driver talks through a real socket.

It knows SCRAM-SHA-256, find, aggregate, getMore, killCursors, killSessions, killOp, and what a driver asks on the way.
It proves how the connector speaks, not what a real mongod makes of a filter.
"""

from __future__ import annotations

import contextlib
import itertools
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import bson
import mongomock
import pytest

from tests.services.mongodb_login import Login

Document = dict[str, Any]
_MESSAGE, _OLD_QUERY, _OLD_REPLY = 2013, 2004, 1
_HEADER = struct.Struct("<iiii")
_MAX_REPLY = 16 << 20
_UNAUTHORIZED = (13, "Unauthorized")


@dataclass
class Operation:
    """A command that waits on the server."""

    session: bytes
    comment: Any
    is_killed: threading.Event = field(default_factory=threading.Event)


@dataclass
class MongoServer:
    """The server and what it saw.

    Attributes:
        client: mongomock; tests put documents here.
        raw: BSON documents of a collection, made anew for each find; filters are not looked at.
        stalls: find and getMore on these collections wait until they are killed or out of time.
        expires: commands on these collections run out of time at once.
        refused: commands that the login may not use.
        commands: all that came, in order.
    """

    port: int = 0
    username: str = "reports"
    password: str = "s3cret-Zoë"
    client: Any = field(default_factory=mongomock.MongoClient)
    raw: dict[str, Callable[[], Iterable[bytes]]] = field(default_factory=dict)
    stalls: set[str] = field(default_factory=set)
    expires: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    commands: list[Document] = field(default_factory=list)
    operations: dict[int, Operation] = field(default_factory=dict)
    cursors: dict[int, tuple[str, bytes, Iterator[bytes]]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1000))
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_stalled: threading.Event = field(default_factory=threading.Event)

    @property
    def config(self) -> dict[str, Any]:
        """As a datasource's connection_config."""
        login = {"username": self.username, "password": self.password}
        return {"host": "127.0.0.1", "port": self.port, "database": "shop", "tls": "disable", **login}

    def named(self, name: str) -> list[Document]:
        """The commands of that name that came."""
        return [command for command in self.commands if next(iter(command)) == name]


class _Failure(Exception):
    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.answer = {"ok": 0.0, "errmsg": message, "code": code, "codeName": name}


class _Handler(socketserver.BaseRequestHandler):
    server: _TcpServer

    def handle(self) -> None:
        self._hub = self.server.hub
        self._login = Login(self._hub.username, self._hub.password)
        with contextlib.suppress(OSError, EOFError):
            if self._hub.tls is not None:
                self.request = self._hub.tls.wrap_socket(self.request, server_side=True)
            while True:
                length, number, answers, code = _HEADER.unpack(self._read(16))
                if answers not in (0, -1):
                    return  # so a mongod tells TLS, and hangs up where it offers none
                body = self._read(length - 16)
                answer, code = (
                    (_message(self._run(_command(body))), _MESSAGE)
                    if code == _MESSAGE
                    else (_old_reply(self._run(bson.decode(body[body.index(0, 4) + 9 :]))), _OLD_REPLY)
                )
                self.request.sendall(_HEADER.pack(16 + len(answer), 0, number, code) + answer)

    def finish(self) -> None:
        self.request.close()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.request.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _run(self, command: Document) -> Document:
        name = next(iter(command))
        self._hub.commands.append(command)
        try:
            if name.lower() in ("hello", "ismaster"):
                return _hello(command)
            if name in ("saslStart", "saslContinue"):
                return self._login.answer(name, command) or _failed(
                    18, "AuthenticationFailed", "Authentication failed."
                )
            if not self._login.is_done:
                raise _Failure(*_UNAUTHORIZED, f"command {name} requires authentication")
            if name in self._hub.refused:
                raise _Failure(*_UNAUTHORIZED, f"not authorized on shop to execute command {name}")
            answer = getattr(self, f"_on_{name.lower()}", None)
            if answer is None:
                raise _Failure(59, "CommandNotFound", f"no such command: '{name}'")
            return {**answer(command), "ok": 1.0}
        except _Failure as failure:
            return failure.answer
        except OSError:
            raise  # the connection breaks
        except Exception as error:  # noqa: BLE001 - whatever mongomock does not like
            return _failed(2, "BadValue", str(error))

    def _on_ping(self, command: Document) -> Document:
        return {}

    _on_endsessions = _on_ping

    def _on_buildinfo(self, command: Document) -> Document:
        return {"version": "7.0.0", "versionArray": [7, 0, 0, 0]}

    def _on_listcollections(self, command: Document) -> Document:
        names = {*self._hub.client[command["$db"]].list_collection_names()}
        if command["$db"] == "shop":
            names |= self._hub.raw.keys()
        found = [{"name": name, "type": "view" if name.endswith("_view") else "collection"} for name in sorted(names)]
        return self._page("$cmd.listCollections", command, iter([bson.encode(item) for item in found]), first=True)

    def _on_find(self, command: Document) -> Document:
        name = command["find"]
        self._stall(name, command)
        if name in self._hub.raw:
            documents: Iterator[bytes] = iter(self._hub.raw[name]())
        else:
            with self._hub.lock:
                cursor = self._hub.client[command["$db"]][name].find(command.get("filter"), command.get("projection"))
                if command.get("sort"):
                    cursor = cursor.sort(list(command["sort"].items()))
                documents = iter([bson.encode(item) for item in cursor.skip(command.get("skip", 0))])
        if command.get("limit"):
            documents = itertools.islice(documents, command["limit"])
        return self._page(name, command, documents, first=True)

    def _on_aggregate(self, command: Document) -> Document:
        name = command["aggregate"]
        if name == 1:
            return self._page("$cmd.aggregate", command, self._running(), first=True)
        self._stall(name, command)
        with self._hub.lock:
            found = list(self._hub.client[command["$db"]][name].aggregate(command["pipeline"]))
        return self._page(name, command, iter([bson.encode(item) for item in found]), first=True)

    def _on_getmore(self, command: Document) -> Document:
        number = command["getMore"]
        if number not in self._hub.cursors:
            raise _Failure(43, "CursorNotFound", f"cursor id {number} not found")
        name, _, documents = self._hub.cursors.pop(number)
        self._stall(f"{name}:more", command)
        return self._page(name, command, documents, number=number)

    def _on_count(self, command: Document) -> Document:
        return {"n": self._hub.client[command["$db"]][command["count"]].count_documents({})}

    def _on_killcursors(self, command: Document) -> Document:
        for number in command["cursors"]:
            self._hub.cursors.pop(number, None)
        return {"cursorsKilled": command["cursors"]}

    def _on_killsessions(self, command: Document) -> Document:
        sessions = {bytes(item["id"]) for item in command["killSessions"]}
        for operation in self._hub.operations.values():
            if operation.session in sessions:
                operation.is_killed.set()
        for number in [number for number, cursor in self._hub.cursors.items() if cursor[1] in sessions]:
            del self._hub.cursors[number]
        return {}

    def _on_killop(self, command: Document) -> Document:
        self._hub.operations[command["op"]].is_killed.set()
        return {"info": "attempting to kill op"}

    def _running(self) -> Iterator[bytes]:
        for number, operation in list(self._hub.operations.items()):
            yield bson.encode({"opid": number, "command": {"comment": operation.comment}})

    def _page(
        self, name: str, command: Document, documents: Iterator[bytes], *, first: bool = False, number: int = 0
    ) -> Document:
        """As many documents as were asked for, and no more than a reply holds; a cursor for the rest."""
        asked = command.get("cursor", command).get("batchSize", 101 if first else None)
        batch: list[Any] = []
        size = 0
        rest: Iterator[bytes] | None = None
        for item in documents:
            is_full = len(batch) == asked or (batch and size + len(item) > _MAX_REPLY)
            if is_full:
                rest = itertools.chain([item], documents)
                break
            batch.append(bson.raw_bson.RawBSONDocument(item))
            size += len(item)
        if rest is not None:
            number = number or next(self._hub.ids)
            self._hub.cursors[number] = (name, _session(command), rest)
        place = {"firstBatch" if first else "nextBatch": batch}
        return {"cursor": {**place, "id": bson.Int64(0 if rest is None else number), "ns": f"shop.{name}"}}

    def _stall(self, name: str, command: Document) -> None:
        if name in self._hub.expires:
            raise _Failure(50, "MaxTimeMSExpired", "operation exceeded time limit")
        if name not in self._hub.stalls:
            return
        operation = Operation(_session(command), command.get("comment"))
        number = next(self._hub.ids)
        self._hub.operations[number] = operation
        self._hub.is_stalled.set()
        limit = command.get("maxTimeMS")
        is_killed = operation.is_killed.wait(limit / 1000 if limit else 60)
        del self._hub.operations[number]
        if not is_killed:
            raise _Failure(50, "MaxTimeMSExpired", "operation exceeded time limit")
        raise _Failure(11601, "Interrupted", "operation was interrupted")


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, hub: MongoServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


def _command(body: bytes) -> Document:
    """The command of an OP_MSG; a section of kind 1 would only carry documents to write."""
    return dict(bson.decode(body[5 : 5 + struct.unpack_from("<i", body, 5)[0]]))


def _message(answer: Document) -> bytes:
    return struct.pack("<I", 0) + b"\0" + bson.encode(answer)


def _old_reply(answer: Document) -> bytes:
    return struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer)


def _session(command: Document) -> bytes:
    return bytes(command["lsid"]["id"]) if "lsid" in command else b""


def _failed(code: int, name: str, message: str) -> Document:
    return _Failure(code, name, message).answer


def _hello(command: Document) -> Document:
    answer = {"helloOk": True, "isWritablePrimary": True, "ismaster": True, "maxBsonObjectSize": 16 << 20}
    answer |= {"maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30}
    if "saslSupportedMechs" in command:
        answer["saslSupportedMechs"] = ["SCRAM-SHA-256"]
    return {**answer, "minWireVersion": 0, "maxWireVersion": 21, "readOnly": False, "ok": 1.0}


@pytest.fixture
def mongodb_server() -> Iterator[MongoServer]:
    with run_mongodb() as server:
        yield server


@contextlib.contextmanager
def run_mongodb(tls: ssl.SSLContext | None = None) -> Iterator[MongoServer]:
    hub = MongoServer(tls=tls)
    with _TcpServer(hub) as server:
        hub.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield hub
        for operation in list(hub.operations.values()):
            operation.is_killed.set()
        server.shutdown()
        thread.join()
