"""A zip archive written from front to back, never seeking: sizes of large members follow their data."""

from __future__ import annotations

import struct
from typing import BinaryIO

from isal import isal_zlib

LEVEL = 1  # of ISA-L's 0-3: 2 and 3 make the file a few percent smaller and cost a third of the speed
ZIP64_FROM = 0xFFFFFFFF
"""Places and counts from here on need 64-bit records."""
MEMBER_LIMIT = 0xFFFFFFFF
"""A member's size is not known when its header is written, and 64-bit headers where none are needed make spreadsheets
offer a repair; so members stay below 4 GiB, and callers begin another one in time."""
_DEFLATED = 8
_SIZES_FOLLOW = 1 << 3
_NAMES_ARE_UTF8 = 1 << 11
_DAY = 0x21  # 1980-01-01: equal data gives equal bytes


def deflate(data: bytes | memoryview, *, is_last: bool = False) -> bytes:
    """One piece of a member. Pieces are independent, so threads may make them at once."""
    packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -15)
    packed: bytes = packer.compress(data) + packer.flush(isal_zlib.Z_FINISH if is_last else isal_zlib.Z_FULL_FLUSH)
    return packed


class ZipStream:
    """Usage: `add()` for small members; `begin()`, `append()` in order, `end()` for large ones; then `close()`."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._position = 0
        self._directory: list[bytes] = []
        self._name = b""
        self._start = self._packed = self._checksum = 0
        self.size = 0
        """Bytes of the open member, unpacked."""

    def add(self, name: str, text: str) -> None:
        content = text.encode()
        self.begin(name)
        self.append(deflate(content, is_last=True), content)
        self.end()

    def begin(self, name: str) -> None:
        self._name = name.encode()
        self._start, self._packed, self._checksum, self.size = self._position, 0, 0, 0
        flags = _SIZES_FOLLOW | _NAMES_ARE_UTF8
        self._write(struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, flags, _DEFLATED, 0, _DAY, 0, 0, 0, len(self._name), 0))
        self._write(self._name)

    def append(self, packed: bytes, content: bytes | memoryview) -> None:
        self._packed += len(packed)
        self.size += len(content)
        self._checksum = isal_zlib.crc32(content, self._checksum)
        self._write(packed)

    def end(self) -> None:
        if max(self.size, self._packed) >= MEMBER_LIMIT:
            raise OverflowError("a member of the zip archive is larger than 4 GiB")
        sizes = struct.pack("<III", self._checksum, self._packed, self.size)
        self._write(b"PK\x07\x08" + sizes)
        needs_64 = self._start >= ZIP64_FROM
        extra = struct.pack("<HHQ", 1, 8, self._start) if needs_64 else b""
        start = 0xFFFFFFFF if needs_64 else self._start
        version = 45 if needs_64 else 20
        flags = _SIZES_FOLLOW | _NAMES_ARE_UTF8
        self._directory.append(
            struct.pack("<IHHHHHH", 0x02014B50, version, version, flags, _DEFLATED, 0, _DAY)
            + sizes
            + struct.pack("<HHHHHII", len(self._name), len(extra), 0, 0, 0, 0, start)
            + self._name
            + extra
        )

    def close(self) -> None:
        start = self._position
        for entry in self._directory:
            self._write(entry)
        size, count = self._position - start, len(self._directory)
        if start >= ZIP64_FROM or size >= ZIP64_FROM or count >= 0xFFFF:
            end = self._position
            self._write(struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, start))
            self._write(struct.pack("<IIQI", 0x07064B50, 0, end, 1))
            start, size, count = 0xFFFFFFFF, min(size, 0xFFFFFFFF), min(count, 0xFFFF)
        self._write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, size, start, 0))

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._position += len(data)
