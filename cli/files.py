"""Files that commands write: whole under their name, or not there at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
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


def copy_out(source: Path, target: Path) -> None:
    """Copy a finished file to its place; `-` is standard output."""
    with source.open("rb") as file:
        if target == STDOUT:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        with new_file(target) as out:
            shutil.copyfileobj(file, out)
