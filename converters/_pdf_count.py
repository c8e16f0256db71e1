"""Counts the data rows of a finished PDF file from its bytes: the marks that stand around the text of each row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from shared.errors import ConversionRejected
from shared.plugins.control import Control

_MARK = b"/Row BMC"
_TAIL = 2_048
_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")
_TABLE = re.compile(rb"xref\s+0 (\d+)\s+")
_ENTRY_BYTES = 20
_OBJECT = re.compile(rb"(\d+) 0 obj\s*<<(.*?)>>\s*(stream\n|endobj)", re.DOTALL)
_LENGTH = re.compile(rb"/Length (\d+)")
_HEAD = 256


def count_rows(path: Path, control: Control) -> int:
    """Marks in the contents of all pages.

    Raises:
        ConversionRejected: the file is damaged: no end, objects missing, contents that do not unpack.
    """
    try:
        with path.open("rb") as file:
            return sum(content.count(_MARK) for content in _contents(file, control))
    except (_DamagedError, isal_zlib.error, ValueError) as error:  # type: ignore[misc]  # its stub names no class
        raise ConversionRejected(f"{path.name} is damaged: it is no readable PDF file.") from error


class _DamagedError(Exception):
    pass


def _contents(file: BinaryIO, control: Control) -> Iterator[bytes]:
    """The contents of all streams that are neither fonts nor forms, in the order of the file's table."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _TAIL))
    found = _START.search(file.read())
    if found is None:
        raise _DamagedError
    file.seek(int(found[1]))
    table = _TABLE.match(file.read(64))
    if table is None:
        raise _DamagedError
    file.seek(int(found[1]) + table.end())
    entries = file.read(int(table[1]) * _ENTRY_BYTES)
    for number in range(1, int(table[1])):
        if number % 100 == 0:
            control.check()
        file.seek(int(entries[number * _ENTRY_BYTES : number * _ENTRY_BYTES + 10]))
        head = file.read(_HEAD)
        if not head.startswith(b"%d 0 obj" % number):
            raise _DamagedError
        found = _OBJECT.match(head)
        length = _LENGTH.search(found[2]) if found and found[3] == b"stream\n" else None
        if (
            found is None
            or length is None
            or b"/Type" in found[2]
            or b"/Length1" in found[2]
            or b"/Subtype" in found[2]
        ):
            continue
        file.seek(int(entries[number * _ENTRY_BYTES : number * _ENTRY_BYTES + 10]) + found.end())
        yield isal_zlib.decompress(file.read(int(length[1])))
