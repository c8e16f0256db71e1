"""The small parts of a workbook: content types, relations, properties, the list of sheets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from converters._excel_text import escape_one, utf16_length

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
LONGEST_NAME = 31
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of the workbook. `filtered` is the range of its filter; `repeats_header` when printed."""

    name: str
    part: str
    filtered: str | None = None
    repeats_header: bool = False


def content_types() -> str:
    """Sheets are the default for .xml, so that this part can come first without knowing how many there will be."""
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
        '<Override PartName="/docProps/core.xml"'
        ' ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
        "</Types>"
    )


def package_relations() -> str:
    return _relations(
        [
            (f"{_OFFICE}/relationships/officeDocument", "xl/workbook.xml"),
            (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        ]
    )


def properties(title: str, creator: str, created_at: datetime) -> str:
    moment = created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{escape_one(title)}</dc:title><dc:creator>{escape_one(creator)}</dc:creator>"
        f'<dcterms:created xsi:type="dcterms:W3CDTF">{moment}</dcterms:created>'
        f'<dcterms:modified xsi:type="dcterms:W3CDTF">{moment}</dcterms:modified></cp:coreProperties>'
    )


def workbook(sheets: Sequence[Sheet], *, computes: bool) -> str:
    listed = "".join(
        f'<sheet name="{escape_one(sheet.name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, sheet in enumerate(sheets, 1)
    )
    names = "".join(_defined_names(index, sheet) for index, sheet in enumerate(sheets))
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}/relationships">'
        f'<bookViews><workbookView activeTab="0"/></bookViews><sheets>{listed}</sheets>'
        + (f"<definedNames>{names}</definedNames>" if names else "")
        + ('<calcPr calcId="191029" fullCalcOnLoad="1"/>' if computes else "")
        + "</workbook>"
    )


def _defined_names(index: int, sheet: Sheet) -> str:
    name = escape_one(quoted(sheet.name))
    found = ""
    if sheet.filtered:
        absolute = re.sub(r"([A-Z]+)(\d+)", r"$\1$\2", sheet.filtered)
        hidden = f'name="_xlnm._FilterDatabase" localSheetId="{index}" hidden="1"'
        found += f"<definedName {hidden}>{name}!{absolute}</definedName>"
    if sheet.repeats_header:
        found += f'<definedName name="_xlnm.Print_Titles" localSheetId="{index}">{name}!$1:$1</definedName>'
    return found


def workbook_relations(sheets: Sequence[Sheet]) -> str:
    targets = [(f"{_OFFICE}/relationships/worksheet", sheet.part.removeprefix("xl/")) for sheet in sheets]
    return _relations([*targets, (f"{_OFFICE}/relationships/styles", "styles.xml")])


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def quoted(sheet_name: str) -> str:
    """A sheet's name as formulas write it."""
    return "'" + sheet_name.replace("'", "''") + "'"


def sheet_name(wanted: str, taken: Sequence[str] = ()) -> str:
    """A name that workbooks accept, unlike all that are taken; `History` is reserved."""
    base = " ".join(_FORBIDDEN.sub(" ", wanted).split()).strip("' ") or "Report"
    if base.casefold() == "history":
        base += " "
    used = {name.casefold() for name in taken}
    number, name = 1, _cut(base, LONGEST_NAME)
    while name.casefold() in used or name.casefold() == "history":
        number += 1
        ending = f" ({number})"
        name = _cut(base, LONGEST_NAME - len(ending)) + ending
    return name


def _cut(text: str, length: int) -> str:
    while utf16_length(text) > length:
        text = text[:-1]
    return text.rstrip().rstrip("'")
