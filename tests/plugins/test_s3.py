"""The S3 deliverer against moto, and against rclone, which checks signatures; boto3 reads back."""

from __future__ import annotations

import base64
import hashlib
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deliverers._s3_bucket import PART
from deliverers.s3 import S3Deliverer
from shared.errors import Cancelled, DeliveryRefused
from tests.plugins.deliverer_contract import BIG, SECRET, ServerDelivererContract, Stopping, artifact, control, parcel
from tests.plugins.s3_places import Bucket, deliverer
from tests.services.databases import free_port
from tests.services.s3_server import S3Server

pytestmark = pytest.mark.service
HUGE = BIG[: 256 * 4096] * 17
"""Two full parts and a bit."""


@pytest.fixture(params=["moto", "rclone"])
def place(request: pytest.FixtureRequest) -> Bucket:
    return Bucket(request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture
def moto(moto_server: S3Server) -> Bucket:
    return Bucket(moto_server)


@pytest.fixture
def unreachable() -> S3Deliverer:
    return deliverer(endpoint_url=f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def wrong_login(rclone_server: S3Server) -> S3Deliverer:
    return Bucket(rclone_server).deliverer(secret_access_key=SecretStr(SECRET + "!"))


class TestS3(ServerDelivererContract):
    pass


def test_an_object_says_where_it_comes_from(moto: Bucket, tmp_path: Path) -> None:
    sent = artifact(tmp_path)
    moto.server.log.clear()
    moto.deliverer(
        tags={"team": "Finance + Co: 1/2"}, storage_class="STANDARD_IA", server_side_encryption="AES256"
    ).deliver(parcel(sent), control())
    found = moto.ask("head_object", Key="sales.csv", ChecksumMode="ENABLED")
    assert found["Metadata"] == {
        "report-hub-key": "01JX5-7",
        "report-hub-execution": "01JX5",
        "report-hub-sha256": sent.sha256,
        "report-hub-rows": "1",
    }
    assert found["ContentType"] == "text/csv; charset=utf-8"
    assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
    [put] = [headers for method, path, headers in moto.server.log if method == "PUT" and path.endswith("/sales.csv")]
    assert put["x-amz-checksum-sha256"] == base64.b64encode(bytes.fromhex(sent.sha256)).decode()
    assert moto.ask("get_object_tagging", Key="sales.csv")["TagSet"] == [{"Key": "team", "Value": "Finance + Co: 1/2"}]


@pytest.mark.parametrize("checksum", ["sha256", "md5"])
def test_a_large_file_arrives_in_parts(place: Bucket, tmp_path: Path, checksum: str) -> None:
    sent = artifact(tmp_path, "huge.xlsx", HUGE)
    assert sent.size > 2 * PART
    place.deliverer(checksum=checksum).deliver(parcel(sent), control())
    assert {name: hashlib.sha256(content).hexdigest() for name, content in place.files().items()} == {
        "huge.xlsx": sent.sha256
    }
    assert place.unfinished() == []


def test_every_byte_has_a_checksum(moto: Bucket, tmp_path: Path) -> None:
    for checksum, header in (("sha256", "x-amz-checksum-sha256"), ("md5", "content-md5")):
        moto.server.log.clear()
        sent = parcel(artifact(tmp_path, f"{checksum}.csv"), artifact(tmp_path, f"{checksum}.xlsx", HUGE))
        moto.deliverer(checksum=checksum).deliver(sent, control())
        puts = [headers for method, _, headers in moto.server.log if method == "PUT"]
        assert len(puts) == 4
        assert all(header in headers and "expect" not in headers for headers in puts)


def test_memory_does_not_grow_with_the_file(rclone_server: S3Server, tmp_path: Path) -> None:
    place = Bucket(rclone_server)
    peaks = []
    for factor in (1, 4):
        sent = parcel(artifact(tmp_path, f"huge{factor}.xlsx", HUGE * factor))
        sending = place.deliverer()
        sending.check(control())
        tracemalloc.start()
        sending.deliver(sent, control())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (4 << 20), peaks


def test_a_second_attempt_finds_what_the_first_one_sent(moto: Bucket, tmp_path: Path) -> None:
    sent = artifact(tmp_path, "huge.xlsx", HUGE)
    for attempt in (1, 2):
        moto.deliverer().deliver(parcel(sent, attempt=attempt), control())
    puts = [method for method, path, _ in moto.server.log if moto.name in path and method in ("PUT", "POST")]
    assert puts == ["PUT", "POST", "PUT", "PUT", "PUT", "POST"]  # the bucket; begin, three parts, complete


def test_another_execution_replaces_also_an_equal_object(moto: Bucket, tmp_path: Path) -> None:
    for key in ("a-1", "b-1"):
        moto.deliverer().deliver(parcel(artifact(tmp_path), key=key), control())
    assert moto.ask("head_object", Key="sales.csv")["Metadata"]["report-hub-key"] == "b-1"


def test_a_new_object_replaces_the_old_one(place: Bucket, tmp_path: Path) -> None:
    for number in (b"1", b"2"):
        place.deliverer().deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert place.files() == {"sales.csv": b"2"}


@pytest.mark.parametrize("size", [1, PART + 1])
def test_both_objects_are_kept_when_asked(moto: Bucket, tmp_path: Path, size: int) -> None:
    sending = moto.deliverer(overwrite="keep_both")
    for number in (b"1", b"2", b"3", b"2"):
        sending.deliver(parcel(artifact(tmp_path, content=number * size), key=number.decode()), control())
    assert moto.files() == {"sales.csv": b"1" * size, "sales-2.csv": b"2" * size, "sales-3.csv": b"3" * size}


def test_a_taken_name_is_refused_when_asked(moto: Bucket, tmp_path: Path) -> None:
    sending = moto.deliverer(overwrite="refuse")
    sending.deliver(parcel(artifact(tmp_path, content=b"1"), key="a"), control())
    with pytest.raises(DeliveryRefused, match="exists already"):
        sending.deliver(parcel(artifact(tmp_path, content=b"2"), key="b"), control())
    assert moto.files() == {"sales.csv": b"1"}


@pytest.mark.parametrize("size", [1, PART + 1])
def test_somebody_who_was_a_moment_faster_is_not_overwritten(
    moto: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    from deliverers import _s3_bucket

    looks = []
    find = _s3_bucket.Bucket.find

    def late(self: _s3_bucket.Bucket, key: str) -> Any:
        found = find(self, key)
        if not looks:
            moto.ask("put_object", Key="sales.csv", Body=b"theirs")
        looks.append(key)
        return found

    monkeypatch.setattr(_s3_bucket.Bucket, "find", late)
    moto.deliverer(overwrite="keep_both").deliver(parcel(artifact(tmp_path, content=b"1" * size)), control())
    assert moto.files() == {"sales.csv": b"theirs", "sales-2.csv": b"1" * size}
    assert moto.unfinished() == []


def test_the_prefix_is_made_from_the_template(moto: Bucket, tmp_path: Path) -> None:
    sending = moto.deliverer(prefix="/in/{report}//{date:%Y-%m}/{param.region}/")
    receipt = sending.deliver(parcel(artifact(tmp_path)), control())
    assert moto.keys() == ["in/Monthly sales/2026-01/North_.._South/sales.csv"]
    assert receipt.detail["keys"] == moto.keys()


def test_a_key_that_is_too_long_is_refused(moto: Bucket, tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match="longer than 1024 bytes"):
        moto.deliverer(prefix="ü" * 510).deliver(parcel(artifact(tmp_path)), control())


def test_a_cancelled_upload_leaves_no_parts(moto: Bucket, tmp_path: Path) -> None:
    sent = parcel(artifact(tmp_path, "huge.xlsx", HUGE))
    for looks in range(2, 30):
        try:
            moto.deliverer().deliver(sent, Stopping(looks))
        except Cancelled:
            assert moto.everything() == ({}, [])
        else:
            break
    assert looks > 5
    assert moto.files() == {"huge.xlsx": HUGE}


def test_a_check_leaves_nothing_in_a_bucket_that_keeps_versions(moto: Bucket) -> None:
    moto.ask("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    moto.deliverer(prefix="in/{date}").check(control())
    versions = moto.ask("list_object_versions")
    assert "Versions" not in versions
    assert "DeleteMarkers" not in versions
    assert moto.unfinished() == []


def test_an_unknown_bucket_is_refused(place: Bucket, tmp_path: Path) -> None:
    sending = deliverer(bucket="no-such-bucket", endpoint_url=place.server.url)
    with pytest.raises(DeliveryRefused, match="There is no bucket no-such-bucket"):
        sending.deliver(parcel(artifact(tmp_path)), control())


def test_an_unknown_access_key_is_named(rclone_server: S3Server) -> None:
    with pytest.raises(DeliveryRefused, match=r"^Login: .* does not know the access key id"):
        Bucket(rclone_server).deliverer(access_key_id="AKIDNOBODY").check(control())
