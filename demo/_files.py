"""Files that are whole or not there, however the program that makes them ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one program at a time is within this block for a folder; the others wait. A killed one frees it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to, in a folder of its own (databases keep more files beside theirs). It becomes `target` in
    one step at the end of the block; if the block fails, `target` stays as it was."""
    workspace = target.parent / f".{target.name}.part"
    shutil.rmtree(workspace, ignore_errors=True)  # of a program that was killed
    workspace.mkdir()
    try:
        yield workspace / target.name
        (workspace / target.name).replace(target)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
