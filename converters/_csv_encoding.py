"""CSV in other encodings than UTF-8: every character must exist there."""

from __future__ import annotations

import codecs
from typing import Literal

import pyarrow.compute as pc

from converters._csv_rows import Records
from shared.errors import ConversionRejected
from shared.plugins.arrow_text import string_bytes

Encoding = Literal[
    "utf-8",
    "utf-8-sig",
    "utf-16le",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "shift_jis",
    "gb18030",
    "big5",
    "euc-kr",
]
_MARKS = {"utf-8-sig": codecs.BOM_UTF8, "utf-16le": codecs.BOM_UTF16_LE}
_CODECS = {"utf-8-sig": "utf-8", "utf-16le": "utf-16-le"}


def byte_order_mark(encoding: Encoding) -> bytes:
    return _MARKS.get(encoding, b"")


def codec(encoding: Encoding) -> str:
    """Python's name of the encoding, without the mark."""
    return _CODECS.get(encoding, encoding)


def encoded_text(text: str, encoding: Encoding, what: str) -> bytes:
    try:
        return text.encode(codec(encoding))
    except UnicodeEncodeError as error:
        raise ConversionRejected(
            f"{what} {_holds(text[error.start], encoding)}", hint="Choose UTF-8, or another name."
        ) from error


def encoded(made: Records, encoding: Encoding) -> memoryview:
    name = codec(encoding)
    if name == "utf-8":
        return made.content
    try:
        return memoryview(bytes(made.content).decode().encode(name))
    except UnicodeEncodeError as error:
        missing = error.object[error.start]
        row, column = _place(made, missing)
        raise ConversionRejected(
            f"Row {row:,} of column {column} {_holds(missing, encoding)}",
            hint="Choose UTF-8, or replace the character in the query.",
        ) from error


def _holds(character: str, encoding: Encoding) -> str:
    return f"holds the character {character} (U+{ord(character):04X}), which {encoding} does not have."


def _place(made: Records, character: str) -> tuple[int, str]:
    """The first row with the character, and its column."""
    found = []
    for name, cells in zip(made.block.rows.schema.names, made.columns, strict=True):
        if string_bytes(cells).tobytes().find(character.encode()) >= 0:
            rows = pc.match_substring(cells, character)
            found.append((made.block.first_row + pc.index(rows, True).as_py(), name))
    return min(found, key=lambda place: place[0])
