"""The wire to a mail server: lines out, replies in, TLS on top; breakable from another thread."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shared.plugins import Control

_REPLY_LINE = re.compile(r"([2-5][0-9]{2})([ -]|\Z)(.*)", re.DOTALL)
_MAX_LINE = 4096
_MAX_LINES = 128
_WORDS = 400
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 1.0
"""How long an answer is waited for after a cancel; the engine kills a worker that needs two seconds."""


class WireBroken(Exception):
    """The connection cannot be made, or is gone; the cause says why."""


class NotSmtp(Exception):
    """The other side says something that is no SMTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered."""

    code: int
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        """The server's own words on one line: `250 2.0.0 Ok: queued as 12345`."""
        text = " ".join(" ".join(self.lines).split())
        return f"{self.code} {''.join(c for c in text if c.isprintable())}"[:_WORDS].strip()

    def without(self, secrets: Sequence[str]) -> Reply:
        """The same reply; what it repeats of the secrets is hidden."""
        lines = self.lines
        for secret in filter(None, secrets):
            lines = tuple(line.replace(secret, "********") for line in lines)
        return Reply(self.code, lines)


class Wire:
    """One connection.

    Attributes:
        has_answered: the other side has said something.
        is_committed: the end of the message was sent. From here on the server may have it, whatever happens, so
            cancelling does not break the connection any more: the answer is worth a moment.
    """

    def __init__(self, timeout: float, control: Control) -> None:
        self.has_answered = False
        self.is_committed = False
        self._timeout = timeout
        self._control = control
        self._socket: socket.socket | None = None
        self._received = b""

    def connect(self, addresses: Sequence[str], port: int) -> None:
        """Connect to the first address that answers."""
        for number, address in enumerate(addresses, start=1):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            try:
                with self._broken():
                    self._open.connect((address, port))
                return
            except WireBroken:
                self.close()
                self._control.check()
                if number == len(addresses):
                    raise

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Encrypt from here on; the certificate must be for `host`."""
        if self._received:
            raise NotSmtp("answers before it was asked, which could be forged")
        with self._broken():
            # Without the handshake first, so that abort() has the right socket during it.
            self._socket = context.wrap_socket(self._open, server_hostname=host, do_handshake_on_connect=False)
            self._socket.do_handshake()

    @property
    def encryption(self) -> str:
        """`TLSv1.3`, or nothing."""
        return (self._socket.version() or "") if isinstance(self._socket, ssl.SSLSocket) else ""

    @property
    def own_name(self) -> str:
        """What we call ourselves in EHLO: the host's full name, else the address that we connect from."""
        name = socket.gethostname()
        if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name):
            return name
        address = str(self._open.getsockname()[0])
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def command(self, line: str) -> Reply:
        """Send one line and read the reply to it."""
        self.send(f"{line}\r\n".encode())
        return self.reply()

    def send(self, content: bytes) -> None:
        with self._broken():
            self._open.sendall(content)

    def reply(self) -> Reply:
        """Read one reply of one or more lines."""
        with self._broken():
            return self._reply(lambda: self._open.recv(_MAX_LINE))

    def verdict(self, patience: float) -> Reply:
        """Read the reply that decides, with more patience; a cancel leaves it one more second."""
        until = time.monotonic() + min(patience, self._control.remaining() or patience)
        with self._broken():
            self._open.settimeout(_LOOK_SECONDS)
            return self._reply(lambda: self._look(until))

    def abort(self) -> None:
        """Break the connection under whoever is reading or writing."""
        if self._socket is not None and not self.is_committed:
            # The plain method: that of an SSLSocket would drop the TLS layer under a thread that is reading.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    @property
    def _open(self) -> socket.socket:
        assert self._socket is not None
        return self._socket

    @contextlib.contextmanager
    def _broken(self) -> Iterator[None]:
        remaining = self._control.remaining()
        try:
            self._open.settimeout(self._timeout if remaining is None else min(self._timeout, remaining))
            yield
        except OSError as error:
            raise WireBroken(str(error)) from error

    def _reply(self, receive: Callable[[], bytes]) -> Reply:
        lines: list[str] = []
        while len(lines) < _MAX_LINES:
            match = _REPLY_LINE.match(self._line(receive))
            if match is None:
                raise NotSmtp("does not answer in SMTP")
            lines.append(match[3])
            if match[2] != "-":
                return Reply(int(match[1]), tuple(lines))
        raise NotSmtp("answers without end")

    def _line(self, receive: Callable[[], bytes]) -> str:
        while b"\n" not in self._received:
            if len(self._received) > _MAX_LINE:
                raise NotSmtp("answers in endless lines")
            received = receive()
            if not received:
                raise ConnectionResetError("the server closed the connection")
            self.has_answered = True
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def _look(self, until: float) -> bytes:
        while True:
            try:
                return self._open.recv(_MAX_LINE)
            except TimeoutError:
                if self._control.is_cancelled:
                    until = min(until, time.monotonic() + _GRACE_SECONDS)
                if time.monotonic() > until:
                    raise
