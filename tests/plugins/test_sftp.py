"""The SFTP deliverer against a private OpenSSH, and against asyncssh for passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverers.sftp import SftpDeliverer
from shared.errors import Cancelled, DeliveryRefused
from shared.plugins import Control
from tests.plugins.asyncssh_server import AsyncsshServer
from tests.plugins.deliverer_contract import BIG, LOOPBACK, SECRET, ServerDelivererContract, artifact, control, parcel
from tests.plugins.sftp_places import RemoteFolder, asyncssh_place, deliverer, openssh_place
from tests.services.databases import free_port
from tests.services.sftp_server import PASSWORD, USER, SftpServer, new_key

pytestmark = pytest.mark.service


@pytest.fixture
def faulty(asyncssh_server: AsyncsshServer) -> RemoteFolder:
    """A folder on the server whose logins and faults a test chooses."""
    return asyncssh_place(asyncssh_server)


@pytest.fixture(params=["openssh", "asyncssh"])
def place(request: pytest.FixtureRequest) -> RemoteFolder:
    if request.param == "openssh":
        return openssh_place(request.getfixturevalue("openssh_server"))
    found: RemoteFolder = request.getfixturevalue("faulty")
    return found


@pytest.fixture
def unreachable() -> SftpDeliverer:
    return deliverer(port=free_port(), username=USER, password=PASSWORD, host_key=new_key().public)


@pytest.fixture(params=["openssh", "asyncssh"])
def wrong_login(request: pytest.FixtureRequest) -> SftpDeliverer:
    if request.param == "openssh":
        server: SftpServer = request.getfixturevalue("openssh_server")
        return openssh_place(server).deliverer(private_key=new_key().protected)
    found: RemoteFolder = request.getfixturevalue("faulty")
    return found.deliverer(password=SECRET + "!")


class TestSftp(ServerDelivererContract):
    pass


def test_a_new_file_replaces_the_old_one(place: RemoteFolder, tmp_path: Path) -> None:
    for number in (b"1", b"2"):
        place.deliverer().deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert place.files() == {"sales.csv": b"2"}


def test_both_files_are_kept_when_asked(place: RemoteFolder, tmp_path: Path) -> None:
    sending = place.deliverer(overwrite="keep_both")
    for number in (b"1", b"2", b"3", b"2"):
        sending.deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert place.files() == {"sales.csv": b"1", "sales-2.csv": b"2", "sales-3.csv": b"3"}
    assert set(place.everything()) == set(place.files())


def test_a_taken_name_is_refused_when_asked(place: RemoteFolder, tmp_path: Path) -> None:
    sending = place.deliverer(overwrite="refuse")
    sending.deliver(parcel(artifact(tmp_path, content=b"1"), key="a"), control())
    with pytest.raises(DeliveryRefused, match="exists already"):
        sending.deliver(parcel(artifact(tmp_path, content=b"2"), key="b"), control())
    assert set(place.everything()) == {"sales.csv"}
    assert place.files() == {"sales.csv": b"1"}


def test_folders_are_made_from_the_template_when_asked(place: RemoteFolder, tmp_path: Path) -> None:
    folder = f"{place.name}/{{report}}/{{date:%Y-%m}}/{{param.region}}"
    with pytest.raises(DeliveryRefused, match=r"^Folder: .* no such folder"):
        place.deliverer(folder=folder).deliver(parcel(artifact(tmp_path)), control())
    place.deliverer(folder=folder, create_folder=True).deliver(parcel(artifact(tmp_path)), control())
    assert (place.root / "Monthly sales" / "2026-01" / "North_.._South" / "sales.csv").exists()


def test_an_absolute_folder_is_taken_as_it_is(openssh_server: SftpServer, tmp_path: Path) -> None:
    place = openssh_place(openssh_server)
    (place.root / "~in $1").mkdir()
    receipt = place.deliverer(folder=f"{place.root}/~in $1/").deliver(parcel(artifact(tmp_path)), control())
    assert (place.root / "~in $1" / "sales.csv").exists()
    assert receipt.detail["folder"] == f"{place.root}/~in $1"


def test_a_file_in_place_of_the_folder_is_refused(place: RemoteFolder, tmp_path: Path) -> None:
    (place.root / "file").write_text("")
    with pytest.raises(DeliveryRefused, match=r"^Folder: .* is a file"):
        place.deliverer(folder=f"{place.name}/file").deliver(parcel(artifact(tmp_path)), control())


def test_the_marker_comes_after_the_file_and_has_its_sum(place: RemoteFolder, tmp_path: Path) -> None:
    sent = artifact(tmp_path)
    sending = place.deliverer(ok_file=True)
    sending.deliver(parcel(sent), control())
    before = place.everything()
    sending.deliver(parcel(sent, attempt=2), control())
    assert place.files()["sales.csv.ok"].decode() == f"{sent.sha256}  sales.csv\n"
    assert place.everything() == before


def test_leftovers_of_earlier_attempts_are_removed(place: RemoteFolder, tmp_path: Path) -> None:
    for attempt in (1, 2):
        (place.root / f".sales.csv.01JX5-7-0.{attempt}.part").write_bytes(BIG * 2)
        (place.root / f".sales.csv.01JX5-7-0.{attempt}.ok.part").write_bytes(b"x")
    (place.root / ".sales.csv.another-0.1.part").write_bytes(b"of another delivery")
    place.deliverer().deliver(parcel(artifact(tmp_path), attempt=2), control())
    assert set(place.everything()) == {"sales.csv", ".sales.csv.another-0.1.part"}


def test_a_link_under_the_temporary_name_is_not_followed(place: RemoteFolder, tmp_path: Path) -> None:
    (place.root / "victim").write_text("precious")
    (place.root / ".sales.csv.01JX5-7-0.1.part").symlink_to(place.root / "victim")
    place.deliverer().deliver(parcel(artifact(tmp_path)), control())
    assert (place.root / "victim").read_text() == "precious"


def test_long_names_leave_room_for_the_temporary_one(place: RemoteFolder, tmp_path: Path) -> None:
    name = "売" * 65 + ".csv"
    key = "0191d2c4-7b1a-7c3e-9f00-1234567890ab-9223372036854775807"
    place.deliverer(ok_file=True).deliver(parcel(artifact(tmp_path, name), key=key, attempt=12), control())
    assert set(place.files()) == {name, f"{name}.ok"}


def test_a_check_says_what_will_be_created(place: RemoteFolder) -> None:
    sending = place.deliverer(folder=f"{place.name}/new/{{date:%Y}}", create_folder=True)
    assert sending.check(control()).endswith("/new will be created.")
    assert place.everything() == {}


def test_a_cancelled_upload_removes_its_file(place: RemoteFolder, tmp_path: Path) -> None:
    class CancelledInTheMiddle(Control):
        def check(self) -> None:
            if any(path.name.endswith(".part") for path in place.root.iterdir()):
                self.cancel()
            super().check()

    with pytest.raises(Cancelled):
        place.deliverer().deliver(parcel(artifact(tmp_path, "big.xlsx", BIG)), CancelledInTheMiddle(network=LOOPBACK))
    assert place.everything() == {}
