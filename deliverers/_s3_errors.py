"""What the errors of S3 and of stores like it mean for a delivery."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx

from deliverers._http_errors import is_caused_by, retry_after
from deliverers._s3_config import S3Config
from shared.errors import DeliveryError, DeliveryRefused, DeliveryUnavailable
from shared.http import is_unknown_name
from shared.plugins import Control

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_LOGIN = {
    "InvalidAccessKeyId": "does not know the access key id",
    "SignatureDoesNotMatch": "refused the secret access key",
    "ExpiredToken": "says that the session token has expired",
    "InvalidToken": "refused the session token",
    "TokenRefreshRequired": "says that the session token has expired",
    "RequestTimeTooSkewed": "says that the clock of this server is wrong",
}
_BUSY = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict",
    "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "NoSuchUpload", "QuotaExceeded", "XMinioStorageFull",
}  # fmt: skip
"""Will or may get better: too many requests, damage on the way, an upload that was cleaned away, a full disk."""


@contextlib.contextmanager
def translated(config: S3Config, control: Control) -> Iterator[None]:
    """Turn errors of the driver inside the block into ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except httpx.HTTPError as error:
        control.check()  # a cancelled request looks like a broken one
        raise _network_error(error) from error
    except ClientError as error:
        raise client_error(config, error) from error
    except BotoCoreError as error:
        raise DeliveryRefused(
            f"The request to the bucket {config.bucket} cannot be made: {type(error).__name__}.",
            hint="Check `bucket`, `region`, `endpoint_url` and `tags`.",
        ) from error


def code_of(error: ClientError) -> str:
    """Of a HEAD, which has no text, the status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def client_error(config: S3Config, error: ClientError) -> DeliveryError:
    code, status = code_of(error), status_of(error)
    store = config.endpoint_url or "S3"
    if code in _LOGIN:
        return DeliveryRefused(
            f"Login: {store} {_LOGIN[code]}.", hint="Check `access_key_id` and `secret_access_key`, and the clock."
        )
    if code in _BUSY or status >= 500 or status == 429:
        headers = httpx.Headers(error.response["ResponseMetadata"].get("HTTPHeaders", {}))
        return DeliveryUnavailable(
            f"{store} cannot take objects for the bucket {config.bucket} now ({code or status}).",
            hint="It is tried again; ask the store's operator if it lasts.",
            retry_after=retry_after(headers),
        )
    if code == "NoSuchBucket":
        return DeliveryRefused(
            f"There is no bucket {config.bucket}.", hint="Check `bucket`, `region` and `endpoint_url`."
        )
    if status in (401, 403):
        return DeliveryRefused(
            f"{store} does not let this access key into the bucket {config.bucket} ({code}).",
            hint="Allow s3:PutObject and s3:AbortMultipartUpload (with tags s3:PutObjectTagging; with keep_both or "
            "refuse also s3:GetObject and s3:ListBucket), and the use of the KMS key if there is one.",
        )
    return DeliveryRefused(
        f"{store} refused the object for the bucket {config.bucket} ({code or status}).",
        hint="Compare what the store can do with `storage_class`, `server_side_encryption`, `tags` and `checksum`.",
    )


def _network_error(error: httpx.HTTPError) -> DeliveryError:
    server = error.request.url.host
    if isinstance(error, httpx.ConnectError):
        if is_caused_by(error, ssl.SSLCertVerificationError):
            return DeliveryRefused(
                f"TLS: the certificate of {server} is not valid for it, or its authority is not known.",
                hint="Have the certificate corrected, or add its authority to the system's (SSL_CERT_FILE); for bucket "
                "names with dots set `path_style`.",
            )
        if is_unknown_name(error):
            return DeliveryRefused(
                f"Name: there is no server called {server}.",
                hint="Check `endpoint_url`, `region` and `bucket`; compatible stores often need `path_style`.",
            )
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return DeliveryUnavailable(
            f"Network: {server} cannot be reached.",
            hint="Check that it runs and that a firewall lets this server through.",
        )
    return DeliveryUnavailable(
        f"Network: the connection to {server} broke or fell silent.", hint="It is tried again; see `timeout`."
    )
