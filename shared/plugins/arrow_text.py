"""Text kernels over whole Arrow columns: what the vectorised converters share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_MEANING = b"report_hub.meaning"
_DECIMAL = b"decimal"


def decimal_text(name: str) -> pa.Field:
    """A field of exact decimals as text, for sources whose numbers have no fixed scale (`numeric`, a computed sum).

    Converters treat it as a number: right-aligned, a real number in a workbook where 15 digits suffice.
    """
    return pa.field(name, pa.string(), metadata={_MEANING: _DECIMAL})


def is_decimal_text(field: pa.Field) -> bool:
    return bool(field.metadata) and field.metadata.get(_MEANING) == _DECIMAL


def string_bytes(array: pa.Array) -> npt.NDArray[np.uint8]:
    """The used part of a (large_)string or (large_)binary array's data buffer, without a copy; NULLs take no bytes."""
    buffers = array.buffers()
    if buffers[2] is None or len(array) == 0:
        return np.empty(0, np.uint8)
    width = np.int32 if array.type in (pa.string(), pa.binary()) else np.int64
    offsets = np.frombuffer(buffers[1], width)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(buffers[2], np.uint8)[offsets[0] : offsets[-1]]


def join_rows(parts: list[pa.Array | str], null_text: str = "") -> npt.NDArray[np.uint8]:
    """Concatenate columns and constants row by row; return the bytes of all rows, one after the other."""
    rows = pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement=null_text)
    return string_bytes(rows)
