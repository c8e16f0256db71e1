"""Hands out a finished artifact: in pieces, with its name, its hash, and ranges for downloads that broke off."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import anyio
from fastapi import Response
from fastapi.responses import StreamingResponse

from config_api.executions.ranges import is_known, wanted_range

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Download:
    """A file to hand out."""

    path: Path
    file_name: str
    media_type: str
    size: int
    sha256: str


def download_response(found: Download, headers: Mapping[str, str]) -> Response:
    """The whole file (200), a part of it (206), or nothing when the caller has it already (304).

    Raises:
        RangeRefused: the range begins behind the end of the file.
    """
    etag = f'"{found.sha256}"'
    common = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if is_known(headers, etag):
        return Response(status_code=304, headers=common)
    common |= {
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(found.file_name),
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(found.sha256)).decode()}:",
    }
    part = wanted_range(headers, etag, found.size)
    if part is None:
        common["Content-Length"] = str(found.size)
        return StreamingResponse(_pieces(found.path, 0, found.size), headers=common, media_type=found.media_type)
    start, end = part
    common["Content-Length"] = str(end - start + 1)
    common["Content-Range"] = f"bytes {start}-{end}/{found.size}"
    pieces = _pieces(found.path, start, end - start + 1)
    return StreamingResponse(pieces, status_code=206, headers=common, media_type=found.media_type)


def disposition(file_name: str) -> str:
    """Save it under this name (RFC 6266); a plain ASCII form for those who know nothing else."""
    folded = unicodedata.normalize("NFKD", file_name).encode("ascii", "ignore").decode()
    plain = "".join(character for character in folded if character.isprintable() and character not in '"\\%').strip()
    if not plain.rpartition(".")[0].strip():
        plain = f"report{Path(file_name).suffix}"
    extended = "" if plain == file_name else f"; filename*=UTF-8''{quote(file_name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


async def _pieces(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        await file.seek(start)
        while length > 0:
            piece = await file.read(min(_PIECE, length))
            if not piece:
                raise OSError("the file became shorter while it was sent")
            length -= len(piece)
            yield piece
