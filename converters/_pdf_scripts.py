"""What is particular about scripts: which have to be shaped, how they are called, which package has their fonts."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters._pdf_system_fonts import Region
from shared.plugins.arrow_text import string_bytes

_RIGHT_TO_LEFT = (
    range(0x0590, 0x0900), range(0xFB1D, 0xFE00), range(0xFE70, 0xFEFD), range(0x10800, 0x11000),
    range(0x1E800, 0x1F000),
)  # fmt: skip
_SHAPED = (  # Indic scripts, Thai, Lao, Tibetan, Myanmar, Khmer, Mongolian and those of the islands
    range(0x0900, 0x10A0), range(0x1700, 0x18B0), range(0x1A00, 0x1AB0), range(0x1B00, 0x1C50), range(0x1CD0, 0x1D00),
    range(0xA800, 0xA900), range(0xA930, 0xAB00), range(0xABC0, 0xAC00), range(0x11000, 0x12000),
)  # fmt: skip
_UNSPACED = (  # where a line may end after any character: Han, kana, Yi
    range(0x2E80, 0x3000), range(0x3001, 0x3130), range(0x3190, 0xA4D0), range(0xF900, 0xFB00), range(0xFE30, 0xFE50),
    range(0xFF00, 0xFFE0), range(0x1B000, 0x1B170), range(0x20000, 0x32000),
)  # fmt: skip
_NOT_FIRST = (
    "、。，．・：；？！)]}）］｝」』】〕〉》〙〗’”ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々〻ゝゞヽヾ…‥%％℃"
)
_NOT_LAST = "([{（［｛「『【〔〈《〘〖‘“￥＄"
_CJK_WORDS = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH", "FULLWIDTH", "HANGUL", "BOPOMOFO"})
_NAMED_CHARACTERS = 20
_FIRST_ASIAN_BYTE = 0xE3

LEFT_TO_RIGHT_SHAPED, RIGHT_TO_LEFT_SHAPED = 1, 2


@functools.cache
def shaped_points() -> npt.NDArray[np.uint8]:
    """For each code point how it is shaped, 0: not at all. Numbers and signs of right-to-left scripts are not."""
    kinds = np.zeros(0x110000 + 0x10000, np.uint8)
    for span in _SHAPED:
        kinds[span.start : span.stop] = LEFT_TO_RIGHT_SHAPED
    for span in _RIGHT_TO_LEFT:
        letters = [point for point in span if unicodedata.bidirectional(chr(point)) in ("R", "AL", "NSM")]
        kinds[letters] = RIGHT_TO_LEFT_SHAPED
    return kinds


@functools.cache
def line_ends() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each code: a line may end before and after it; it may not begin a line; it may not end one."""
    is_free, is_not_first, is_not_last = (np.zeros(0x110000 + 0x10000, bool) for _ in range(3))
    for span in _UNSPACED:
        is_free[span.start : span.stop] = True
    is_not_first[[ord(character) for character in _NOT_FIRST]] = True
    is_not_last[[ord(character) for character in _NOT_LAST]] = True
    return is_free, is_not_first, is_not_last


@functools.lru_cache(maxsize=16_384)
def script_of(character: str) -> str:
    """ISO 15924 code, nothing for what belongs to any script."""
    import uharfbuzz as hb

    buffer = hb.Buffer()
    buffer.add_str(character)
    buffer.guess_segment_properties()
    return buffer.script or ""


def region_of(columns: Iterable[pa.Array]) -> Region:
    """Whose shapes of the Chinese characters suit a table: that of its syllables. Hangul needs none, so kana decide."""
    kana = hangul = False
    for column in columns:
        raw = string_bytes(column)
        if raw.size and raw.max() >= _FIRST_ASIAN_BYTE:
            kana |= pc.any(pc.match_substring_regex(column, "[\u3041-\u30ff]")).as_py()
            hangul |= pc.any(pc.match_substring_regex(column, "[\uac00-\ud7a3]")).as_py()
    return "japanese" if kana else "korean" if hangul else "simplified"


def missing_glyphs(characters: Iterable[str]) -> str:
    """The warning for characters that no font has."""
    listed = sorted(characters)
    count = len(listed)
    groups = Counter(map(_group, listed))
    scripts = ", ".join(f"{name} ({number})" for name, number in groups.most_common())
    named = " ".join(f"{character} (U+{ord(character):04X})" for character in listed[:_NAMED_CHARACTERS])
    more = " …" if count > _NAMED_CHARACTERS else ""
    packages = sorted({package for package in map(_package, groups) if package})
    cure = f" Fonts that may have them, on Debian: apt install {' '.join(packages)}" if packages else ""
    subject = "1 character is drawn as a box" if count == 1 else f"{count} characters are drawn as boxes"
    return f"{subject}, as no font of this machine has a glyph: {scripts}, in particular {named}{more}.{cure}"


def _group(character: str) -> str:
    """How people call the script of a character."""
    category = unicodedata.category(character)
    if category in ("Cc", "Co", "Cn"):
        return {"Cc": "control characters", "Co": "private use", "Cn": "unassigned"}[category]
    if category.startswith("S"):
        return "symbols and emoji"
    words = unicodedata.name(character, "unnamed").split()
    if words[0] in ("CJK", "IDEOGRAPHIC"):
        return "Han"
    return words[0].capitalize()


def _package(group: str) -> str | None:
    """The Debian package that helps; a font of one color, for those of many cannot be embedded."""
    if group in ("control characters", "private use", "unassigned"):
        return None
    if group == "symbols and emoji":
        return "fonts-symbola"
    return "fonts-noto-cjk" if group == "Han" or group.upper() in _CJK_WORDS else "fonts-noto-core"
