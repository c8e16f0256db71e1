"""Text as worksheets hold it: markup and control characters escaped, over whole columns."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.plugins.arrow_text import string_bytes

_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A carriage return as a character reference: every XML reader gives it back, while `_x000D_` is known to few of them.
_RETURN = {"\r": "&#13;"}
_CONTROLS = {chr(code): f"_x{code:04X}_" for code in range(32) if chr(code) not in "\t\n\r"}
_REPLACEMENTS = _MARKUP | _RETURN | _CONTROLS
_IS_SPECIAL = np.zeros(256, bool)
_IS_SPECIAL[[ord(character) for character in _REPLACEMENTS]] = True
_NOT_XML = {"\ufffe": "_xFFFE_", "\uffff": "_xFFFF_"}
_LOOKS_ESCAPED = "_x[0-9A-Fa-f]{4}_"
_UNDERSCORE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def escape(array: pa.Array) -> pa.Array:
    """A string column as XML text. Looks at the bytes first, so that ordinary text passes untouched."""
    raw = string_bytes(array)
    if raw.size == 0:
        return array
    content = raw.tobytes()
    if b"_x" in content:
        looks = pc.match_substring_regex(array, _LOOKS_ESCAPED)
        array = rewrite(array, looks, lambda text: _UNDERSCORE.sub("_x005F_", text))
    for character, replacement in _NOT_XML.items():
        if character.encode() in content:
            array = pc.replace_substring(array, character, replacement)
    special = _IS_SPECIAL[raw]
    if special.any():
        present = {chr(code) for code in np.unique(raw[special])}
        for character, replacement in _REPLACEMENTS.items():
            if character in present:
                array = pc.replace_substring(array, character, replacement)
    return array


def escape_one(text: str) -> str:
    escaped: str = escape(pa.array([text], pa.string()))[0].as_py()
    return escaped.replace('"', "&quot;")


def rewrite(array: pa.Array, chosen: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """The chosen values changed one by one: for what is rare."""
    indices = np.flatnonzero(pc.fill_null(chosen, False).to_numpy(zero_copy_only=False))
    if indices.size == 0:
        return array
    changed = [change(text) for text in array.take(indices).to_pylist()]
    mask = np.zeros(len(array), bool)
    mask[indices] = True
    return pc.replace_with_mask(array, pa.array(mask), pa.array(changed, array.type))


def utf16_length(text: str) -> int:
    """The length as spreadsheets count it."""
    return len(text.encode("utf-16-le")) // 2
