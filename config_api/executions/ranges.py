"""Which part of a file a request asks for (RFC 9110, sections 13 and 14): one range, or the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.errors import ReportHubError

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*\Z", re.IGNORECASE)


class RangeRefused(ReportHubError):
    """The range begins behind the end of the file."""

    code = "RANGE_NOT_SATISFIABLE"
    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size:,} bytes, and the range begins behind its end.")
        self.headers = {"Content-Range": f"bytes */{size}"}


def wanted_range(headers: Mapping[str, str], etag: str, size: int) -> tuple[int, int] | None:
    """First and last byte that are asked for; None for the whole file.

    A header that is malformed, has another unit or several ranges is ignored, as the standard allows. If-Range with
    another version of the file gives the whole: two halves of different files are no file.

    Raises:
        RangeRefused: nothing of the range exists.
    """
    match = _ONE_RANGE.match(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size or start > end:
        raise RangeRefused(size)
    return start, end


def is_known(headers: Mapping[str, str], etag: str) -> bool:
    """If-None-Match names this version: the caller has it already."""
    given = headers.get("if-none-match", "")
    return given.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in given.split(",")]
