"""Files that commands write: whole under their name, or not there at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from shared.errors import InvalidInput

STDOUT = Path("-")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write to a temporary name beside `path`; it gets its name when the block ends without an error.

    Raises:
        InvalidInput: the folder does not exist or cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def data_folder(path: Path) -> None:
    """Make the data folder where it is missing.

    Raises:
        InvalidInput: it cannot be made, or not written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InvalidInput(
            f"The data folder {path} cannot be written ({error.strerror or error}).",
            hint="Set REPORT_HUB_DATA_DIR to a folder that belongs to the user of the services.",
        ) from error


def refuse_place(path: Path) -> None:
    """Raise InvalidInput when no file can be made there, before any work is done for it."""
    if path == STDOUT:
        return
    if path.is_dir():
        raise InvalidInput(f"{path} cannot be written: it is a folder.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        why = "may not be written to" if path.parent.is_dir() else "does not exist"
        raise InvalidInput(f"{path} cannot be written: the folder {path.parent} {why}.")


def copy_out(source: Path, target: Path) -> None:
    """Copy a finished file to its place; `-` is standard output."""
    with source.open("rb") as file:
        if target == STDOUT:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        with new_file(target) as out:
            shutil.copyfileobj(file, out)
