"""Counts the rows of finished JSON and NDJSON files from their structure, sharing nothing with what wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.errors import ConversionRejected
from shared.plugins.control import Control

_CHUNK = 1 << 20
_OPENING, _CLOSING = b"{[", b"}]"
_ROW_DEPTH = {"{": 2, "[": 3}


def count_lines(path: Path, control: Control) -> int:
    """Lines, of which each is an object.

    Raises:
        ConversionRejected: the file is damaged.
    """
    structure = _Structure(ord("{"), 1)
    lines = between = 0
    last = b""
    with path.open("rb") as file:
        for chunk in _whole_escapes(iter(lambda: file.read(_CHUNK), b"")):
            control.check()
            structure.see(chunk)
            lines += chunk.count(b"\n")
            between += (last + chunk).count(b"}\n{")
            last = (last + chunk)[-2:]
    is_whole = last == b"}\n" and between == lines - 1 and lines == structure.items == structure.roots
    if last and (not is_whole or not structure.is_closed):
        raise ConversionRejected(f"{path.name} is damaged: not every line is a JSON object.")
    return lines


def count_items(path: Path, opening: str, control: Control) -> int:
    """How often `opening` begins a row: objects inside of the outermost array, or arrays inside of `rows`.

    Raises:
        ConversionRejected: the file is damaged: brackets or quotes that are not closed.
    """
    counter = _Structure(ord(opening), _ROW_DEPTH[opening])
    with path.open("rb") as file:
        for chunk in _whole_escapes(iter(lambda: file.read(_CHUNK), b"")):
            control.check()
            counter.see(chunk)
    if counter.roots != 1 or not counter.is_closed:
        raise ConversionRejected(f"{path.name} is damaged: it is no whole JSON file.")
    return counter.items


def _whole_escapes(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks without escapes, of which none is cut in two."""
    kept = b""
    for chunk in chunks:
        seen = kept + chunk
        backslashes = len(seen) - len(seen.rstrip(b"\\"))
        kept = seen[len(seen) - backslashes :]
        yield seen[: len(seen) - backslashes].replace(b"\\\\", b"").replace(b'\\"', b"")
    yield kept


class _Structure:
    def __init__(self, opening: int, depth: int) -> None:
        self.items = self.roots = 0
        self._depth = 0
        self._is_quoted = False
        self._opening, self._row_depth = opening, depth

    @property
    def is_closed(self) -> bool:
        return self._depth == 0 and not self._is_quoted

    def see(self, text: bytes) -> None:
        raw = np.frombuffer(text, np.uint8)
        steps = np.zeros(raw.size, np.int8)
        for opening, closing in zip(_OPENING, _CLOSING, strict=True):
            steps[raw == opening] = 1
            steps[raw == closing] = -1
        places = np.flatnonzero(steps)
        quotes = np.flatnonzero(raw == ord('"'))
        is_inside = (np.searchsorted(quotes, places) & 1) != self._is_quoted  # an odd number of quotes is before it
        places = places[~is_inside]
        self._is_quoted ^= bool(quotes.size & 1)
        if places.size:
            depths = self._depth + np.cumsum(steps[places], dtype=np.int64)
            is_row = (raw[places] == self._opening) & (depths == self._row_depth)
            self.items += int(np.count_nonzero(is_row))
            self.roots += int(np.count_nonzero(depths == 0))
            self._depth = int(depths[-1])
