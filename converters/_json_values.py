"""Arrow columns as JSON values: escaped text, numbers that no reader rounds, nested values as arrays and objects."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._misfits import MisfitError
from converters._rows import Quoted
from converters._significant import has_few_digits
from converters._texts import REPRESENTATIONS, TextStyle, joined, plain, texts
from shared.plugins.arrow_text import string_bytes

ExactNumbers = Literal["safe", "number", "text"]
Offsets = npt.NDArray[np.int64]

JSON_REPRESENTATIONS: Mapping[str, str] = {
    **{
        family: f"{words}, in quotes" for family, words in REPRESENTATIONS.items() if family not in ("boolean", "other")
    },
    "NULL": "`null`",
    "empty text": '`""`',
    "text": "a string",
    "boolean": "`true` or `false`",
    "integer": (
        "a number; beyond ±(2^53 - 1), where many readers round, its digits in quotes (`exact_numbers`: `number` "
        "always a number, `text` 64-bit integers always in quotes)"
    ),
    "decimal": (
        "a number with all digits of its scale; with more than 15 significant digits, where many readers round, in "
        "quotes (`exact_numbers`: `number` always a number, `text` always in quotes)"
    ),
    "decimal text": "like decimals; `NaN` and infinities in quotes",
    "float": "a number: the shortest that reads back as the same, `-0.0` kept",
    "NaN and infinity": '`"NaN"`, `"Infinity"`, `"-Infinity"`: JSON has no such numbers',
    "dictionary": "the value that it stands for",
    "list": "an array",
    "struct": "an object; two fields of one name are rejected",
    "map": "an object whose names are the keys as text; a key that repeats is rejected",
    "other": "rejected, naming the column",
}
_SAFE = 2**53 - 1
_SAFE_DIGITS = 15
_QUOTE, _BACKSLASH, _SPACE = 0x22, 0x5C, 0x20
_ESCAPES = {'"': '\\"', **{chr(code): json.dumps(chr(code))[1:-1] for code in range(_SPACE)}}
_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True, slots=True)
class Values:
    """A column of JSON values, NULL kept; the quotes are not in `texts`, and NULL has none."""

    texts: pa.Array
    quoted: Quoted


def json_values(array: pa.Array, timezone: str, exact: ExactNumbers, is_number_text: bool = False) -> Values:
    """Raises MisfitError for a value that has no representation."""
    array = plain(array)
    kind = array.type
    style = TextStyle(timezone)
    found = texts(array, style, lambda nested: _nested(nested, timezone, exact))
    if types.is_string(kind) or types.is_large_string(kind):
        return _number_texts(found, exact) if is_number_text else _in_quotes(escaped(found))
    if types.is_integer(kind):
        return _integers(array, found, exact)
    if types.is_decimal(kind):
        return _decimals(array, found, exact)
    if types.is_floating(kind):
        return _mixed(found, pc.is_finite(array))
    is_bare = types.is_boolean(kind) or types.is_null(kind) or types.is_nested(kind)
    return Values(found, False) if is_bare else _in_quotes(found)


def whole_values(array: pa.Array, timezone: str, exact: ExactNumbers) -> pa.Array:
    """The column as complete JSON values: quotes are around what needs them, NULL is `null`."""
    values = json_values(array, timezone, exact)
    found, quoted = values.texts, values.quoted
    if quoted is not False:
        in_quotes = joined('"', found, '"')
        found = in_quotes if quoted is True else pc.if_else(pa.array(quoted), in_quotes, found)
    return pc.fill_null(found, "null") if found.null_count else found


def escaped(array: pa.Array) -> pa.Array:
    """Text as it stands inside a JSON string. Looks at the bytes first, so that ordinary text passes untouched."""
    raw = string_bytes(array)
    is_special = (raw < _SPACE) | (raw == _QUOTE) | (raw == _BACKSLASH)
    if not is_special.any():
        return array
    present = {chr(code) for code in np.unique(raw[is_special])}
    if "\\" in present:  # first, for the other escapes bring backslashes
        array = pc.replace_substring(array, "\\", "\\\\")
    for character in present - {"\\"}:
        array = pc.replace_substring(array, character, _ESCAPES[character])
    return array


def _integers(array: pa.Array, found: pa.Array, exact: ExactNumbers) -> Values:
    if exact == "number" or array.type.bit_width < 64:
        return Values(found, False)
    if exact == "text":
        return _in_quotes(found)
    is_safe = pc.less_equal(array, pa.scalar(_SAFE, array.type))
    if types.is_signed_integer(array.type):
        is_safe = pc.and_(is_safe, pc.greater_equal(array, pa.scalar(-_SAFE, array.type)))
    return _mixed(found, is_safe)


def _decimals(array: pa.Array, found: pa.Array, exact: ExactNumbers) -> Values:
    if exact != "safe":
        return _in_quotes(found) if exact == "text" else Values(found, False)
    if array.type.precision <= _SAFE_DIGITS and array.type.scale >= 0:
        return Values(found, False)
    longest = pc.max(pc.binary_length(found)).as_py() or 0
    if longest <= _SAFE_DIGITS:  # sign and point included
        return Values(found, False)
    return _mixed(found, has_few_digits(found))


def _number_texts(found: pa.Array, exact: ExactNumbers) -> Values:
    if exact == "text":
        return _in_quotes(escaped(found))
    is_number = pc.match_substring_regex(found, _NUMBER if exact == "number" else _PLAIN_NUMBER)
    if exact == "safe":
        is_number = pc.and_(is_number, has_few_digits(found))
    return _mixed(found, is_number)


def _mixed(found: pa.Array, is_number: pa.Array) -> Values:
    """Numbers where they may be, else text in quotes."""
    if pc.all(is_number).as_py() is not False:
        return Values(found, False)
    is_text = pc.invert(pc.fill_null(is_number, True))
    return Values(escaped(found), is_text.to_numpy(zero_copy_only=False))


def _in_quotes(found: pa.Array) -> Values:
    return Values(found, pc.is_valid(found).to_numpy(zero_copy_only=False) if found.null_count else True)


def _nested(array: pa.Array, timezone: str, exact: ExactNumbers) -> pa.Array:
    kind = array.type
    if types.is_struct(kind):
        return _objects(array, timezone, exact)
    if types.is_map(kind):
        return _maps(array, timezone, exact)
    # Lengths and flatten() serve all kinds of lists; casting a list_view to a list loses items (Arrow 26).
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    with _of_rows(offsets):
        return _gathered("[", whole_values(array.flatten(), timezone, exact), "]", offsets, array)


def _objects(array: pa.Array, timezone: str, exact: ExactNumbers) -> pa.Array:
    parts: list[pa.Array | str] = []
    opening = "{"
    for field, child in zip(array.type, array.flatten(), strict=True):
        parts += [f"{opening}{json.dumps(field.name, ensure_ascii=False)}:", whole_values(child, timezone, exact)]
        opening = ","
    found = joined(*parts, "}") if parts else pa.repeat("{}", len(array))
    return _with_nulls(found, array)


def _maps(array: pa.Array, timezone: str, exact: ExactNumbers) -> pa.Array:
    offsets = array.offsets.to_numpy().astype(np.int64)
    entries = slice(offsets[0], offsets[-1])
    offsets -= offsets[0]
    with _of_rows(offsets):
        keys = plain(array.keys[entries])
        names = texts(keys, TextStyle(timezone), lambda nested: _nested(nested, timezone, exact))
        _check_keys(names, offsets)
        values = whole_values(array.items[entries], timezone, exact)
    return _gathered("{", joined('"', escaped(names), '":', values), "}", offsets, array)


def _check_keys(names: pa.Array, offsets: Offsets) -> None:
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    seen: set[tuple[int, str]] = set()
    for index, pair in enumerate(zip(rows.tolist(), names.to_pylist(), strict=True)):
        if pair in seen:
            raise MisfitError(index, "a map with the same key twice", "Convert it to text in the query.")
        seen.add(pair)


@contextlib.contextmanager
def _of_rows(offsets: Offsets) -> Iterator[None]:
    """A misfit among the items is one of their row."""
    try:
        yield
    except MisfitError as error:
        row = int(np.searchsorted(offsets, error.index, "right")) - 1
        raise MisfitError(row, error.what, error.hint) from error


def _gathered(opening: str, items: pa.Array, closing: str, offsets: Offsets, array: pa.Array) -> pa.Array:
    lists = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items)
    return _with_nulls(joined(opening, pc.binary_join(lists, pa.scalar(",", items.type)), closing), array)


def _with_nulls(found: pa.Array, array: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_valid(array), found, None) if array.null_count else found
