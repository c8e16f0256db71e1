"""A folder on an SFTP server: files appear under their names when they are whole, never before."""

from __future__ import annotations

import contextlib
import stat
from itertools import accumulate
from typing import TYPE_CHECKING

from deliverers._sources import pieces, sha256_of
from shared.errors import DeliveryRefused, DeliveryUnavailable
from shared.plugins import ArtifactFile, Control

if TYPE_CHECKING:
    import paramiko

_PARALLEL_READS = 64
"""Requests of 32 kB on their way at once; the driver would ask for a whole file at once, and hold it."""


class SftpFolder:
    """Paths are made from the folder and a name; `path` is empty for the login folder."""

    def __init__(self, client: paramiko.SFTPClient, path: str, control: Control, *, reads_back: bool) -> None:
        self.path = path
        self._client = client
        self._control = control
        self._reads_back = reads_back

    def exists(self) -> bool:
        return self._is_there(self.path or ".")

    def require(self, *, create: bool) -> None:
        """Make sure that the folder is there."""
        if create and self.path.strip("/"):
            for path in accumulate(self.path.strip("/").split("/"), lambda above, step: f"{above}/{step}"):
                self._make(f"/{path}" if self.path.startswith("/") else path)
        found = self._client.stat(self.path or ".")
        if found.st_mode is not None and not stat.S_ISDIR(found.st_mode):
            raise DeliveryRefused(f"Folder: {self.path} is a file.", hint="Choose another `folder`.")

    def put(self, name: str, artifact: ArtifactFile) -> None:
        """Write the artifact under a new name and compare what is there with what was recorded."""
        with self._client.open(self._at(name), "wx") as file:
            file.set_pipelined(True)
            held = b""
            for piece in pieces(artifact, self._control):
                file.write(held)
                held = piece
            file.write(held[:-1])
            file.set_pipelined(False)  # the last byte waits for all answers; close() would forget the bad ones
            file.write(held[-1:])
        if not self._holds(name, artifact):
            raise DeliveryUnavailable(
                "Folder: what was written reads back differently.", hint="Ask the server's operator to check the disk."
            )

    def put_text(self, name: str, text: str) -> None:
        with self._client.open(self._at(name), "wx") as file:
            file.write(text.encode())

    def has(self, name: str) -> bool:
        return self._is_there(self._at(name))

    def has_same(self, name: str, artifact: ArtifactFile) -> bool:
        """True when the name is there and holds the artifact; False when that cannot be known."""
        return self._reads_back and self.has(name) and self._holds(name, artifact)

    def has_text(self, name: str, text: str) -> bool:
        if not self._reads_back or not self.has(name):
            return False
        with self._client.open(self._at(name), "rb") as file:
            return bytes(file.read(len(text.encode()) + 1)) == text.encode()

    def replace(self, name: str, wanted: str) -> None:
        """Give the file its name, whatever had it before."""
        try:
            self._client.posix_rename(self._at(name), self._at(wanted))
        except FileNotFoundError as error:
            raise _vanished(wanted) from error
        except OSError as error:
            if error.errno is not None:
                raise
            # A server without this extension: its plain rename takes free names only.
            if self.has(wanted):
                self._client.remove(self._at(wanted))
            self._client.rename(self._at(name), self._at(wanted))

    def take(self, name: str, wanted: str) -> bool:
        """Give the file its name; False when the name is taken."""
        if self.has(wanted):
            return False
        try:
            self._client.rename(self._at(name), self._at(wanted))
        except FileNotFoundError as error:
            raise _vanished(wanted) from error
        except OSError:
            if self.has(wanted):  # somebody was a moment faster
                return False
            raise
        return True

    def forget(self, name: str) -> None:
        """Remove a temporary file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._client.remove(self._at(name))

    def _holds(self, name: str, artifact: ArtifactFile) -> bool:
        if self._client.stat(self._at(name)).st_size != artifact.size:
            return False
        if not self._reads_back:
            return True
        with self._client.open(self._at(name), "rb") as file:
            file.prefetch(artifact.size, _PARALLEL_READS)
            return sha256_of(file.read, self._control) == artifact.sha256

    def _is_there(self, path: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            self._client.stat(path)
            return True
        return False

    def _make(self, path: str) -> None:
        if self._is_there(path):
            return
        try:
            self._client.mkdir(path)
        except OSError:
            if not self._is_there(path):  # else somebody was a moment faster
                raise

    def _at(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}" if self.path else name


def _vanished(wanted: str) -> DeliveryUnavailable:
    return DeliveryUnavailable(
        f"Folder: {wanted} was written, but vanished before it got its name.",
        hint="Something cleans the folder, or a later attempt took over; it is tried again.",
    )
