"""A mail server that keeps what it is sent and answers as it is told, plain, with STARTTLS or with TLS; and a bare one
whose every word the test writes."""

from __future__ import annotations

import asyncio
import contextlib
import email.policy
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

DROP = "DROP"
HANG = "HANG"


@dataclass(frozen=True)
class ReceivedMail:
    """One message as it came, and its envelope."""

    mail_from: str
    recipient: str
    options: tuple[str, ...]
    username: str
    is_encrypted: bool
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """As the standard library reads it."""
        message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def files(self) -> dict[str, bytes]:
        """Attachments by the name that people see."""
        return {str(part.get_filename()): bytes(part.get_payload(decode=True)) for part in self.attachments}

    @property
    def attachments(self) -> list[EmailMessage]:
        return [part for part in self.message.iter_attachments() if isinstance(part, EmailMessage)]


@dataclass
class SmtpServer:
    """Runs in a thread of its own, on a free port of localhost.

    Attributes:
        mails: what was accepted.
        at_sender, at_recipient, at_data: answers instead of yes, by the recipient's (or sender's) address. DROP closes
            the connection without an answer; HANG never answers.
        logins: user names and passwords; without any, nobody needs to log in.
    """

    tls: str = "none"
    context: ssl.SSLContext | None = None
    options: dict[str, Any] = field(default_factory=dict)
    mails: list[ReceivedMail] = field(default_factory=list)
    at_sender: dict[str, str] = field(default_factory=dict)
    at_recipient: dict[str, str] = field(default_factory=dict)
    at_data: dict[str, str] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arrived = threading.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(10)

    @property
    def received(self) -> dict[str, ReceivedMail]:
        """By Message-ID: a repeated message once, as mailboxes have it."""
        return {str(mail.message["message-id"]): mail for mail in self.mails}

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        context = self.context if self.tls == "tls" else None
        server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=context)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _protocol(self) -> SMTP:
        options = {"data_size_limit": 100_000_000, "hostname": "mail.example.net", "enable_SMTPUTF8": True}
        if self.logins:
            options |= {"auth_required": True, "authenticator": self._authenticate, "auth_require_tls": False}
        if self.tls == "starttls":
            options |= {"tls_context": self.context, "require_starttls": True}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")  # it is meant so here
            return SMTP(self, loop=self._loop, **{**options, **self.options})

    def _authenticate(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        is_known = self.logins.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=is_known, handled=False, auth_data=data.login.decode())

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await _answer(server, self.at_sender.get(address, "250 2.1.0 Ok"))

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.rcpt_tos.append(address)
        return await _answer(server, self.at_recipient.get(address, "250 2.1.5 Ok"))

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        (recipient,) = envelope.rcpt_tos
        answer = self.at_data.get(recipient, f"250 2.0.0 Ok: queued as {len(self.mails) + 1:05}")
        if answer.startswith("250") or answer in (DROP, HANG):
            mail = ReceivedMail(
                envelope.mail_from,
                recipient,
                tuple(envelope.mail_options),
                str(session.auth_data or ""),
                session.ssl is not None or self.tls == "tls",
                envelope.original_content,
            )
            self.mails.append(mail)
            self.arrived.set()
        return await _answer(server, answer)


async def _answer(server: SMTP, answer: str) -> str:
    if answer == HANG:
        await asyncio.Event().wait()
    if answer == DROP:
        server.transport.abort()
    return answer


class Peer:
    """The server's side of one connection, for scripts."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def say(self, *lines: str) -> None:
        self._connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        """The client's next line; empty when it has gone."""
        return self._lines.readline().decode().rstrip("\r\n")

    def feel(self) -> bytes:
        """The client's next byte."""
        return self._lines.read(1)

    def wait(self) -> None:
        """Until the client has gone."""
        while self._lines.read(1):
            pass

    def greet(self, *offers: str) -> None:
        """220, and EHLO answered with these offers."""
        self.say("220 bare.example.net ESMTP")
        self.hear()
        self.say(*(f"250-{offer}" for offer in ("bare.example.net", *offers)), "250 HELP")

    def take_envelope(self) -> None:
        """MAIL and RCPT accepted, and DATA asked for."""
        for answer in ("250 sender ok", "250 recipient ok", "354 go ahead"):
            self.hear()
            self.say(answer)

    def take_message(self) -> int:
        """Read up to the lone dot; how many bytes came before it, or -1 when the client left."""
        size = 0
        while (line := self._lines.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                return -1
            size += len(line)
        return size

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


class BareServer:
    """Plays a script with each connection."""

    def __init__(self, script: Callable[[Peer], object]) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(30)
            peer = Peer(connection)
            with contextlib.suppress(OSError):  # the client may leave in the middle
                self._script(peer)
            peer.close()


@pytest.fixture(scope="session")
def mail_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def mail_authority_file(mail_authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    mail_authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def smtp_server(mail_authority: trustme.CA) -> Iterator[Callable[..., SmtpServer]]:
    """Starts servers: `smtp_server(tls="starttls", name="localhost", **options of aiosmtpd)`."""
    with contextlib.ExitStack() as running:

        def start(tls: str = "none", name: str = "localhost", **options: Any) -> SmtpServer:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            mail_authority.issue_cert(name).configure_cert(context)
            server = SmtpServer(tls, context, options)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture
def bare_smtp() -> Iterator[Callable[[Callable[[Peer], object]], BareServer]]:
    """Starts servers that play a script."""
    with contextlib.ExitStack() as running:

        def start(script: Callable[[Peer], object]) -> BareServer:
            server = BareServer(script)
            running.callback(server.stop)
            return server

        yield start
