"""The font files of this machine: which of them has a character, and which of those suits a report best."""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import uharfbuzz as hb

Region = Literal["japanese", "korean", "simplified", "traditional"]

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
FOLDERS_OF_MACOS = ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts")
_SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_MOST_IN_ONE_FILE = 64
_REGIONS = {"japanese": "JP", "korean": "KR", "simplified": "SC", "traditional": "TC"}
_COLOR_TABLES = frozenset({"CBDT", "COLR", "SVG ", "sbix"})
_OUTLINE_TABLES = frozenset({"glyf", "CFF ", "CFF2"})
_EMBEDDING_FORBIDDEN, _EMBEDDING_MASK, _NO_SUBSETTING, _BITMAPS_ONLY = 0x2, 0xF, 0x100, 0x200
_UNUSUAL = re.compile(
    r"serif|mono|display|condensed|italic|oblique|slanted|looped|kufi|nastaliq|naskh|rashi|unjoined|math|unifont"
    r"|last ?resort|blank",
    re.IGNORECASE,
)
_EAST_ASIAN_SIGNS, _IDEOGRAPH = (range(0x3000, 0x3040), range(0xFF00, 0xFFF0)), 0x4E00
_NO_SHAPES = re.compile(r"last ?resort|blank", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class FontFile:
    """One font of a file; a collection (`.ttc`) holds several."""

    path: Path
    index: int
    name: str
    weight: int
    coverage: hb.Set

    def __contains__(self, point: int) -> bool:
        return point in self.coverage

    @property
    def postscript_name(self) -> str:
        return re.sub(r"[^A-Za-z0-9-]", "", self.name) or "Font"

    def face(self) -> hb.Face:
        return _face(self.path, self.index)

    def preference(self, weight: int, region: Region) -> tuple[Any, ...]:
        """Sorts the plain sans serifs of the wanted weight and region to the front."""
        words = self.name.split()
        is_elsewhere = any(code in words for code in (*_REGIONS.values(), "HK")) and _REGIONS[region] not in words
        is_sans = "sans" in self.name.lower()
        oddness = len(_UNUSUAL.findall(self.name))
        return oddness, not is_sans, is_elsewhere, abs(self.weight - weight), self.name, str(self.path), self.index


def system_fonts() -> tuple[FontFile, ...]:
    """All fonts that may be embedded and drawn in one color. Files that came or went since are noticed."""
    return _fonts(tuple(_listing()))


def _listing() -> Iterator[tuple[Path, int, int]]:
    for name in (*FOLDERS, *FOLDERS_OF_MACOS):
        try:
            folder = Path(name).expanduser()
        except RuntimeError:  # this user has no home
            continue
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                facts = path.stat()
                yield path, facts.st_size, facts.st_mtime_ns


@functools.lru_cache(maxsize=1)
def _fonts(listing: tuple[tuple[Path, int, int], ...]) -> tuple[FontFile, ...]:
    return tuple(font for path, _, _ in listing for font in _fonts_of(path))


def _fonts_of(path: Path) -> Iterator[FontFile]:
    import uharfbuzz as hb

    try:
        blob = hb.Blob.from_file_path(str(path))
        faces = [hb.Face(blob, index) for index in range(min(hb.Face(blob).count, _MOST_IN_ONE_FILE))]
        fonts = [_font(path, face) for face in faces]
    except (hb.HarfBuzzError, UnicodeDecodeError):  # not for this user, or broken: as if it were not there
        return
    yield from (font for font in fonts if font)


def _font(path: Path, face: hb.Face) -> FontFile | None:
    import uharfbuzz as hb

    tags = set(face.table_tags)
    name = face.get_name(hb.OTNameIdPredefined.FULL_NAME) or path.stem
    facts = bytes(face.reference_table("OS/2").data[:10]) if "OS/2" in tags else b""
    weight, permission = struct.unpack(">4xHxxH", facts) if len(facts) == 10 else (400, 0)
    if permission & _EMBEDDING_MASK == _EMBEDDING_FORBIDDEN or permission & (_NO_SUBSETTING | _BITMAPS_ONLY):
        return None
    if not tags & _OUTLINE_TABLES or tags & _COLOR_TABLES or _NO_SHAPES.search(name):
        return None
    return FontFile(path, face.index, name, weight, face.unicodes)


@functools.lru_cache(maxsize=32)
def _face(path: Path, index: int) -> hb.Face:
    import uharfbuzz as hb

    return hb.Face(hb.Blob.from_file_path(str(path)), index)


class FontFinder:
    """Finds a font file for each character; files that a document uses already go first."""

    def __init__(self, own: FontFile, region: Region) -> None:
        self._chosen = [own]
        self._weight, self._region = own.weight, region
        self._candidates: list[FontFile] | None = None

    def find(self, text: str) -> FontFile | None:
        """The font file that has all characters of the text; for East Asian signs one with ideographs, if there is."""
        points = {ord(character) for character in text}
        if any(point in signs for signs in _EAST_ASIAN_SIGNS for point in points):
            return self._find(points | {_IDEOGRAPH}) or self._find(points)
        return self._find(points)

    def _find(self, points: set[int]) -> FontFile | None:
        for font in self._chosen:
            if all(point in font for point in points):
                return font
        for font in self._sorted():
            if all(point in font for point in points):
                self._chosen.append(font)
                return font
        return None

    def _sorted(self) -> list[FontFile]:
        if self._candidates is None:
            weight, region = self._weight, self._region
            self._candidates = sorted(system_fonts(), key=lambda font: font.preference(weight, region))
        return self._candidates
