"""Codes as the strings of text operators; where a line goes on in another font, the string is interrupted to change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters._pdf_font import Codes, Font, Units
from converters._pdf_lines import Lines

_HEXADECIMAL = np.frombuffer("".join(f"{code:04X}" for code in range(0x10000)).encode(), np.uint8).reshape(-1, 4)


def shown_lines(column: Lines, starts: Units, lengths: Units, font: Font, size: int) -> pa.Array:
    """The insides of `<…>Tj` for all lines; each begins and ends in the main font."""
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    codes = column.codes
    if offsets[-1] != len(codes):
        codes = codes[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)]
    return _mixed(codes, offsets, font, size) if column.is_mixed else _strings(codes, offsets)


def shown_line(codes: Codes, font: Font, size: int) -> bytes:
    """The same for one line."""
    shown: str = _mixed(codes, np.array([0, len(codes)], np.int64), font, size)[0].as_py()
    return shown.encode()


def _strings(codes: Codes | npt.NDArray[np.uint16], offsets: Units) -> pa.Array:
    digits = np.ascontiguousarray(_HEXADECIMAL[codes]).reshape(-1)
    buffers = [pa.py_buffer((offsets * 4).astype(np.int32)), pa.py_buffer(digits)]
    return pa.StringArray.from_buffers(len(offsets) - 1, *buffers)


def _mixed(codes: Codes, offsets: Units, font: Font, size: int) -> pa.Array:
    if not codes.size:
        return _strings(codes, offsets)
    groups = font.groups[codes]
    is_start = np.zeros(len(codes) + 1, bool)
    is_start[1:-1] = groups[1:] != groups[:-1]
    is_start[offsets] = True  # an empty line has no part: it shares its place with the next
    starts = np.flatnonzero(is_start[:-1])
    parts = groups[starts].astype(np.int64)
    firsts = np.searchsorted(starts, offsets)
    before = np.concatenate([[0], parts[:-1]])
    before[firsts[:-1][np.diff(offsets) > 0]] = 0
    is_last = np.zeros(len(parts), bool)
    is_last[firsts[1:] - 1] = True
    names = [font.resource, *(supplement.resource for supplement in font.supplements)]
    changes = pa.array(["", *(f">Tj/{name.decode()} {size} Tf<" for name in names)])
    into = changes.take(pa.array(np.where(parts == before, 0, parts + 1)))
    back = changes.take(pa.array(np.where(is_last & (parts != 0), 1, 0)))
    strings = _strings(font.file_codes[codes], np.append(starts, len(codes)))
    joined = pc.binary_join_element_wise(into, strings, back, "")
    _, ends, content = joined.buffers()
    places = np.frombuffer(ends, np.int32)[: len(parts) + 1][firsts]
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(places.copy()), content)
