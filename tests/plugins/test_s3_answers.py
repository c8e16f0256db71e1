"""S3: answers that stores give rarely, and that nothing of the server's machine reaches a delivery."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deliverers.s3 import S3Config, S3Deliverer
from shared.errors import AddressBlocked, Cancelled, DeliveryRefused, DeliveryUnavailable
from shared.network import NetworkPolicy, resolve
from shared.plugins import Control
from tests.plugins.deliverer_contract import artifact, control, parcel
from tests.plugins.s3_places import Bucket, deliverer
from tests.services.http_receiver import Answer, HttpReceiver
from tests.services.s3_server import ACCESS_KEY, S3Server

pytestmark = pytest.mark.service


@pytest.fixture
def moto(moto_server: S3Server) -> Bucket:
    return Bucket(moto_server)


def _xml(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


def _answering(receiver: HttpReceiver, **changes: Any) -> S3Deliverer:
    return deliverer(endpoint_url=receiver.url.removesuffix("/hook"), **changes)


@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        (403, "AccessDenied", DeliveryRefused, "does not let this access key"),
        (403, "SignatureDoesNotMatch", DeliveryRefused, "Login: .* refused the secret access key"),
        (403, "RequestTimeTooSkewed", DeliveryRefused, "clock"),
        (400, "ExpiredToken", DeliveryRefused, "expired"),
        (404, "NoSuchBucket", DeliveryRefused, "There is no bucket reports"),
        (400, "InvalidStorageClass", DeliveryRefused, "InvalidStorageClass"),
        (400, "BadDigest", DeliveryUnavailable, "BadDigest"),
        (503, "SlowDown", DeliveryUnavailable, "SlowDown"),
        (500, "InternalError", DeliveryUnavailable, "InternalError"),
        (429, "TooManyRequests", DeliveryUnavailable, "TooManyRequests"),
        (507, "XMinioStorageFull", DeliveryUnavailable, "XMinioStorageFull"),
    ],
)
def test_each_answer_says_whether_it_may_pass(
    http_receiver: HttpReceiver, tmp_path: Path, status: int, code: str, expected: type[Exception], words: str
) -> None:
    http_receiver.answers += [Answer(404), Answer(status, {"Retry-After": "7"}, _xml(code))]
    with pytest.raises(expected, match=words) as caught:
        _answering(http_receiver).deliver(parcel(artifact(tmp_path)), control())
    assert caught.value.hint  # type: ignore[attr-defined]
    assert getattr(caught.value, "retry_after", timedelta(seconds=7)) == timedelta(seconds=7)
    assert [request.method for request in http_receiver.requests] == ["HEAD", "PUT"]  # and no retry of the driver's own


def test_a_user_that_may_only_write_writes(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    http_receiver.answers += [Answer(403), Answer(200, body=b"")]
    assert _answering(http_receiver).deliver(parcel(artifact(tmp_path)), control())
    http_receiver.answers += [Answer(403)]
    with pytest.raises(DeliveryRefused, match="does not let"):
        _answering(http_receiver, overwrite="refuse").deliver(parcel(artifact(tmp_path)), control())


def test_a_store_without_conditions_gets_the_object_without_one(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    http_receiver.answers += [Answer(404), Answer(501, body=_xml("NotImplemented")), Answer(200, body=b"")]
    _answering(http_receiver, overwrite="keep_both").deliver(parcel(artifact(tmp_path)), control())
    assert [request.headers.get("if-none-match") for request in http_receiver.requests] == [None, "*", None]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(http_receiver: HttpReceiver, tmp_path: Path, status: int) -> None:
    http_receiver.answers.append(Answer(status, {"Location": http_receiver.url}, _xml("TemporaryRedirect")))
    with pytest.raises(DeliveryRefused, match="elsewhere"):
        _answering(http_receiver).deliver(parcel(artifact(tmp_path)), control())
    assert len(http_receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 400])
def test_another_region_is_named_and_not_gone_to(http_receiver: HttpReceiver, tmp_path: Path, status: int) -> None:
    headers = {"x-amz-bucket-region": "eu-central-1"}
    http_receiver.answers += [Answer(status, headers, _xml("AuthorizationHeaderMalformed"))] * 3
    with pytest.raises(DeliveryRefused, match="in the region eu-central-1"):
        _answering(http_receiver).deliver(parcel(artifact(tmp_path)), control())
    assert len(http_receiver.requests) == 1


@pytest.mark.parametrize("at", ["head", "put"])
def test_a_lost_connection_is_tried_again(http_receiver: HttpReceiver, tmp_path: Path, at: str) -> None:
    http_receiver.answers += [Answer(404)] * (at == "put") + [Answer(drop=True)]
    with pytest.raises(DeliveryUnavailable, match=r"^Network: the connection"):
        _answering(http_receiver).deliver(parcel(artifact(tmp_path)), control())


def test_cancelling_ends_a_request_that_waits(http_receiver: HttpReceiver, tmp_path: Path) -> None:
    http_receiver.answers.append(Answer(hang=True))
    stopped = control()
    helper = threading.Thread(target=lambda: (http_receiver.arrived.wait(30), stopped.cancel()))
    helper.start()
    with pytest.raises(Cancelled):
        _answering(http_receiver).deliver(parcel(artifact(tmp_path)), stopped)
    helper.join()
    http_receiver.stopping.set()


def test_nothing_of_the_servers_environment_reaches_a_delivery(
    moto: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-west-9\ns3 =\n  use_accelerate_endpoint = true\n[broken\n")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT",
        "AWS_SECRET_ACCESS_KEY": "of the environment",
        "AWS_SESSION_TOKEN": "of the environment",
        "AWS_PROFILE": "nobody",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL_S3": "http://192.0.2.1",
        "AWS_CA_BUNDLE": "/nowhere",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTP_PROXY": "http://192.0.2.1:3128",
        "ALL_PROXY": "http://192.0.2.1:3128",
    }.items():
        monkeypatch.setenv(name, value)
    moto.server.log.clear()
    moto.deliverer().deliver(parcel(artifact(tmp_path)), control())
    seen = [headers for _, path, headers in moto.server.log if moto.name in path]
    assert len(seen) == 2
    for headers in seen:
        assert headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")
        assert "/us-east-1/s3/" in headers["authorization"]
        assert "x-amz-security-token" not in headers


def test_keys_are_required() -> None:
    with pytest.raises(ValidationError):
        S3Config.model_validate({"bucket": "reports"})


def test_aws_is_addressed_by_bucket_and_region_and_checked_like_any_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def metadata_service(host: str, port: int, policy: NetworkPolicy, resolver: object) -> list[str]:
        asked.append(host)
        return resolve(host, port, policy, lambda host, port: ["169.254.169.254"])

    monkeypatch.setattr("shared.http.resolve", metadata_service)
    for changes in ({}, {"path_style": True}, {"bucket": "with.dots"}):
        with pytest.raises(AddressBlocked):
            deliverer(region="eu-central-1", **changes).deliver(parcel(artifact(tmp_path)), Control())
    assert asked == ["reports.s3.eu-central-1.amazonaws.com", *["s3.eu-central-1.amazonaws.com"] * 2]


@pytest.fixture
def tls_store(https_receiver: HttpReceiver) -> Iterator[HttpReceiver]:
    https_receiver.answers += [Answer(404), Answer(200, body=b"")]
    return https_receiver


def test_tls_is_verified(tls_store: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeliveryRefused, match=r"^TLS: the certificate"):
        _answering(tls_store).deliver(parcel(artifact(tmp_path)), control())
    assert tls_store.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_store.ca_file))
    assert _answering(tls_store).deliver(parcel(artifact(tmp_path)), control())


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket": "a/b"},
        {"bucket": "arn:aws:s3:eu-central-1:123456789012:accesspoint/x"},
        {"bucket": ""},
        {"prefix": "../up"},
        {"prefix": "{nothing}"},
        {"region": "eu central"},
        {"region": "evil.example.com/"},
        {"access_key_id": "a\nb"},
        {"endpoint_url": "http://ann:pw@minio.example.com"},
        {"endpoint_url": "file:///etc/passwd"},
        {"kms_key_id": "x"},
        {"tags": {"aws:x": "y"}},
        {"tags": {"": "y"}},
        {"tags": {"team": "A & B"}},
        {"storage_class": "standard"},
    ],
)
def test_bad_configurations_are_refused_when_saved(changes: dict[str, Any]) -> None:
    good = {"bucket": "reports", "access_key_id": "AK", "secret_access_key": "x"}
    S3Config.model_validate(good)
    with pytest.raises(ValidationError):
        S3Config.model_validate({**good, **changes})


def test_the_target_names_bucket_prefix_and_store() -> None:
    assert deliverer(prefix="/in/{date}/").target() == "s3://reports/in/{date}"
    assert deliverer(endpoint_url="https://minio.example.com:9000/x").target() == (
        "s3://reports at https://minio.example.com:9000"
    )
