"""What a web server's answer, or its silence, means for a delivery."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import httpx

from deliverers._http_errors import is_caused_by, retry_after
from shared.errors import DeliveryError, DeliveryRefused, DeliveryUnavailable, DeliveryUnknown
from shared.http import is_unknown_name
from shared.plugins import Control

_BUSY = {408, 425, 429}
_WORDS = 200
_READ_SECONDS = 10
_HINTS = {
    401: "Check `headers`: the server wants another login.",
    403: "Check `headers`: the server does not let this login in.",
    404: "Check `url`.",
    405: "Check `url`: the server takes no POST there.",
    410: "Check `url`: the server says that it is gone for good.",
    413: "Choose mode notice, a smaller format, or have the server take larger requests.",
    415: "Choose another mode: the server does not take this kind of body.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and first words, free of secrets."""

    server: str
    status: int
    words: str
    retry_after: timedelta | None

    @classmethod
    def of(cls, server: str, response: httpx.Response, secrets: Iterable[str]) -> Answer:
        """Read the beginning of the answer. The status has decided already, so the rest may break or never come."""
        text = _first_words(response)
        for secret in filter(None, secrets):
            text = text.replace(secret, "********")
        status = f"HTTP {response.status_code}"
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_WORDS]
        return cls(server, response.status_code, f"{status}: {text}" if text else status, retry_after(response.headers))


def arrived(answer: Answer) -> Answer:
    """The answer, if it says that the request was taken.

    Raises:
        DeliveryRefused: redirects and what else will not get better.
        DeliveryUnavailable: the server is busy or broken.
    """
    if 200 <= answer.status < 300:
        return answer
    if answer.status >= 500 or answer.status in _BUSY:
        raise DeliveryUnavailable(
            f"{answer.server} cannot take the report now ({answer.words}).",
            hint="It is tried again; ask the server's operator if it lasts.",
            retry_after=answer.retry_after,
        )
    if answer.status < 400:
        raise DeliveryRefused(
            f"{answer.server} sends the request elsewhere (HTTP {answer.status}); redirects are not followed.",
            hint="Enter the final address as `url`.",
        )
    raise DeliveryRefused(
        f"{answer.server} refused the report ({answer.words}).",
        hint=_HINTS.get(answer.status, "Compare what the server expects with `mode` and `headers`."),
    )


def judge_check(answer: Answer) -> str:
    """Receivers of POST answer a HEAD in many ways; only some of them mean that a report would not be taken."""
    if answer.status in {400, 404, 405, 406, 411, 415, 422, 501}:
        return (
            f"{answer.server} answers (HTTP {answer.status} to a question without content). "
            "A test delivery shows whether it takes reports."
        )
    arrived(answer)
    return f"{answer.server} answers (HTTP {answer.status})."


def broken(server: str, error: httpx.HTTPError, control: Control, *, is_whole: bool) -> DeliveryError:
    """What a request without an answer means; raises Cancelled when it was cancelled.

    Args:
        is_whole: the whole body had left, so the server may have it.
    """
    if control.is_cancelled:
        control.check()
    if is_whole:
        return DeliveryUnknown(
            f"{server} did not confirm: the connection ended after everything was sent.",
            hint="Ask the receiver, or send again: the Idempotency-Key stays the same.",
        )
    control.check()
    if not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return DeliveryUnavailable(
            f"Network: the connection to {server} broke before everything was sent.", hint="It is tried again."
        )
    if is_caused_by(error, ssl.SSLCertVerificationError):
        return DeliveryRefused(
            f"TLS: the certificate of {server} is not valid for it, or its authority is not known.",
            hint="Have the server's certificate corrected, or add its authority to the system's (SSL_CERT_FILE).",
        )
    if is_caused_by(error, ssl.SSLError):
        return DeliveryUnavailable(
            f"TLS: {server} and this server could not agree on an encrypted connection.",
            hint="Check that the port speaks https with TLS 1.2 or newer.",
        )
    if isinstance(error, httpx.ConnectError) and is_unknown_name(error):
        return DeliveryRefused(f"Name: there is no server called {server}.", hint="Check `url`.")
    return DeliveryUnavailable(
        f"Network: {server} cannot be reached.", hint="Check that it runs and that a firewall lets this server through."
    )


def _first_words(response: httpx.Response) -> str:
    found = b""
    until = time.monotonic() + _READ_SECONDS
    with contextlib.suppress(httpx.HTTPError):
        for chunk in response.iter_raw(1024):
            found += chunk
            if len(found) > 4 * _WORDS or time.monotonic() > until:
                break
    return found.decode("utf-8", "replace")
