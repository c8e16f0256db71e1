"""Counts the records of a finished CSV file from its bytes: line ends outside of quotes."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np

from shared.errors import ConversionRejected
from shared.plugins.control import Control

_CHUNK = 1 << 20
_QUOTE, _LINE_END = b'"', b"\n"


def count_records(path: Path, codec: str, mark: bytes, control: Control) -> int:
    """Records, the header and the notes included.

    Raises:
        ConversionRejected: the file is damaged: no mark, bytes that are no text, an end inside of a record.
    """
    counter = _Counter()
    try:
        with path.open("rb") as file:
            if file.read(len(mark)) != mark:
                raise _damaged(path)
            decoder = codecs.getincrementaldecoder(codec)()
            while chunk := file.read(_CHUNK):
                control.check()
                counter.see(decoder.decode(chunk).encode())
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _damaged(path) from error
    if counter.is_quoted or not counter.is_ended:
        raise _damaged(path)
    return counter.records


def tail(path: Path, codec: str, size: int = 1 << 16) -> str:
    """The end of the file as text."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - size) // 4 * 4)  # not within a character of UTF-16
        return file.read().decode(codec, "ignore")


def _damaged(path: Path) -> ConversionRejected:
    return ConversionRejected(f"{path.name} is damaged: it is no whole CSV file.")


class _Counter:
    def __init__(self) -> None:
        self.records = 0
        self.is_quoted = False
        self.is_ended = True

    def see(self, text: bytes) -> None:
        if not text:
            return
        self.is_ended = text.endswith(_LINE_END)
        if _QUOTE not in text:
            self.records += 0 if self.is_quoted else text.count(_LINE_END)
            return
        raw = np.frombuffer(text, np.uint8)
        quotes, line_ends = np.flatnonzero(raw == ord(_QUOTE)), np.flatnonzero(raw == ord(_LINE_END))
        before = np.searchsorted(quotes, line_ends)  # a line end is inside where an odd number of quotes is before it
        self.records += int(np.count_nonzero((before & 1) == self.is_quoted))
        self.is_quoted ^= bool(quotes.size & 1)
