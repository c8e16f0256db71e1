"""PDF files in the scripts of the world, read back by poppler and qpdf, with the fonts of the machine."""

from __future__ import annotations

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from converters import _pdf_system_fonts
from converters._pdf_font import Font, typeface
from converters._pdf_shaping import Shaper
from converters._pdf_system_fonts import system_fonts
from converters.pdf import PdfConfig, PdfConverter
from shared.plugins import Control, ReportInfo
from tests.plugins.pdf_tools import copied_text, require_fonts, run

MOMENT = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)
NAMES = {
    "Latin": "Jürgen Groß-Größer",
    "Greek": "Αλέξανδρος Παπαδόπουλος",
    "Cyrillic": "Ґанна Їжакевич",
    "Arabic": "فاطمة عبد الله الخطيب لا",
    "Vowelled": "مُحَمَّد",
    "Hebrew": "יעל כהן",
    "Pointed": "שָׁלוֹם עֲלֵיכֶם",
    "Japanese": "𠮷野 さくら・髙島屋 山﨑",
    "Chinese": "诸葛 秀英 歐陽",
    "Korean": "김민준 이서연",
    "Hindi": "श्रेया त्रिपाठी द्विवेदी क्षत्रिय",
    "Bengali": "শ্রী কৃষ্ণ বন্দ্যোপাধ্যায়",
    "Tamil": "ஸ்ரீ கிருஷ்ணன்",
    "Thai": "สมชาย ใจดี น้ำตก",
    "Khmer": "សុខ ចាន់ធូ",
    "Burmese": "အောင်ဆန်းစုကြည်",
    "Tibetan": "བསྟན་འཛིན",
    "Amharic": "አበበ በቂላ",
    "Mixed": "A 日本 ख़ Ω 한국 שלום",
}


def report(**changes: Any) -> ReportInfo:
    return ReportInfo(**{"name": "Names", "scheduled_for": MOMENT, "generated_at": MOMENT, **changes})


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(table: pa.Table, config: PdfConfig | None = None, info: ReportInfo | None = None) -> Path:
        path, converter = tmp_path / "report.pdf", PdfConverter(config or PdfConfig())
        with path.open("wb") as sink:
            converter.write(table.to_reader(), sink, info or report(), Control())
        assert converter.count_rows(path, Control()) == table.num_rows
        run("qpdf", "--check", path)
        return path

    return write


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place for fonts."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    monkeypatch.setattr(_pdf_system_fonts, "FOLDERS", (str(folder),))
    monkeypatch.setattr(_pdf_system_fonts, "FOLDERS_OF_MACOS", ())
    return folder


def fonts_of(path: Path) -> list[tuple[str, str, str]]:
    """Name, whether it is embedded, whether it is a subset."""
    rows = [line.split() for line in run("pdffonts", path).splitlines()[2:]]
    return [(row[0], row[-5], row[-4]) for row in rows]


def test_names_in_all_scripts_come_back_in_order(write: Write) -> None:
    require_fonts()
    info = report()
    path = write(pa.table({"n": range(len(NAMES)), "name": list(NAMES.values())}), info=info)
    assert info.warnings == []
    lines = re.findall(r"^ *\d+ +(.+)$", copied_text(path, "-layout"), re.MULTILINE)
    assert [" ".join(line.split()) for line in lines] == list(NAMES.values())


def test_all_fonts_are_embedded_as_subsets_of_different_names(write: Write) -> None:
    require_fonts()
    fonts = fonts_of(write(pa.table({name: [value] for name, value in NAMES.items()}), PdfConfig(page_size="letter")))
    names = [name for name, _, _ in fonts]
    assert len(set(names)) == len(names) > 8
    assert all(is_embedded == is_subset == "yes" for _, is_embedded, is_subset in fonts)


def test_headers_title_and_totals_have_other_fonts_too(write: Write) -> None:
    require_fonts()
    config = PdfConfig(title="売上 — تقرير — रिपोर्ट", subtitle="中文", totals=["数量"])
    path = write(pa.table({"名前": ["さくら"], "数量": [3]}), config, report(parameters={"地域": "東京"}))
    words = copied_text(path)
    for word in ("売上", "تقرير", "रिपोर्ट", "中文", "名前", "数量", "地域: 東京", "さくら"):
        assert word in words
    assert any("CJKJP-Bold" in name or "CJKJPBold" in name for name, _, _ in fonts_of(path))


def test_widths_are_those_of_the_font(write: Write) -> None:
    require_fonts()
    path = write(pa.table({"a": ["漢字仮名交"], "b": ["next"]}))
    boxes = re.findall(r'<word xMin="([\d.]+)" .* xMax="([\d.]+)" .*>(.+)</word>', run("pdftotext", "-bbox", path, "-"))
    widths = {word: float(right) - float(left) for left, right, word in boxes}
    assert widths["漢字仮名交"] == pytest.approx(5 * 8.0, abs=0.05)


def test_text_without_spaces_fills_its_lines_and_no_line_begins_with_a_stop(write: Write) -> None:
    require_fonts()
    sentence = "これは長い日本語の文章です。折り返しが必要です、「禁則処理」も確認します。"
    path = write(pa.table({"id": [1], "memo": [sentence * 12]}), PdfConfig(orientation="portrait"))
    words = copied_text(path)
    lines = [line for line in words.splitlines() if len(line) > 30]
    assert sentence * 12 in "".join(words.split())
    assert len(lines) > 3
    assert not any(line.lstrip()[0] in "。、」" for line in lines)
    assert min(map(len, lines[:-1])) > 0.9 * max(map(len, lines))


def test_arabic_letters_are_joined() -> None:
    shaper = Shaper(Font(typeface(is_bold=False), "F1"))
    codes = shaper.line("ممم").tolist()
    assert len(set(codes)) == 3
    assert [shaper.font.forms[code].text for code in codes] == ["م", "م", "م"]
    assert [shaper.font.forms[code].text for code in shaper.line("لا").tolist()] == ["ا", "ل"]


def test_indic_letters_form_conjuncts_and_change_their_places() -> None:
    require_fonts()
    shaper = Shaper(Font(typeface(is_bold=False), "F1"))
    forms = shaper.font.forms
    (conjunct,) = shaper.line("क्ष").tolist()
    assert forms[conjunct].text == "क्ष"
    assert len(forms[conjunct].glyphs) == 1
    (reordered,) = shaper.line("कि").tolist()
    assert len(forms[reordered].glyphs) == 2


def test_brackets_are_turned_in_right_to_left_text_and_copied_as_themselves() -> None:
    font = Font(typeface(is_bold=False), "F1")
    left, _, right = Shaper(font).line("(א)").tolist()
    glyphs = [int(font.face.glyphs[ord(bracket)]) for bracket in "()"]
    assert [(font.forms[code].glyphs[0][0], font.forms[code].text) for code in (left, right)] == [
        (glyphs[0], ")"),
        (glyphs[1], "("),
    ]


def test_letters_in_pieces_are_composed(write: Write) -> None:
    require_fonts()
    path = write(pa.table({"v": ["e\u0301", "\u1112\u1161\u11ab", "か\u3099", "\ufa19"]}))
    compatible = "\ufa19"  # another shape of a common ideograph, kept as people write their names
    assert [word for word in ("é", "한", "が", compatible) if word not in copied_text(path)] == []


@pytest.mark.parametrize(
    ("option", "words", "font"),
    [
        ("auto", ["東京 さくら"], "NotoSansCJKJP"),
        ("auto", ["서울 大韓"], "NotoSansCJKKR"),
        ("auto", ["北京"], "NotoSansCJKSC"),
        ("traditional", ["臺北"], "NotoSansCJKTC"),
        ("japanese", ["東京"], "NotoSansCJKJP"),
    ],
)
def test_ideographs_have_the_shapes_of_their_language(option: Any, words: list[str], font: str, write: Write) -> None:
    require_fonts()
    names = [name for name, _, _ in fonts_of(write(pa.table({"v": words}), PdfConfig(ideographs=option)))]
    assert any(font in name for name in names), names


def test_without_a_font_boxes_are_drawn_and_reported_by_script_with_a_cure(write: Write, bare_machine: Path) -> None:
    info = report()
    path = write(pa.table({"v": ["中文 かな ไทย 🦖 𠮷 \ue000 ok😀\t\u200bend"]}), info=info)
    assert "中文 かな ไทย 🦖 𠮷" in copied_text(path)
    (warning,) = info.warnings
    assert warning.startswith("10 characters are drawn as boxes, as no font of this machine has a glyph: ")
    for part in ("Han (3)", "Hiragana (2)", "Thai (3)", "symbols and emoji (1)", "private use (1)", "中 (U+4E2D)"):
        assert part in warning
    assert warning.endswith("apt install fonts-noto-cjk fonts-noto-core fonts-symbola")


def test_fonts_that_come_later_are_found_and_broken_or_forbidden_ones_are_not(bare_machine: Path) -> None:
    assert system_fonts() == ()
    content = typeface(is_bold=False).file.path.read_bytes()
    (bare_machine / "broken.ttf").write_bytes(content[:100] + b"\xff" * 5_000)
    (bare_machine / "empty.otf").write_bytes(b"")
    assert system_fonts() == ()
    (bare_machine / "free.ttf").write_bytes(content)
    assert [font.path.name for font in system_fonts()] == ["free.ttf"]
    entry = content.index(b"OS/2")
    permission = int.from_bytes(content[entry + 8 : entry + 12], "big") + 8
    (bare_machine / "free.ttf").write_bytes(content[:permission] + b"\x00\x02" + content[permission + 2 :])
    assert system_fonts() == ()


def test_equal_rows_give_equal_bytes_in_all_scripts() -> None:
    table = pa.table({"a": list(NAMES.values()) * 50, "b": list(NAMES.values())[::-1] * 50})
    first, second = io.BytesIO(), io.BytesIO()
    for sink in (first, second):
        PdfConverter(PdfConfig()).write(table.to_reader(100), sink, report(), Control())
    assert first.getvalue() == second.getvalue()


ALPHABETS = "कखगघिीु्ंशषक्षมนาี่้ำمحلاַשלםdq日本語かな한국 "


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.text(ALPHABETS, min_size=1, max_size=60), min_size=1, max_size=4))
def test_no_character_of_any_script_is_lost(values: list[str]) -> None:
    require_fonts()
    sink = io.BytesIO()
    PdfConverter(PdfConfig()).write(pa.table({"Z": values}).to_reader(), sink, report(name="Z"), Control())
    shown = Counter("".join(page.extract_text() for page in PdfReader(sink).pages))
    wanted = Counter(unicodedata.normalize("NFC", "".join(values)).replace(" ", ""))
    assert {character: count for character, count in wanted.items() if shown[character] != count} == {}
