"""Scripts whose letters join, move or stack, and texts that run right to left: shaped by HarfBuzz, ordered by bidi.

A cluster (what a reader takes for one letter) becomes one code: its glyphs are drawn together, and it is copied as the
characters that were written.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from converters._pdf_breaks import NOWHERE, broken, cuts
from converters._pdf_font import Codes, Font
from converters._pdf_outlines import Form
from converters._pdf_scripts import RIGHT_TO_LEFT_SHAPED, script_of, shaped_points
from converters._pdf_sight import MARK, in_sight_order
from converters._pdf_supplement import scaled_font
from converters._pdf_system_fonts import FontFile

if TYPE_CHECKING:
    import uharfbuzz as hb

_LINE_FEED, _SPACE = 0x0A, 0x20
_JOINERS = "\u200c\u200d"
_ENDLESS = 1 << 50
_MOST_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class _Span:
    """Neighbors of one script (an ISO 15924 code); without a script they need no shaping."""

    text: str
    script: str = ""
    is_rtl: bool = False

    def backwards(self) -> _Span:
        return _Span(self.text[::-1], self.script, self.is_rtl)


@dataclass(frozen=True, slots=True)
class _Shaped:
    """The code of each cluster in the order of sight, where it begins in the text, and how wide all are together."""

    codes: list[int]
    starts: list[int]
    width: int = 0


class Shaper:
    """Shapes for one font of a document; remembers words, for reports repeat them."""

    def __init__(self, font: Font) -> None:
        self.font = font
        self._words: dict[tuple[str, bool], _Shaped] = {}
        self._fonts: dict[FontFile, hb.Font] = {}
        self._space = int(font.advances(_array([_SPACE]))[0])

    def line(self, text: str) -> Codes:
        """A text of one line."""
        codes, _ = self.lines(text, _ENDLESS)
        self.font.use(codes)
        return codes

    def lines(self, text: str, limit: int) -> tuple[Codes, bool]:
        """Codes of all lines in the order of sight, LF between them; and whether the text runs right to left."""
        from bidi import get_base_level

        has_rtl = bool((shaped_points()[_points(text)] == RIGHT_TO_LEFT_SHAPED).any())
        is_rtl = has_rtl and get_base_level(text) == 1
        codes: list[int] = []
        for part in text.split("\n"):
            for line in self._wrapped(part, limit):
                shown = in_sight_order(line, is_rtl=is_rtl) if has_rtl else line
                for word in shown.split(" "):
                    codes += self._word(word, is_sighted=has_rtl).codes
                    codes.append(_SPACE)
                codes[-1] = _LINE_FEED
        return _array(codes[:-1]), is_rtl

    def _wrapped(self, part: str, limit: int) -> list[str]:
        """The lines of a paragraph in the order of reading."""
        words = [self._word(word) for word in part.split(" ")]
        if sum(word.width for word in words) + self._space * (len(words) - 1) <= limit:
            return [part]
        points = _points(part)
        edges, start, spaces = np.zeros(len(part) + 1, np.int64), 0, np.flatnonzero(points == _SPACE)
        for text, word in zip(part.split(" "), words, strict=True):
            np.add.at(edges, np.array(word.starts, np.int64) + start + 1, self.font.advances(_array(word.codes)))
            start += len(text) + 1
        edges[spaces + 1] = self._space
        np.cumsum(edges, out=edges)
        offsets = np.array([0, len(part)], np.int64)
        _, starts, ends = broken(np.zeros(1, np.int64), offsets, edges, limit, NOWHERE, spaces, cuts(points))
        return [part[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def _word(self, text: str, *, is_sighted: bool = False) -> _Shaped:
        """A word in the order of reading, or in that of sight, in which right-to-left letters stand backwards."""
        word = self._words.get((text, is_sighted))
        if word is not None:
            return word
        codes: list[int] = []
        starts: list[int] = []
        start = 0
        for span in _spans(text):
            if span.script:
                shaped = self._shape(span.backwards() if is_sighted and span.is_rtl else span)
            else:
                shaped = self._plain(span.text)
            codes += shaped.codes
            starts += [place + start for place in shaped.starts]
            start += len(span.text)
        self.font.find(_array(codes))
        if len(self._words) >= _MOST_REMEMBERED:
            self._words.clear()
        width = int(self.font.advances(_array(codes)).sum())
        word = self._words[text, is_sighted] = _Shaped(codes, starts, width)
        return word

    def _plain(self, text: str) -> _Shaped:
        """Character by character; a marked bracket is turned."""
        if MARK not in text:
            return _Shaped([ord(character) for character in text], list(range(len(text))))
        from bidi.mirror import MIRRORED

        codes: list[int] = []
        starts: list[int] = []
        for place, character in enumerate(text):
            if codes and codes[-1] == ord(MARK) and character in MIRRORED:
                codes[-1] = self._turned(character, MIRRORED[character])
            else:
                codes.append(ord(character))
                starts.append(place)
        return _Shaped(codes, starts)

    def _turned(self, bracket: str, shape: str) -> int:
        """A bracket in right-to-left text: it has the shape of its counterpart and is copied as itself."""
        file = self.font.file_for(shape)
        if file is None:
            return ord(shape)
        font = self._font_of(file)
        glyph = font.get_nominal_glyph(ord(shape))
        code = self.font.form_code(file, Form(((glyph, 0, 0),), font.get_glyph_h_advance(glyph), bracket))
        return ord(shape) if code is None else code

    def _font_of(self, file: FontFile) -> hb.Font:
        if file not in self._fonts:
            self._fonts[file] = scaled_font(file)
        return self._fonts[file]

    def _shape(self, span: _Span) -> _Shaped:
        """With the font that has all of the word, or part by part."""
        file = self.font.file_for(span.text)
        if file is not None:
            return self._shape_with(file, span)
        parts, start = [], 0
        for part_file, characters in itertools.groupby(span.text, self.font.file_for):
            part = _Span("".join(characters), span.script, span.is_rtl)
            shaped = _unshaped(part) if part_file is None else self._shape_with(part_file, part)
            parts.append(_Shaped(shaped.codes, [place + start for place in shaped.starts]))
            start += len(part.text)
        if span.is_rtl:
            parts.reverse()
        return _Shaped(
            [code for part in parts for code in part.codes], [start for part in parts for start in part.starts]
        )

    def _shape_with(self, file: FontFile, span: _Span) -> _Shaped:
        import uharfbuzz as hb

        buffer = hb.Buffer()
        buffer.add_codepoints([ord(character) for character in span.text])
        buffer.script, buffer.language = span.script, "und"
        buffer.direction = "rtl" if span.is_rtl else "ltr"
        hb.shape(self._font_of(file), buffer)
        glyphs = list(zip(buffer.glyph_infos, buffer.glyph_positions, strict=True))
        begins = sorted({info.cluster for info, _ in glyphs})
        ends = dict(zip(begins, [*begins[1:], len(span.text)], strict=True))
        codes, starts = [], []
        for begin, members in itertools.groupby(glyphs, lambda glyph: glyph[0].cluster):
            placed, pen = [], 0
            for info, position in members:
                placed.append((info.codepoint, pen + position.x_offset, position.y_offset))
                pen += position.x_advance
            form = Form(tuple(placed), pen, span.text[begin : ends[begin]])
            forms = _by_letter(form) if span.is_rtl else [form]
            for place, part in zip(range(begin + len(forms) - 1, begin - 1, -1), forms, strict=True):
                code = self.font.form_code(file, part)
                if code is None:
                    return _unshaped(span)
                codes.append(code)
                starts.append(place)
        return _Shaped(codes, starts)


def _by_letter(form: Form) -> list[Form]:
    """A right-to-left cluster with a code for each character, from left to right; the first character draws all.

    Readers turn such text around code by code, and would leave the characters within a code in the wrong order.
    """
    letters = [unicodedata.category(character)[0] != "M" for character in form.text]
    forms, pen = [], 0
    for place in range(len(form.text) - 1, 0, -1):
        advance = form.advance // sum(letters) if letters[place] and letters[0] else 0
        forms.append(Form((), advance, form.text[place]))
        pen += advance
    glyphs = tuple((glyph, x - pen, y) for glyph, x, y in form.glyphs)
    return [*forms, Form(glyphs, form.advance - pen, form.text[0])]


def _unshaped(span: _Span) -> _Shaped:
    """Letters side by side: as boxes where no font has them."""
    codes, starts = [ord(character) for character in span.text], list(range(len(span.text)))
    return _Shaped(codes[::-1], starts[::-1]) if span.is_rtl else _Shaped(codes, starts)


def _spans(text: str) -> Iterator[_Span]:
    start, script, kind = 0, "", 0
    for place, (character, own_kind) in enumerate(zip(text, shaped_points()[_points(text)].tolist(), strict=True)):
        if kind and character in _JOINERS:
            continue
        own_script = script_of(character) if own_kind else ""
        if own_kind != kind or (own_script and script and own_script != script):
            if place > start:
                yield _Span(text[start:place], script, kind == RIGHT_TO_LEFT_SHAPED)
            start, script, kind = place, "", own_kind
        script = script or own_script
    if start < len(text):
        yield _Span(text[start:], script, kind == RIGHT_TO_LEFT_SHAPED)


def _array(codes: list[int]) -> Codes:
    return np.array(codes, np.uint32)


def _points(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
