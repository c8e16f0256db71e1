"""Reading artifacts on their way out: in pieces, stoppable, and checked against what the execution recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from shared.errors import DeliveryRefused
from shared.plugins import ArtifactFile, Control, Parcel

PIECE = 1 << 20


def amount(files: int, size: int) -> str:
    """What arrived, for a receipt: `2 files, 6,850 bytes`."""
    return f"{files} file{'' if files == 1 else 's'}, {size:,} bytes"


def pieces(artifact: ArtifactFile, control: Control, size: int = PIECE) -> Iterator[bytes]:
    """The file's bytes. The last piece is given out only once the whole file was found as recorded.

    Raises:
        DeliveryRefused: the stored file is not what the execution recorded.
    """
    digest = hashlib.sha256()
    length = 0
    held = b""
    try:
        with artifact.path.open("rb") as file:
            while piece := file.read(size):
                control.check()
                if held:
                    yield held
                digest.update(piece)
                length += len(piece)
                held = piece
    except FileNotFoundError as error:
        raise _damaged(artifact, "is missing from") from error
    if length != artifact.size or digest.hexdigest() != artifact.sha256:
        raise _damaged(artifact, "was changed or damaged in")
    control.check()
    if held:
        yield held


def file_name(parcel: Parcel, artifact: ArtifactFile) -> str:
    """The name at the place it goes to; files of a test say so."""
    return f"TEST_{artifact.file_name}" if parcel.is_test else artifact.file_name


def sha256_of(read: Callable[[int], bytes], control: Control) -> str:
    """Hash of what `read(size)` gives until it is empty."""
    digest = hashlib.sha256()
    while piece := read(PIECE):
        control.check()
        digest.update(piece)
    return digest.hexdigest()


def _damaged(artifact: ArtifactFile, what: str) -> DeliveryRefused:
    return DeliveryRefused(
        f"The artifact {artifact.file_name} {what} the artifact store, so it is not sent.",
        hint="Execute the report again.",
    )
