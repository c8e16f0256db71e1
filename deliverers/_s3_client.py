"""A botocore client that signs and parses, while every request leaves through the guarded HTTP client."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import httpx

from deliverers._s3_config import S3Config
from shared.errors import DeliveryRefused
from shared.http import open_client
from shared.plugins import Control

if TYPE_CHECKING:
    import botocore.session
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_s3 import S3Client

_REGION = re.compile(r"[a-z0-9-]{1,60}")
_PIECE = 1 << 20
_MAKING = threading.Lock()


@contextlib.contextmanager
def open_s3(config: S3Config, control: Control) -> Iterator[S3Client]:
    with open_client(control, timeout=config.timeout) as http:
        client = _client(config)
        # The first handler that answers replaces botocore's own sending: addresses are checked and met as shared.http
        # does it, and neither proxies nor authorities nor redirects of botocore have a say.
        send: Any = _Sender(http, config)
        client.meta.events.register_first("before-send.s3", send)
        yield client


@functools.cache
def _session() -> botocore.session.Session:
    """Knows only defaults: no AWS_… variable and no ~/.aws of the server's machine reaches a tenant's delivery."""
    import botocore.session
    from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfigValueStore, ConstantProvider

    values = {name: default for name, (_, _, default, _) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    values |= {"config_file": os.devnull, "credentials_file": os.devnull}
    session = botocore.session.Session()
    session.register_component(
        "config_store", ConfigValueStore({name: ConstantProvider(value) for name, value in values.items()})
    )
    return session


def _client(config: S3Config) -> S3Client:
    from botocore.config import Config

    in_path = config.endpoint_url is not None if config.path_style is None else config.path_style
    options: dict[str, Any] = {
        "signature_version": "s3v4",
        "retries": {"mode": "standard", "total_max_attempts": 1},  # the engine repeats, nobody else
        "request_checksum_calculation": "when_required",  # ours are sent; botocore's own need chunked bodies
        "response_checksum_validation": "when_required",
        "ignore_configured_endpoint_urls": True,
        "s3": {"addressing_style": "path" if in_path else "auto", "us_east_1_regional_endpoint": "regional"},
    }
    with _MAKING:  # sessions are not made for several threads, clients are
        client: Any = _session().create_client(
            "s3",
            region_name=config.region,
            endpoint_url=config.endpoint_url,
            aws_access_key_id=config.access_key_id,
            aws_secret_access_key=config.secret_access_key.get_secret_value(),
            aws_session_token=config.session_token.get_secret_value() if config.session_token else None,
            config=Config(**options),
        )
    return cast("S3Client", client)


class _Sender:
    def __init__(self, http: httpx.Client, config: S3Config) -> None:
        self._http = http
        self._config = config
        self._host: str | None = None

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        from botocore.awsrequest import AWSResponse

        url = httpx.URL(request.url)
        self._refuse_moving(url.host)
        # Nobody waits here for the "100 Continue" that botocore asks for.
        headers = {name: _text(value) for name, value in request.headers.items() if name.lower() != "expect"}
        body = _bytes(request.body)
        if body:
            headers["Content-Length"] = str(len(body))
        # In pieces that are gone once they are sent: httpx's requests and answers hold each other, and a body that they
        # held would stay until the garbage collector looks.
        response = self._http.request(request.method, url, headers=headers, content=_pieces(body) if body else b"")
        self._refuse_redirect(response)
        answered: Any = dict(response.headers)
        return AWSResponse(request.url, response.status_code, answered, _Raw(response.content))

    def _refuse_moving(self, host: str) -> None:
        if self._host is None:
            self._host = host
        elif self._host != host:
            raise DeliveryRefused(
                f"The bucket {self._config.bucket} is served by another host; redirects are not followed.",
                hint="Check `region` and `endpoint_url`.",
            )

    def _refuse_redirect(self, response: httpx.Response) -> None:
        region = response.headers.get("x-amz-bucket-region", "")
        if (
            response.status_code >= 300
            and region not in ("", self._config.region)
            and region.replace("-", "").isalnum()
        ):
            raise DeliveryRefused(
                f"The bucket {self._config.bucket} is in the region {region[:60]}.", hint="Enter it as `region`."
            )
        if 300 <= response.status_code < 400:
            raise DeliveryRefused(
                f"The store sends requests for the bucket {self._config.bucket} elsewhere; redirects are not followed.",
                hint=f"Check `endpoint_url` and `region`{f' (the store says {region[:60]})' if region else ''}.",
            )


class _Raw(io.BytesIO):
    """As botocore reads answers."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while piece := self.read(65_536):
            yield piece


def _bytes(body: Any) -> bytes:
    """Bodies are put together in memory, by Bucket or by botocore, which wraps some of them as files."""
    content = body.read() if hasattr(body, "read") else body
    return content.encode() if isinstance(content, str) else bytes(content or b"")


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
