"""A web server of the customer's: files or a notice, posted and signed as Standard Webhooks says.

The same parcel has the same ids and the same bytes at every try, so the receiver can tell a repeated one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, Field, SecretStr

from deliverers._secrets import is_reference
from deliverers._webhook_answers import Answer, arrived, broken, judge_check
from deliverers._webhook_body import Body, bodies
from deliverers._webhook_signing import is_secret, measured, signed
from shared.http import WebUrl, check_url, open_client
from shared.plugins import Control, Deliverer, Parcel, PluginConfig, Receipt

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,8190}[\x21-\x7e])?\Z")
_OURS = re.compile(
    r"(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|idempotency-key"
    r"|webhook-.*|report-hub-.*)\Z"
)


def _are_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    if len({name.lower() for name in headers}) != len(headers):
        raise ValueError("a header is named twice")
    for name, value in headers.items():
        if not _TOKEN.match(name):
            raise ValueError("a header's name may have letters, digits and hyphens only")
        if _OURS.match(name.lower()):
            raise ValueError(
                "a header is one that Report Hub sets itself (Host, Content-…, Idempotency-Key, Webhook-…)"
            )
        if not _VALUE.match(value.get_secret_value()):
            raise ValueError("a header's value must be printable ASCII without line ends")
    return headers


def _is_signing_secret(secret: SecretStr) -> SecretStr:
    if not is_reference(secret) and not is_secret(secret.get_secret_value()):
        raise ValueError("the secret must be whsec_ followed by the base64 form of 24 to 64 random bytes")
    return secret


SigningSecret = Annotated[SecretStr, AfterValidator(_is_signing_secret)]


class WebhookConfig(PluginConfig):
    url: WebUrl = Field(
        title="URL", description="Where to POST; use https.", examples=["https://hooks.example.com/reports"]
    )
    mode: Literal["multipart", "body", "notice"] = Field(
        default="multipart",
        title="What is sent",
        description="multipart: one request with the facts as JSON and all files; body: each file as the body of a "
        "request of its own; notice: the facts as JSON (names, sizes, SHA-256, rows), no content.",
    )
    secret: SigningSecret | None = Field(
        default=None,
        title="Signing secret",
        description="Signs each request as Standard Webhooks says (webhook-id, webhook-timestamp, webhook-signature).",
        examples=["whsec_…"],
    )
    previous_secret: SigningSecret | None = Field(
        default=None,
        title="Previous signing secret",
        description="While secrets are changed, requests carry the signatures of both.",
    )
    headers: Annotated[dict[str, SecretStr], AfterValidator(_are_headers)] = Field(
        default_factory=dict,
        title="Headers",
        description="Sent with each request, such as Authorization. The values are stored encrypted.",
        max_length=20,
    )
    timeout: float = Field(
        default=30, title="Timeout", description="Seconds to connect, and for each silence.", ge=1, le=600
    )


class WebhookDeliverer(Deliverer[WebhookConfig]):
    kind = "webhook"
    title = "Webhook"
    config_model = WebhookConfig

    def target(self) -> str:
        return check_url(self.config.url).origin

    def check(self, control: Control) -> str:
        control.check()
        with open_client(control, timeout=self.config.timeout) as client:
            try:
                with client.stream("HEAD", self.config.url, headers=self._headers()) as response:
                    answer = self._answer(response)
            except httpx.HTTPError as error:
                raise broken(self.target(), error, control, is_whole=False) from error
        return judge_check(answer)

    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        control.check()
        with open_client(control, timeout=self.config.timeout) as client:
            answers = [self._post(client, body, control) for body in bodies(self.config.mode, parcel)]
        return Receipt(answers[-1].words, {"status": answers[-1].status, "requests": len(answers)})

    def _post(self, client: httpx.Client, body: Body, control: Control) -> Answer:
        # Read once before the first byte leaves: for the signature, and so that a damaged file is never sent in part.
        facts = measured(body, self._keys(), control)
        headers = {**self._headers(), **body.headers, **signed(body, facts), "Content-Length": str(facts.length)}
        sending = _Sending(body.pieces(control))
        try:
            with client.stream("POST", self.config.url, headers=headers, content=sending) as response:
                answer = self._answer(response)
        except httpx.HTTPError as error:
            raise broken(self.target(), error, control, is_whole=sending.is_whole) from error
        return arrived(answer)

    def _answer(self, response: httpx.Response) -> Answer:
        # A server may repeat a login with its scheme (Bearer …) or without it.
        logins = [word for value in self._headers().values() for word in (value, value.split()[-1])]
        return Answer.of(self.target(), response, [*self._keys(), *logins])

    def _headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.config.headers.items()}

    def _keys(self) -> list[str]:
        return [key.get_secret_value() for key in (self.config.secret, self.config.previous_secret) if key is not None]


class _Sending:
    """Knows whether the last byte was handed over: after that, a lost connection leaves the outcome open."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        self.is_whole = True
