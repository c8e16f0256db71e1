"""Counts the rows of a finished HTML page: tags, for text in it has no `<`."""

from __future__ import annotations

from pathlib import Path

from shared.errors import ConversionRejected
from shared.plugins.control import Control

_ROW, _BODY, _END = b"<tr>", b"<tbody>\n", b"</tbody>\n"
_PAGE_END = b"</body>\n</html>\n"
_CHUNK = 1 << 20


def count_rows(path: Path, control: Control) -> int:
    """Rows of the table's body.

    Raises:
        ConversionRejected: the page does not end, or has no table.
    """
    counts = dict.fromkeys((_ROW, _BODY, _END), 0)
    kept = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            control.check()
            for tag in counts:
                # What the end of the last piece cut is counted with this one.
                counts[tag] += (kept[1 - len(tag) :] + chunk).count(tag)
            kept = (kept + chunk)[-len(_PAGE_END) :]
    if kept != _PAGE_END or counts[_BODY] != 1 or counts[_END] != 1:
        raise ConversionRejected(f"{path.name} is damaged: it is no whole page.")
    return counts[_ROW]
