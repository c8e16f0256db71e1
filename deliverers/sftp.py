"""A folder on an SFTP server whose host key is pinned. A file appears under its name when it is whole, never before."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from itertools import count
from pathlib import PurePosixPath

from deliverers._sftp_config import SftpConfig
from deliverers._sftp_folder import SftpFolder
from deliverers._sftp_session import Session, open_session
from deliverers._sources import amount, file_name
from deliverers._templates import fixed_part_of, remote_folder_of
from shared.errors import DeliveryRefused
from shared.plugins import ArtifactFile, Control, Deliverer, Parcel, Receipt

_PART, _OK_PART = "part", "ok.part"
_NAME_BYTES = 150
"""How much of a file's name its temporary name repeats: with the key it stays below the 255 bytes of file systems."""


class SftpDeliverer(Deliverer[SftpConfig]):
    kind = "sftp"
    title = "SFTP server"
    config_model = SftpConfig
    drivers = ("paramiko",)

    def target(self) -> str:
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        port = "" if self.config.port == 22 else f":{self.config.port}"
        return f"sftp://{host}{port}/{self.config.folder.lstrip('/')}"

    def check(self, control: Control) -> str:
        with open_session(self.config, control) as session:
            folder = self._folder(session, fixed_part_of(self.config.folder), control)
            server = f"{self.config.host} ({session.server_version})"
            if self.config.create_folder and not folder.exists():
                return f"{server} lets user {self.config.username} in; {folder.path} will be created."
            folder.require(create=False)
            probe = f".report-hub-check-{secrets.token_hex(8)}.part"
            try:
                folder.put_text(probe, "x")
            finally:
                folder.forget(probe)
            return f"{server} takes files in {folder.path or 'the login folder'}."

    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        with open_session(self.config, control) as session:
            folder = self._folder(session, remote_folder_of(self.config.folder, parcel), control)
            folder.require(create=self.config.create_folder)
            with contextlib.ExitStack() as leftovers:
                staged = [self._staged(folder, parcel, number, leftovers) for number in range(len(parcel.artifacts))]
                control.check()
                arrived = [self._publish(folder, parcel, number, temporary) for number, temporary in enumerate(staged)]
        size = sum(artifact.size for artifact in parcel.artifacts)
        return Receipt(
            f"{amount(len(arrived), size)}, in {folder.path or 'the login folder'} of {self.config.host}",
            {"folder": folder.path, "files": arrived},
        )

    def _folder(self, session: Session, path: str, control: Control) -> SftpFolder:
        return SftpFolder(session.client, path, control, reads_back=self.config.read_back)

    def _staged(self, folder: SftpFolder, parcel: Parcel, number: int, leftovers: contextlib.ExitStack) -> str | None:
        """The temporary name under which the artifact now lies; None when it had arrived already."""
        artifact = parcel.artifacts[number]
        # The attempt is in the name and the files of earlier ones are removed, so that an attempt which was believed
        # dead cannot give its name to a file that this one is still writing.
        for attempt in range(1, parcel.attempt + 1):
            for ending in (_PART, _OK_PART):
                folder.forget(_temporary(parcel, number, attempt, ending))
        temporary = _temporary(parcel, number, parcel.attempt, _PART)
        if self._found(folder, file_name(parcel, artifact), artifact):
            return None
        leftovers.callback(_forget, folder, temporary)
        folder.put(temporary, artifact)
        return temporary

    def _found(self, folder: SftpFolder, wanted: str, artifact: ArtifactFile) -> str | None:
        """The name under which the same file is there."""
        for name in self._candidates(wanted):
            if folder.has_same(name, artifact):
                return name
            if not folder.has(name):
                return None
        return None

    def _publish(self, folder: SftpFolder, parcel: Parcel, number: int, temporary: str | None) -> str:
        artifact = parcel.artifacts[number]
        wanted = file_name(parcel, artifact)
        name = self._named(folder, temporary, wanted, artifact)
        if name is None:
            raise DeliveryRefused(
                f"{wanted} exists already on {self.config.host} and is another file.",
                hint="Put {date} or {time} into the report's file name, or choose replace or keep_both.",
            )
        if self.config.ok_file:
            marker = _temporary(parcel, number, parcel.attempt, _OK_PART)
            self._mark(folder, marker, f"{name}.ok", f"{artifact.sha256}  {name}\n")
        return name

    def _named(self, folder: SftpFolder, temporary: str | None, wanted: str, artifact: ArtifactFile) -> str | None:
        if temporary is None:
            return self._found(folder, wanted, artifact)
        if self.config.overwrite == "replace":
            folder.replace(temporary, wanted)
            return wanted
        for name in self._candidates(wanted):
            if folder.take(temporary, name) or folder.has_same(name, artifact):
                return name
        return None

    def _mark(self, folder: SftpFolder, temporary: str, marker: str, text: str) -> None:
        if not folder.has_text(marker, text):
            folder.put_text(temporary, text)
            folder.replace(temporary, marker)

    def _candidates(self, wanted: str) -> Iterator[str]:
        yield wanted
        if self.config.overwrite == "keep_both":
            path = PurePosixPath(wanted)
            for number in count(2):
                yield f"{path.stem}-{number}{path.suffix}"


def _temporary(parcel: Parcel, number: int, attempt: int, ending: str) -> str:
    name = parcel.artifacts[number].file_name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return f".{name}.{parcel.key}-{number}.{attempt}.{ending}"


def _forget(folder: SftpFolder, name: str) -> None:
    # After a broken connection nothing can be removed; the next attempt removes it.
    import paramiko

    with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
        folder.forget(name)
