"""A PDF file written from front to back: objects as they come, the table of their places last."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import BinaryIO

from isal import isal_zlib

_LEVEL = 2


def pack(content: bytes) -> bytes:
    packed: bytes = isal_zlib.compress(content, _LEVEL)
    return packed


def text_string(text: str) -> bytes:
    """A text of the document's properties: UTF-16 in hexadecimal, so that nothing needs escaping."""
    return b"<FEFF" + text.encode("utf-16-be", "replace").hex().upper().encode() + b">"


def date_string(moment: datetime) -> bytes:
    return moment.astimezone(UTC).strftime("(D:%Y%m%d%H%M%SZ)").encode()


class PdfFile:
    """Numbers objects, remembers where they begin, writes the end."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._position = 0
        self._places: list[int] = []
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def reserve(self) -> int:
        """A number for an object that is written later."""
        self._places.append(-1)
        return len(self._places)

    def put(self, number: int, body: bytes) -> None:
        self._places[number - 1] = self._position
        self._write(b"%d 0 obj\n%s\nendobj\n" % (number, body))

    def put_packed(self, number: int, packed: bytes, entries: bytes = b"") -> None:
        """A stream whose content went through `pack`."""
        head = b"<</Filter/FlateDecode/Length %d%s>>" % (len(packed), entries)
        self.put(number, head + b"stream\n" + packed + b"\nendstream")

    def put_stream(self, number: int, content: bytes, entries: bytes = b"") -> None:
        self.put_packed(number, pack(content), entries)

    def close(self, catalog: int, properties: int) -> None:
        start, count = self._position, len(self._places) + 1
        table = b"".join(b"%010d 00000 n \n" % place for place in self._places)
        self._write(b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table))
        name = hashlib.sha256(table).hexdigest()[:32].encode()
        self._write(b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R" % (count, catalog, properties))
        self._write(b"/ID[<%s><%s>]>>\nstartxref\n%d\n%%%%EOF\n" % (name, name, start))

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._position += len(data)
