"""Where finished artifacts are kept, behind one interface; today a folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from shared.errors import NotFound, StorageFull
from shared.settings import Settings

_PRIVATE = 0o700
"""Rows of reports are nobody else's business on this machine."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}


class ArtifactStore:
    """A folder of artifacts. Keys are relative POSIX paths: `2026/11/24/<execution_id>/<fence>/<file name>`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @classmethod
    def open(cls, settings: Settings) -> ArtifactStore:
        return cls(settings.data_dir.absolute() / "artifacts")

    @staticmethod
    def key(execution_id: str, fence: int, file_name: str, created_at: datetime) -> str:
        """Each attempt of an execution has its own place, so a worker that lost its lease overwrites nothing."""
        return str(PurePosixPath(created_at.strftime("%Y/%m/%d"), execution_id, str(fence), file_name))

    def put(self, source: Path, key: str) -> None:
        """Move a finished file in; it is on disk when this returns.

        Raises:
            StorageFull: no space, or no permission.
        """
        target = self._resolve(key)
        with storage_errors():
            self._root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync(source)
            try:
                source.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(source, target)
                source.unlink()
            _sync(target.parent)

    def path(self, key: str) -> Path:
        """A local path of the artifact, for reading.

        Raises:
            NotFound: it is not there any more.
        """
        path = self._resolve(key)
        if not path.is_file():
            raise NotFound("The file of this artifact is not there any more.")
        return path

    def delete(self, key: str) -> None:
        """Remove an artifact and the folders that are empty then; a missing one is fine."""
        path = self._resolve(key)
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self._root:
                break
            with contextlib.suppress(OSError):
                folder.rmdir()

    def remove_attempts(self, execution_id: str, created_at: datetime, *, before: int) -> None:
        """Remove what attempts with an older fence left of an execution."""
        folder = self._resolve(self.key(execution_id, before, "_", created_at)).parent.parent
        for attempt in folder.iterdir() if folder.is_dir() else ():
            if attempt.name.isdecimal() and int(attempt.name) < before:
                shutil.rmtree(attempt, ignore_errors=True)

    def days(self) -> list[str]:
        """The days of which there are artifacts."""
        return sorted(str(path.relative_to(self._root)) for path in self._root.glob("[0-9]*/[0-9]*/[0-9]*"))

    def keys(self, day: str) -> list[str]:
        """All that is kept of that day, hidden files included."""
        found = (path for path in self._resolve(day).rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self._root)) for path in found)

    def check(self) -> None:
        """Raise StorageFull unless a file can be written."""
        with storage_errors():
            self._root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            probe = self._root / f".probe-{os.getpid()}"
            try:
                probe.write_bytes(b"x")
            finally:
                probe.unlink(missing_ok=True)

    def _resolve(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts:
            raise NotFound("This is no key of an artifact.")
        return self._root.joinpath(*parts)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Disk full and the like become StorageFull; the sentence names no path."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"The server cannot write the file: {os.strerror(error.errno)}.",
                hint="The operator has to free space or grant access on the data folder.",
            ) from error
        raise


def _copy(source: Path, target: Path) -> None:
    """To another disk; what does not fit leaves nothing behind there."""
    partial = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, partial)
        _sync(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
