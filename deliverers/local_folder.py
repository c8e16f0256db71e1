"""A folder of this server, a mounted share included. A file appears under its name when it is whole, never before."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from deliverers._folder_errors import translated
from deliverers._sources import amount, file_name, pieces, sha256_of
from deliverers._templates import FolderTemplate, folder_of
from shared.errors import DeliveryRefused, DeliveryUnavailable, InvalidInput
from shared.plugins import ArtifactFile, Control, Deliverer, Parcel, PluginConfig, Receipt, ServerPath
from shared.plugins.files import clean_file_name, confine

_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalFolderConfig(PluginConfig):
    path: ServerPath = Field(
        title="Folder",
        description="An existing folder of the server, inside the folders that the operator allows.",
        examples=["/srv/reports"],
    )
    subfolder: FolderTemplate = Field(
        default="",
        title="Subfolder",
        description="Template of a folder below it, created when it is missing.",
        examples=["{report}/{date:%Y/%m}"],
        max_length=500,
    )
    overwrite: Literal["replace", "keep_both", "refuse"] = Field(
        default="replace",
        title="If the name is taken",
        description="replace: the new file takes its place at once; keep_both: the new one gets a number; "
        "refuse: the delivery is refused. An identical file counts as arrived.",
    )
    create_folder: bool = Field(
        default=False,
        title="Create the folder",
        description="Create the folder itself when it is missing. Leave it off for mounted shares: reports for a share "
        "that is not mounted would land on the server's own disk.",
    )
    ok_file: bool = Field(
        default=False,
        title="Marker file",
        description="Write <name>.ok with the SHA-256 beside each file after it has arrived.",
    )
    mode: str = Field(
        default="640",
        title="File mode",
        description="Permissions of the files, in octal.",
        examples=["640", "664"],
        pattern=r"^0?[0-7]{3}$",
    )


class LocalFolderDeliverer(Deliverer[LocalFolderConfig]):
    kind = "local_folder"
    title = "Folder on the server"
    config_model = LocalFolderConfig

    def target(self) -> str:
        return str(Path(self.config.path) / self.config.subfolder)

    def check(self, control: Control) -> str:
        control.check()
        with translated(self.config.path):
            root = self._root()
            probe = root / f".report-hub-check-{os.getpid()}.part"
            try:
                self._write(probe, iter([b"x"]))
            finally:
                probe.unlink(missing_ok=True)
            return f"{self.config.path} is writable and has {shutil.disk_usage(root).free / 1e9:.1f} GB free."

    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        control.check()
        with translated(self.config.path), contextlib.ExitStack() as leftovers:
            folder = self._folder(folder_of(self.config.subfolder, parcel))
            staged = []
            for number, artifact in enumerate(parcel.artifacts):
                temporary = self._temporary(folder, parcel, number)
                leftovers.callback(temporary.unlink, missing_ok=True)
                self._write(temporary, pieces(artifact, control))
                self._verify(temporary, artifact, control)
                staged.append((temporary, folder / file_name(parcel, artifact), artifact))
            control.check()
            arrived = [self._publish(temporary, wanted, artifact, control) for temporary, wanted, artifact in staged]
            _sync_folder(folder)
        size = sum(artifact.size for artifact in parcel.artifacts)
        return Receipt(
            f"{amount(len(arrived), size)}, in {folder}",
            {"folder": str(folder), "files": [path.name for path in arrived]},
        )

    def _root(self) -> Path:
        root = Path(self.config.path)
        if self.config.create_folder:
            root.mkdir(parents=True, exist_ok=True)
        if not root.exists():
            raise DeliveryUnavailable(
                f"The folder {root} does not exist.",
                hint="Mount the share or create the folder; create_folder has it created.",
            )
        return root

    def _folder(self, subfolder: PurePosixPath) -> Path:
        try:
            folder = confine(self._root(), subfolder)
        except InvalidInput as error:
            raise DeliveryRefused(
                "A link in the folder leads outside of it.", hint="Remove the link, or choose another subfolder."
            ) from error
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _temporary(self, folder: Path, parcel: Parcel, number: int) -> Path:
        # The attempt is in the name and the files of earlier ones are removed, so that an attempt which was believed
        # dead cannot give its name to a file that this one is still writing.
        names = [f".{clean_file_name(parcel.key, '')}-{number}.{attempt}" for attempt in range(1, parcel.attempt + 1)]
        for name in names[:-1]:
            for ending in (".part", ".ok.part"):
                (folder / f"{name}{ending}").unlink(missing_ok=True)
        return folder / f"{names[-1]}.part"

    def _write(self, path: Path, content: Iterator[bytes]) -> None:
        mode = int(self.config.mode, 8)
        with os.fdopen(os.open(path, _CREATE, mode), "wb") as file:
            for piece in content:
                file.write(piece)
            file.flush()
            os.fchmod(file.fileno(), mode)  # the umask took its part of what open() was given
            os.fsync(file.fileno())

    def _verify(self, path: Path, artifact: ArtifactFile, control: Control) -> None:
        if not _is_same(path, artifact, control):
            raise DeliveryUnavailable(
                f"What was written to {path.parent} reads back differently.", hint="Check the disk or the share."
            )

    def _publish(self, temporary: Path, wanted: Path, artifact: ArtifactFile, control: Control) -> Path:
        for name in self._candidates(wanted):
            path = wanted.with_name(name)
            if _is_same(path, artifact, control):
                break
            if self._take(temporary, path):
                break
        else:
            raise DeliveryRefused(
                f"{wanted.name} exists already and is another file.",
                hint="Put {date} or {time} into the report's file name, or choose replace or keep_both.",
            )
        if self.config.ok_file:
            marker = temporary.with_suffix(".ok.part")
            self._write(marker, iter([f"{artifact.sha256}  {path.name}\n".encode()]))
            marker.replace(path.with_name(f"{path.name}.ok"))
        return path

    def _candidates(self, wanted: Path) -> Iterator[str]:
        yield wanted.name
        if self.config.overwrite == "keep_both":
            for number in count(2):
                yield f"{wanted.stem}-{number}{wanted.suffix}"

    def _take(self, temporary: Path, path: Path) -> bool:
        """Give the file its name; False when the name is taken and must not be."""
        if self.config.overwrite == "replace":
            temporary.replace(path)
            return True
        try:
            path.hardlink_to(temporary)  # fails when the name is taken, even by somebody who was a moment faster
        except FileExistsError:
            return False
        except OSError:  # a share without hard links
            if path.exists():
                return False
            temporary.replace(path)
        return True


def _is_same(path: Path, artifact: ArtifactFile, control: Control) -> bool:
    if not path.is_file() or path.stat().st_size != artifact.size:
        return False
    with path.open("rb") as file:
        return sha256_of(file.read, control) == artifact.sha256


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, _READ_ONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
