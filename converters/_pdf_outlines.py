"""A compact font program (CFF) with exactly the forms that a document uses, drawn from whatever outlines a file has.

CID-keyed, so that the n-th form answers to code n. Hints are left out: paper and today's screens do without them.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uharfbuzz as hb

UNITS_PER_EM = 1000
_LINE, _CURVE, _MOVE, _END = b"\x05", b"\x08", b"\x15", b"\x0e"
_STANDARD_STRINGS = 391


@dataclass(frozen=True, slots=True)
class Form:
    """What one code draws: glyphs at their places (usually one), how far the pen moves on, and what it is copied as."""

    glyphs: tuple[tuple[int, int, int], ...]
    advance: int
    text: str


def font_program(name: str, font: hb.Font, forms: Sequence[Form]) -> tuple[bytes, tuple[int, int, int, int]]:
    """The program and its bounding box; code 0 is the font's box for missing characters."""
    missing = Form(((0, 0, 0),), font.get_glyph_h_advance(0), "")
    pen = _Pen(font)
    drawn = [pen.draw(form) for form in (missing, *forms)]
    box = pen.box
    head = b"\x01\x00\x04\x04" + _index([name.encode("ascii")])
    strings = _index([b"Adobe", b"Identity"]) + _index([])
    charset = struct.pack(">BHH", 2, 1, max(0, len(drawn) - 2))
    choice = struct.pack(">BHHBH", 3, 1, 0, 0, len(drawn))
    programs, private = _index(drawn), _integer(0) + b"\x14"

    def top(charset_at: int, choice_at: int, programs_at: int, array_at: int) -> bytes:
        names = _operator([_STANDARD_STRINGS, _STANDARD_STRINGS + 1, 0], b"\x0c\x1e")
        sizes = _operator([*box], b"\x05") + _operator([len(drawn)], b"\x0c\x22")
        places = _operator([charset_at], b"\x0f") + _operator([choice_at], b"\x0c\x25")
        return _index([names + sizes + places + _operator([programs_at], b"\x11") + _operator([array_at], b"\x0c\x24")])

    charset_at = len(head) + len(top(0, 0, 0, 0)) + len(strings)
    choice_at = charset_at + len(charset)
    private_at = choice_at + len(choice)
    array_at = private_at + len(private)
    array = _index([_operator([len(private), private_at], b"\x12")])
    places = top(charset_at, choice_at, array_at + len(array), array_at)
    return b"".join([head, places, strings, charset, choice, private, array, programs]), box


class _Pen:
    """Type 2 charstrings from the outlines that HarfBuzz tells."""

    def __init__(self, font: hb.Font) -> None:
        import uharfbuzz as hb

        self._font = font
        self._pieces: list[bytes] = []
        self._x = self._y = self._left = self._bottom = 0
        self._corners = [0, 0, 0, 0]
        self._functions = hb.DrawFuncs()
        self._functions.set_move_to_func(self._move)
        self._functions.set_line_to_func(self._line)
        self._functions.set_cubic_to_func(self._curve)

    @property
    def box(self) -> tuple[int, int, int, int]:
        left, bottom, right, top = self._corners
        return left, bottom, right, top

    def draw(self, form: Form) -> bytes:
        self._pieces = [_integer(form.advance)] if form.advance else []
        self._x = self._y = 0
        for glyph, self._left, self._bottom in form.glyphs:
            self._font.draw_glyph(glyph, self._functions)
        return b"".join([*self._pieces, _END])

    def _move(self, x: float, y: float, _: Any) -> None:
        self._go(x, y, _MOVE)

    def _line(self, x: float, y: float, _: Any) -> None:
        self._go(x, y, _LINE)

    def _curve(self, x1: float, y1: float, x2: float, y2: float, x3: float, y3: float, _: Any) -> None:
        self._step(x1, y1)
        self._step(x2, y2)
        self._go(x3, y3, _CURVE)

    def _go(self, x: float, y: float, operator: bytes) -> None:
        self._step(x, y)
        self._pieces.append(operator)
        corners = self._corners
        corners[0], corners[1] = min(corners[0], self._x), min(corners[1], self._y)
        corners[2], corners[3] = max(corners[2], self._x), max(corners[3], self._y)

    def _step(self, x: float, y: float) -> None:
        new_x, new_y = round(x) + self._left, round(y) + self._bottom
        self._pieces += (_integer(new_x - self._x), _integer(new_y - self._y))
        self._x, self._y = new_x, new_y


@functools.lru_cache(maxsize=8_192)
def _integer(value: int) -> bytes:
    if -107 <= value <= 107:
        return bytes((value + 139,))
    if 108 <= value <= 1_131:
        return struct.pack(">H", value - 108 + (247 << 8))
    if -1_131 <= value <= -108:
        return struct.pack(">H", -value - 108 + (251 << 8))
    return struct.pack(">Bh", 28, max(-32_768, min(32_767, value)))


def _operator(operands: Iterable[int], operator: bytes) -> bytes:
    """Operands of a dictionary in five bytes each: so places can be filled in once they are known."""
    return b"".join(struct.pack(">Bi", 29, operand) for operand in operands) + operator


def _index(items: Sequence[bytes]) -> bytes:
    if not items:
        return b"\x00\x00"
    ends = [1]
    for item in items:
        ends.append(ends[-1] + len(item))
    return struct.pack(f">HB{len(ends)}I", len(items), 4, *ends) + b"".join(items)
