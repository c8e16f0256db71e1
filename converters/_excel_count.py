"""Counts the data rows of a finished workbook from its bytes, sharing nothing with what wrote it."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from shared.errors import ConversionRejected
from shared.plugins.control import Control

_DATA_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_ROW, _TOTALS = b"<row ", b"<row customFormat="
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_CHUNK = 1 << 20


def count_rows(path: Path, control: Control) -> int:
    """Rows of all data sheets, without their headers and without the row of totals.

    Raises:
        ConversionRejected: the file is damaged: no workbook, a checksum that does not fit, a sheet cut off.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            sheets = [member for member in archive.infolist() if _DATA_SHEET.fullmatch(member.filename)]
            if not sheets or "xl/workbook.xml" not in archive.namelist():
                raise ConversionRejected(f"{path.name} is no workbook.")
            return sum(_rows(file, member, control) for member in sheets)
    except (zipfile.BadZipFile, isal_zlib.error, EOFError, struct.error) as error:  # type: ignore[misc]  # stub
        raise ConversionRejected(f"{path.name} is damaged: it is no readable workbook.") from error


def _rows(file: BinaryIO, member: zipfile.ZipInfo, control: Control) -> int:
    """Rows below the header. Text holds no `<`, so tags are counted as bytes; a row of totals is formatted whole."""
    rows = totals = 0
    kept = b""
    for piece in _unpacked(file, member):
        control.check()
        seen = kept + piece
        # A tag that the end of the piece cuts is counted with the next one.
        begins = seen.rfind(b"<", max(0, len(seen) - len(_TOTALS)))
        kept = seen[begins:] if begins >= 0 else b""
        whole = seen[: len(seen) - len(kept)]
        rows += whole.count(_ROW)
        totals += whole.count(_TOTALS)
    return rows - totals - 1


def _unpacked(file: BinaryIO, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The member's bytes; several times as fast as zipfile's own reader."""
    file.seek(member.header_offset)
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile("no member where the directory says")
    file.seek(name_length + extra_length, 1)
    unpacker = isal_zlib.decompressobj(-15)
    left, checksum, size = member.compress_size, 0, 0
    while left and not unpacker.eof:
        packed = file.read(min(_CHUNK // 4, left))
        if not packed:
            raise EOFError
        left -= len(packed)
        piece = unpacker.decompress(packed)
        checksum = isal_zlib.crc32(piece, checksum)
        size += len(piece)
        yield piece
    if not unpacker.eof or checksum != member.CRC or size != member.file_size:
        raise zipfile.BadZipFile("a sheet does not fit its checksum")
