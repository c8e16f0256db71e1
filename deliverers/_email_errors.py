"""What a mail server's refusals and silences mean for a delivery, and for whom."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

from deliverers._email_wire import NotSmtp, Reply, Wire, WireBroken
from shared.errors import DeliveryError, DeliveryRefused, DeliveryUnavailable
from shared.plugins import Control

_LOGIN_WANTED = "The server wants a login: set `username` and `password`."
_PLAIN_PORT = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"}


@contextlib.contextmanager
def translated(host: str, port: int, wire: Wire, control: Control) -> Iterator[None]:
    """Errors of the connection become ours, a cancel or the time limit first."""
    try:
        yield
    except NotSmtp as error:
        control.check()
        raise DeliveryRefused(
            f"Network: what listens on port {port} of {host} {error}.",
            hint="Check `host`, `port` and `tls`: 587 is for starttls, 465 for tls.",
        ) from error
    except WireBroken as error:
        control.check()
        raise _broken(host, port, wire, error.__cause__) from error


def judged(reply: Reply, host: str, what: str, hint: str) -> Reply:
    """The reply, if it is a yes.

    Args:
        what: what was asked for, as in `the recipient ann@example.org`.
        hint: what to do about a no that stays one.

    Raises:
        DeliveryRefused: a reply 5xx.
        DeliveryUnavailable: a reply 4xx.
    """
    if reply.code < 400:
        return reply
    if reply.code >= 500:
        raise DeliveryRefused(
            f"{host} refused {what} ({reply.words}).", hint=_LOGIN_WANTED if reply.code == 530 else hint
        )
    raise DeliveryUnavailable(
        f"{host} cannot take {what} now ({reply.words}).",
        hint="It is tried again; ask the server's administrator if it lasts.",
    )


def unknown_name(host: str, error: OSError | UnicodeError) -> DeliveryError:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return DeliveryUnavailable(
            f"Name: the name of the mail server {host} could not be looked up right now.", hint="It is tried again."
        )
    return DeliveryRefused(f"Name: there is no server called {host}.", hint="Check `host`.")


def _broken(host: str, port: int, wire: Wire, cause: BaseException | None) -> DeliveryError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DeliveryRefused(
            f"TLS: the certificate of {host} is not trusted: {cause.verify_message}.",
            hint="Have the server's certificate corrected, or add its authority to the system's (SSL_CERT_FILE).",
        )
    if isinstance(cause, ssl.SSLError) and cause.reason in _PLAIN_PORT:
        return DeliveryRefused(
            f"TLS: port {port} of {host} does not speak TLS from the start.",
            hint="Choose starttls, or the port for tls (465).",
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return DeliveryUnavailable(
            f"TLS: {host} and this server could not agree on an encrypted connection.",
            hint="Check that the server speaks TLS 1.2 or newer.",
        )
    if not wire.has_answered:
        return DeliveryUnavailable(
            f"Network: {host} does not answer on port {port}.",
            hint="Check `host` and `port`, that a firewall lets this server through, and `tls`: port 465 is for tls.",
        )
    return DeliveryUnavailable(
        f"Network: the connection to {host} broke before everything was sent.", hint="It is tried again."
    )
