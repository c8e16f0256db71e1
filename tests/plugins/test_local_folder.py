"""The folder deliverer against real folders."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deliverers._folder_errors import folder_error, translated
from deliverers.local_folder import LocalFolderConfig, LocalFolderDeliverer
from shared.errors import DeliveryRefused, DeliveryUnavailable
from shared.plugins import Control
from tests.plugins.deliverer_contract import BIG, DelivererContract, artifact, control, parcel


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def deliverer(self, **changes: Any) -> LocalFolderDeliverer:
        return LocalFolderDeliverer(LocalFolderConfig(path=str(self.root), **changes))

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.root.iterdir() if not path.name.startswith(".")}

    def everything(self) -> Any:
        return {
            str(path.relative_to(self.root)): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.root.rglob("*")
        }


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("in"))


@pytest.fixture
def unreachable(tmp_path: Path) -> LocalFolderDeliverer:
    return LocalFolderDeliverer(LocalFolderConfig(path=str(tmp_path / "not-mounted")))


class TestLocalFolder(DelivererContract):
    pass


def test_a_new_file_replaces_the_old_one(place: Folder, tmp_path: Path) -> None:
    for number in (b"1", b"2"):
        place.deliverer().deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert place.files() == {"sales.csv": b"2"}


def test_both_files_are_kept_when_asked(place: Folder, tmp_path: Path) -> None:
    deliverer = place.deliverer(overwrite="keep_both")
    for number in (b"1", b"2", b"3", b"2"):
        deliverer.deliver(parcel(artifact(tmp_path, content=number), key=number.decode()), control())
    assert place.files() == {"sales.csv": b"1", "sales-2.csv": b"2", "sales-3.csv": b"3"}
    assert not [name for name in place.everything() if name.endswith(".part")]


def test_a_taken_name_is_refused_when_asked(place: Folder, tmp_path: Path) -> None:
    deliverer = place.deliverer(overwrite="refuse")
    deliverer.deliver(parcel(artifact(tmp_path, content=b"1"), key="a"), control())
    with pytest.raises(DeliveryRefused, match="exists already"):
        deliverer.deliver(parcel(artifact(tmp_path, content=b"2"), key="b"), control())
    assert place.files() == {"sales.csv": b"1"}
    assert set(place.everything()) == {"sales.csv"}


def test_the_subfolder_is_made_from_the_template(place: Folder, tmp_path: Path) -> None:
    deliverer = place.deliverer(subfolder="{report}/{date:%Y/%m}")
    deliverer.deliver(parcel(artifact(tmp_path)), control())
    assert (place.root / "Monthly sales" / "2026_01" / "sales.csv").exists()


def test_a_value_fills_one_step_only(place: Folder, tmp_path: Path) -> None:
    place.deliverer(subfolder="{param.region}").deliver(parcel(artifact(tmp_path)), control())
    assert [path.name for path in place.root.iterdir()] == ["North_.._South"]


@pytest.mark.parametrize("subfolder", ["../up", "/etc", "a/../../b", "{report", "{nothing}", "C:x"])
def test_bad_subfolders_are_refused_when_saved(subfolder: str) -> None:
    with pytest.raises(ValidationError):
        LocalFolderConfig(path="/srv", subfolder=subfolder)


def test_a_link_that_leads_outside_is_refused(place: Folder, tmp_path: Path) -> None:
    (place.root / "out").symlink_to(tmp_path)
    with pytest.raises(DeliveryRefused, match="outside"):
        place.deliverer(subfolder="out").deliver(parcel(artifact(tmp_path)), control())


def test_a_link_under_the_temporary_name_is_not_followed(place: Folder, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (place.root / ".01JX5-7-0.1.part").symlink_to(victim)
    with pytest.raises(DeliveryRefused):
        place.deliverer().deliver(parcel(artifact(tmp_path)), control())
    assert victim.read_text() == "precious"


def test_the_marker_comes_after_the_file_and_has_its_sum(place: Folder, tmp_path: Path) -> None:
    sent = artifact(tmp_path)
    place.deliverer(ok_file=True).deliver(parcel(sent), control())
    assert place.files()["sales.csv.ok"].decode() == f"{sent.sha256}  sales.csv\n"


def test_leftovers_of_killed_attempts_are_removed(place: Folder, tmp_path: Path) -> None:
    for name in (".01JX5-7-0.1.part", ".01JX5-7-0.1.ok.part", ".01JX5-7-0.2.part"):
        (place.root / name).write_bytes(BIG * 2)
    place.deliverer(ok_file=True).deliver(parcel(artifact(tmp_path), attempt=2), control())
    assert set(place.everything()) == {"sales.csv", "sales.csv.ok"}


def test_an_attempt_that_was_believed_dead_cannot_show_half_a_file(
    place: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = artifact(tmp_path, "big.xlsx", BIG)
    second = parcel(sent, attempt=2)
    shown: list[dict[str, bytes]] = []
    publish = LocalFolderDeliverer._publish

    class WritesMeanwhile(Control):
        """The second attempt is in the middle of its file when the first one wakes up and gives names."""

        def check(self) -> None:
            if first_wakes and any(path.name.endswith(".2.part") for path in place.root.iterdir()):
                wake = first_wakes.pop()
                with pytest.raises(DeliveryUnavailable):
                    wake()
                shown.append(place.files())

    first_wakes: list[Any] = []

    def asleep(self: LocalFolderDeliverer, *arguments: Any) -> Path:
        monkeypatch.setattr(LocalFolderDeliverer, "_publish", publish)

        def wake() -> None:
            with translated(str(place.root)):
                publish(self, *arguments)

        first_wakes.append(wake)
        place.deliverer().deliver(second, WritesMeanwhile())
        return publish(self, *arguments)

    monkeypatch.setattr(LocalFolderDeliverer, "_publish", asleep)
    place.deliverer().deliver(parcel(sent), control())
    assert shown == [{}]
    assert place.files() == {"big.xlsx": BIG}
    assert set(place.everything()) == {"big.xlsx"}


def test_files_get_the_configured_mode_whatever_the_umask(place: Folder, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        place.deliverer(mode="664").deliver(parcel(artifact(tmp_path)), control())
    finally:
        os.umask(before)
    assert stat.S_IMODE((place.root / "sales.csv").stat().st_mode) == 0o664


def test_a_missing_folder_is_created_only_when_asked(unreachable: LocalFolderDeliverer, tmp_path: Path) -> None:
    config = unreachable.config.model_copy(update={"create_folder": True})
    LocalFolderDeliverer(config).deliver(parcel(artifact(tmp_path)), control())
    assert (tmp_path / "not-mounted" / "sales.csv").exists()


def test_a_full_disk_is_unavailable_and_leaves_nothing(
    place: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeliveryUnavailable, match="full"):
        place.deliverer().deliver(parcel(artifact(tmp_path)), control())
    assert place.everything() == {}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EDQUOT, DeliveryUnavailable),
        (errno.EROFS, DeliveryRefused),
        (errno.EACCES, DeliveryRefused),
        (errno.ENAMETOOLONG, DeliveryRefused),
        (errno.ESTALE, DeliveryUnavailable),
        (errno.EIO, DeliveryUnavailable),
    ],
)
def test_each_error_says_whether_it_may_pass(number: int, expected: type[Exception]) -> None:
    error = folder_error("/srv/reports", OSError(number, os.strerror(number)))
    assert type(error) is expected
    assert error.hint


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    deliverer = LocalFolderDeliverer(LocalFolderConfig(path=str(tmp_path / "file")))
    with pytest.raises(DeliveryRefused):
        deliverer.deliver(parcel(artifact(tmp_path)), control())


def test_a_share_without_hard_links_keeps_both_too(
    place: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    for number in (b"1", b"2"):
        place.deliverer(overwrite="keep_both").deliver(
            parcel(artifact(tmp_path, content=number), key=number.decode()), control()
        )
    assert {hashlib.sha256(content).hexdigest() for content in place.files().values()} == {
        hashlib.sha256(number).hexdigest() for number in (b"1", b"2")
    }
