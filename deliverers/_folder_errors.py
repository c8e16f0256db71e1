"""What the operating system's errors mean for a delivery into a folder."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from shared.errors import DeliveryError, DeliveryRefused, DeliveryUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG = {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EEXIST, errno.EILSEQ}


@contextlib.contextmanager
def translated(folder: str) -> Iterator[None]:
    """Turn operating system errors inside the block into ours."""
    try:
        yield
    except OSError as error:
        raise folder_error(folder, error) from error


def folder_error(folder: str, error: OSError) -> DeliveryError:
    """A full disk and a lost share may come right by themselves; a missing right will not."""
    if error.errno in _FULL:
        return DeliveryUnavailable(f"The disk of {folder} is full.", hint="Free room, or raise the quota.")
    if error.errno in _FORBIDDEN:
        return DeliveryRefused(
            f"This server may not write to {folder}.", hint="Give the server's user the right to write there."
        )
    if error.errno in _WRONG:
        return DeliveryRefused(
            f"{folder} cannot take the file: {error.strerror}.",
            hint="Check that the folder is one, and that the names are not too long for it.",
        )
    return DeliveryUnavailable(
        f"{folder} cannot be written to just now: {error.strerror or type(error).__name__}.",
        hint="Check the disk or the share.",
    )
