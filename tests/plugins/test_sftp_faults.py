"""SFTP: servers that lack something, fill up, fall silent or vanish."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deliverers._sftp_folder import SftpFolder
from deliverers.sftp import SftpConfig, SftpDeliverer
from shared.errors import Cancelled, DeliveryRefused, DeliveryUnavailable, TimeLimitReached
from shared.plugins import Control
from tests.plugins.asyncssh_server import AsyncsshServer
from tests.plugins.deliverer_contract import BIG, LOOPBACK, Stopping, artifact, control, parcel
from tests.plugins.sftp_places import RemoteFolder, asyncssh_place, deliverer
from tests.services.sftp_server import new_key

pytestmark = pytest.mark.service


@pytest.fixture
def faulty(asyncssh_server: AsyncsshServer) -> RemoteFolder:
    """A folder on the server whose logins and faults a test chooses."""
    return asyncssh_place(asyncssh_server)


def test_a_server_without_posix_rename_gets_the_file_too(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    asyncssh_server.faults.refused = {"posix_rename"}
    for number in (b"1", b"2"):
        faulty.deliverer().deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert faulty.files() == {"sales.csv": b"2"}
    assert set(faulty.everything()) == {"sales.csv"}


@pytest.mark.parametrize("operation", ["write", "read", "posix_rename", "mkdir"])
def test_a_missing_right_is_refused_and_leaves_nothing(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path, operation: str
) -> None:
    asyncssh_server.faults.denied = {operation, "rename"}
    sending = faulty.deliverer(folder=f"{faulty.name}/new", create_folder=True)
    with pytest.raises(DeliveryRefused, match=r"^Folder: .* does not let"):
        sending.deliver(parcel(artifact(tmp_path)), control())
    assert set(faulty.everything()) <= {"new"}


def test_a_file_that_may_not_be_replaced_stays(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    (faulty.root / "sales.csv").write_bytes(b"old")
    asyncssh_server.faults.denied = {"posix_rename"}
    with pytest.raises(DeliveryRefused, match="does not let"):
        faulty.deliverer().deliver(parcel(artifact(tmp_path)), control())
    assert faulty.files() == {"sales.csv": b"old"}


def test_a_folder_that_can_only_be_written_to_gets_the_file(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    asyncssh_server.faults.denied = {"read"}
    sending = faulty.deliverer(read_back=False, ok_file=True)
    for number in (b"1", b"2"):
        sending.deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert faulty.files()["sales.csv"] == b"2"


def test_a_full_disk_is_unavailable_and_leaves_nothing(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    asyncssh_server.faults.full_after = 1_000_000
    with pytest.raises(DeliveryUnavailable, match=r"could not store the file .*No space left") as caught:
        faulty.deliverer().deliver(parcel(artifact(tmp_path, "big.xlsx", BIG)), control())
    assert caught.value.hint
    assert faulty.everything() == {}


def test_what_reads_back_differently_does_not_arrive(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    asyncssh_server.faults.flip = True
    with pytest.raises(DeliveryUnavailable, match="reads back differently"):
        faulty.deliverer().deliver(parcel(artifact(tmp_path)), control())
    assert faulty.everything() == {}


def test_a_lost_connection_shows_nothing_and_the_next_attempt_cleans_up(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    sent = artifact(tmp_path, "big.xlsx", BIG)
    asyncssh_server.faults.cut_after = 1_000_000
    with pytest.raises(DeliveryUnavailable, match=r"^Network: the connection"):
        faulty.deliverer().deliver(parcel(sent), control())
    assert faulty.files() == {}
    asyncssh_server.reset()
    faulty.deliverer().deliver(parcel(sent, attempt=2), control())
    assert {name: hashlib.sha256(content).hexdigest() for name, content in faulty.files().items()} == {
        "big.xlsx": sent.sha256
    }
    assert set(faulty.everything()) == {"big.xlsx"}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Control(network=LOOPBACK), Cancelled),
        (lambda: Control(timedelta(seconds=1), network=LOOPBACK), TimeLimitReached),
    ],
    ids=["cancelled", "out of time"],
)
def test_a_hanging_server_does_not_hold_a_stopped_delivery(
    faulty: RemoteFolder,
    asyncssh_server: AsyncsshServer,
    tmp_path: Path,
    make: Callable[[], Control],
    expected: type[Exception],
) -> None:
    asyncssh_server.faults.hang = True
    stopped = make()
    if expected is Cancelled:
        threading.Thread(target=lambda: (asyncssh_server.hanging.wait(30), stopped.cancel())).start()
    started = time.monotonic()
    with pytest.raises(expected):
        faulty.deliverer(timeout=60).deliver(parcel(artifact(tmp_path)), stopped)
    assert time.monotonic() - started < 10


def test_a_silent_server_is_unavailable_after_the_timeout(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    asyncssh_server.faults.hang = True
    with pytest.raises(DeliveryUnavailable, match="does not answer"):
        faulty.deliverer(timeout=1).deliver(parcel(artifact(tmp_path)), control())


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    sending = SftpDeliverer(
        SftpConfig(host="no-such-host.invalid", username="a", password=SecretStr("b"), host_key=new_key().public)
    )
    with pytest.raises(DeliveryRefused, match=r"^Name: there is no server called no-such-host\.invalid"):
        sending.check(control())


def test_a_server_that_is_no_ssh_server_is_unavailable(http_receiver: Any) -> None:
    sending = deliverer(port=http_receiver.port, username="a", password="b", host_key=new_key().public, timeout=1)
    with pytest.raises(DeliveryUnavailable, match=r"^Network"):
        sending.check(control())


def test_the_target_is_an_address() -> None:
    values = {"username": "a", "password": SecretStr("b"), "host_key": new_key().public}
    assert SftpDeliverer(SftpConfig(host="files.example.com", folder="/in", **values)).target() == (
        "sftp://files.example.com/in"
    )
    assert SftpDeliverer(SftpConfig(host="2001:db8::1", port=2222, **values)).target() == "sftp://[2001:db8::1]:2222/"


def test_a_connection_lost_while_sftp_begins_is_tried_again(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path
) -> None:
    asyncssh_server.faults.cut_at_start = True
    with pytest.raises(DeliveryUnavailable, match=r"^Network"):
        faulty.deliverer().deliver(parcel(artifact(tmp_path)), control())


def test_an_attempt_that_was_believed_dead_cannot_show_half_a_file(
    faulty: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = artifact(tmp_path, "big.xlsx", BIG)
    replace = SftpFolder.replace

    def asleep(self: SftpFolder, name: str, wanted: str) -> None:
        monkeypatch.setattr(SftpFolder, "replace", replace)
        with pytest.raises(Cancelled):  # the second attempt begins, removes the first one's file, and is stopped
            faulty.deliverer().deliver(parcel(sent, attempt=2), Stopping(4))
        replace(self, name, wanted)

    monkeypatch.setattr(SftpFolder, "replace", asleep)
    with pytest.raises(DeliveryUnavailable, match="vanished"):
        faulty.deliverer().deliver(parcel(sent), control())
    assert faulty.everything() == {}
