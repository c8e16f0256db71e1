"""A session with a mail server: reach it, encrypt, log in, hand over one message."""

from __future__ import annotations

import base64
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from deliverers._email_errors import judged, translated, unknown_name
from deliverers._email_facts import size_in_words
from deliverers._email_message import OutgoingMail
from deliverers._email_wire import NotSmtp, Reply, Wire, WireBroken
from shared.errors import DeliveryRefused, DeliveryUnavailable, DeliveryUnknown
from shared.network import resolve
from shared.plugins import Control

_PATIENCE = 600.0
"""Seconds that a server may take to look through a message (RFC 5321, 4.5.3.2.6)."""

Tls = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True)
class MailServer:
    """Which server, and as whom."""

    host: str
    port: int
    tls: Tls
    timeout: float
    username: str
    password: str

    @property
    def secrets(self) -> list[str]:
        """The password in all forms in which a server could repeat it."""
        return [self.password, _base64(self.password), _base64(f"\0{self.username}\0{self.password}")]


@contextlib.contextmanager
def opened(server: MailServer, control: Control) -> Iterator[Session]:
    """A session, encrypted and logged in as the configuration says.

    Raises:
        AddressBlocked: the outgoing guard says no.
        DeliveryError: what else stands in the way; the message begins with the layer: Name, Network, TLS, Login.
    """
    wire = Wire(server.timeout, control)
    with (
        contextlib.closing(wire),
        control.on_cancel(wire.abort),
        translated(server.host, server.port, wire, control),
    ):
        session = Session(server, wire)
        session.open(control)
        yield session
        session.quit()


class Session:
    """The commands, in their order."""

    def __init__(self, server: MailServer, wire: Wire) -> None:
        self._server = server
        self._wire = wire
        self._offers: dict[str, str] = {}
        self.greeting = ""

    def open(self, control: Control) -> None:
        server = self._server
        try:
            addresses = resolve(server.host, server.port, control.network)
        except (OSError, UnicodeError) as error:
            raise unknown_name(server.host, error) from error
        control.check()
        self._wire.connect(addresses, server.port)
        if server.tls == "tls":
            self._wire.start_tls(ssl.create_default_context(), server.host)
        self.greeting = self._judged(self._wire.reply(), "the connection", "Ask the server's administrator.").words
        self._hello()
        if server.tls == "starttls":
            self._start_tls()
        if server.username:
            self._log_in()

    @property
    def max_size(self) -> int | None:
        """The largest message that the server says it takes."""
        size = self._offers.get("SIZE", "")
        return int(size) or None if size.isascii() and size.isdigit() else None

    @property
    def encryption(self) -> str:
        return self._wire.encryption

    def noop(self) -> Reply:
        return self._judged(self._wire.command("NOOP"), "a harmless command", "Ask the server's administrator.")

    def send(self, mail: OutgoingMail, control: Control) -> Reply:
        """Hand the message over; the reply is the server's receipt.

        Raises:
            DeliveryUnknown: the end was sent, but no answer came.
        """
        self._envelope(mail)
        control.check()
        for piece in mail.pieces(control):
            self._wire.send(_stuffed(piece))
        control.check()
        self._wire.send(b".\r\n")
        self._wire.is_committed = True
        try:
            reply = self._wire.verdict(_PATIENCE)
            if reply.code < 400 and reply.code != 250:
                raise NotSmtp("neither took nor refused the message")
        except (WireBroken, NotSmtp) as error:
            raise DeliveryUnknown(
                f"{self._server.host} did not confirm the message to {mail.recipient}: the connection ended after "
                "everything was sent.",
                hint=f"Look for the message {mail.message_id} in the server's log, or ask the recipient, before "
                "sending it again.",
            ) from error
        return self._judged(
            reply, f"the message to {mail.recipient}", "The server's own words say why; its administrator knows more."
        )

    def quit(self) -> None:
        """Say goodbye. The work is done, so nobody waits for an answer."""
        with contextlib.suppress(WireBroken):
            self._wire.send(b"QUIT\r\n")

    def _hello(self) -> None:
        reply = self._judged(
            self._wire.command(f"EHLO {self._wire.own_name}"),
            "the greeting of this server",
            "Ask the server's administrator whether this server may send mail through it.",
        )
        words = [line.upper().split(" ", 1) for line in reply.lines[1:]]
        self._offers = {word[0]: word[-1] if len(word) > 1 else "" for word in words}

    def _start_tls(self) -> None:
        if "STARTTLS" not in self._offers:
            raise DeliveryRefused(
                f"TLS: {self._server.host} does not offer STARTTLS on port {self._server.port}.",
                hint="Choose tls if the port is for TLS from the start (465); none sends everything readable.",
            )
        self._judged(self._wire.command("STARTTLS"), "to begin TLS", "Ask the server's administrator.")
        self._wire.start_tls(ssl.create_default_context(), self._server.host)
        self._hello()  # what was said before could be forged

    def _log_in(self) -> None:
        server = self._server
        ways = self._offers.get("AUTH", "").split()
        if "PLAIN" in ways:
            reply = self._wire.command(f"AUTH PLAIN {_base64(f'{chr(0)}{server.username}{chr(0)}{server.password}')}")
        elif "LOGIN" in ways:
            reply = self._wire.command("AUTH LOGIN")
            for word in (server.username, server.password):
                if reply.code == 334:
                    reply = self._wire.command(_base64(word))
        else:
            raise DeliveryRefused(
                f"Login: {server.host} offers no login with a password here.",
                hint="Choose starttls or tls if it wants encryption first, or leave out `username` and `password`.",
            )
        reply = reply.without(server.secrets)
        if reply.code == 235:
            return
        if 400 <= reply.code < 500:
            raise DeliveryUnavailable(
                f"Login: {server.host} cannot check the login for user {server.username} now ({reply.words}).",
                hint="It is tried again.",
            )
        raise DeliveryRefused(
            f"Login: {server.host} refused the login for user {server.username} ({reply.words}).",
            hint="Check `username` and `password`; some providers want a password made for apps.",
        )

    def _envelope(self, mail: OutgoingMail) -> None:
        self._refuse_what_it_cannot_take(mail)
        parameters = f" SIZE={mail.size}" if "SIZE" in self._offers else ""
        if mail.is_international:
            parameters += " SMTPUTF8"
        self._judged(
            self._wire.command(f"MAIL FROM:<{mail.sender}>{parameters}"),
            f"the sender {mail.sender}",
            "Check `from_address`: the server must let this login send as it.",
        )
        self._judged(
            self._wire.command(f"RCPT TO:<{mail.recipient}>"),
            f"the recipient {mail.recipient}",
            "Check the recipient's address; if it is right, ask the server's administrator.",
        )
        reply = self._judged(self._wire.command("DATA"), "the message", "The server's own words say why.")
        if reply.code != 354:
            raise NotSmtp("does not take the message when asked to")

    def _refuse_what_it_cannot_take(self, mail: OutgoingMail) -> None:
        if self.max_size is not None and mail.size > self.max_size:
            raise too_large(mail.size, f"{self._server.host} takes", self.max_size)
        if mail.is_international and "SMTPUTF8" not in self._offers:
            raise DeliveryRefused(
                f"{self._server.host} cannot send to or from addresses with letters beyond ASCII (SMTPUTF8).",
                hint="Use an address in plain letters, or another mail server.",
            )

    def _judged(self, reply: Reply, what: str, hint: str) -> Reply:
        return judged(reply.without(self._server.secrets), self._server.host, what, hint)


def too_large(size: int, who_takes: str, limit: int) -> DeliveryRefused:
    return DeliveryRefused(
        f"The message would have {size_in_words(size)}; {who_takes} at most {size_in_words(limit)}.",
        hint="Files grow by 37 % in a mail. Choose a smaller format or fewer rows, or bring the file to a folder or "
        "bucket and leave out attachments (`attach`).",
    )


def _stuffed(piece: bytes) -> bytes:
    """A dot at the beginning of a line is doubled; every piece is whole lines."""
    doubled = piece.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
