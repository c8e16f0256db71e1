"""The styles of a workbook: one number format for each type, bold for headers and totals."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._excel_values import PER_SECOND
from shared.plugins.arrow_text import is_decimal_text

_FIRST_OWN_FORMAT = 164
_FONT = '<sz val="11"/><name val="Calibri"/><family val="2"/>'


@dataclass(frozen=True, slots=True)
class Style:
    """`format` None is General."""

    format: str | None = None
    is_bold: bool = False
    is_header: bool = False
    is_total: bool = False
    wraps: bool = False


class Styles:
    """Hands out style numbers, then writes `styles.xml`."""

    def __init__(self) -> None:
        self._styles = [Style()]

    def attribute(self, style: Style) -> str:
        """The attribute of a cell: ` s="3"`, or nothing for the default."""
        if style not in self._styles:
            self._styles.append(style)
        index = self._styles.index(style)
        return f' s="{index}"' if index else ""

    def xml(self) -> str:
        formats = list(dict.fromkeys(style.format for style in self._styles if style.format is not None))
        codes = {code: _FIRST_OWN_FORMAT + index for index, code in enumerate(formats)}
        declared = "".join(f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for code, number in codes.items())
        styles = "".join(_xf(style, codes.get(style.format or "", 0)) for style in self._styles)
        return (
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
            '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            + (f'<numFmts count="{len(codes)}">{declared}</numFmts>' if codes else "")
            + f'<fonts count="2"><font>{_FONT}</font><font><b/>{_FONT}</font></fonts>'
            '<fills count="3"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill>'
            '<fill><patternFill patternType="solid"><fgColor rgb="FFD9E1F2"/>'
            '<bgColor indexed="64"/></patternFill></fill>'
            "</fills>"
            '<borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border>'
            '<border><left/><right/><top style="thin"><color auto="1"/></top><bottom/><diagonal/></border></borders>'
            '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
            f'<cellXfs count="{len(self._styles)}">{styles}</cellXfs>'
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        )


def _xf(style: Style, number_format: int) -> str:
    attributes = [
        f'numFmtId="{number_format}" fontId="{int(style.is_bold)}"',
        f'fillId="{2 if style.is_header else 0}" borderId="{int(style.is_total)}" xfId="0"',
        'applyNumberFormat="1" applyFont="1" applyFill="1" applyBorder="1"',
    ]
    if not style.wraps:
        return f"<xf {' '.join(attributes)}/>"
    alignment = '<alignment vertical="top" wrapText="1"/>'
    return f'<xf {" ".join(attributes)} applyAlignment="1">{alignment}</xf>'


def style_of(field: pa.Field, sample: pa.Array) -> Style:
    """The style of a column from its type; the sample (already plain) tells of fractions of a second and lines."""
    kind = sample.type
    if types.is_integer(kind):
        return Style("0")
    if types.is_decimal(kind):
        return Style(_decimal_format(kind.scale))
    if types.is_date(kind):
        return Style("yyyy\\-mm\\-dd")
    if types.is_timestamp(kind):
        return Style("yyyy\\-mm\\-dd\\ hh:mm:ss" + _fraction(sample))
    if types.is_time(kind):
        return Style("hh:mm:ss" + _fraction(sample))
    if types.is_duration(kind):
        return Style("[h]:mm:ss" + _fraction(sample))
    is_text = types.is_string(kind) or types.is_large_string(kind)
    if is_text and not is_decimal_text(field):
        return Style(wraps=bool(pc.any(pc.match_substring(sample, "\n")).as_py()))
    return Style()


def _decimal_format(scale: int) -> str:
    if scale <= 0:
        return "0"
    return f"0.{'0' * min(scale, 4)}" if scale <= 4 else f"0.00{'#' * (min(scale, 30) - 2)}"


def _fraction(sample: pa.Array) -> str:
    """`.000` where a value of the sample has a fraction of a second."""
    if sample.type.unit == "s":
        return ""
    per_second = PER_SECOND[sample.type.unit]
    ticks = sample.cast(pa.int32() if types.is_time32(sample.type) else pa.int64())
    whole = pc.multiply(pc.divide(ticks, per_second), per_second)
    return ".000" if pc.any(pc.not_equal(whole, ticks)).as_py() else ""
