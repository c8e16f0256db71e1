"""The HTML of a mail: tables and inline styles, as mail programs want them; light, and dark where the reader is dark.

Everything that is filled in is escaped unless it is markup made here.
"""

from __future__ import annotations

import html
from string import Template

from deliverers._email_facts import TEST, MailFacts


class _Markup(str):
    """HTML already."""

    __slots__ = ()


_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_TABLE = 'role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
_DARK = (
    "body,.rh-page{background:#0d1117!important}"
    ".rh-box{background:#151b23!important;border-color:#2a3441!important}"
    ".rh-ink{color:#e7ecf3!important}"
    ".rh-dim{color:#9aa6b6!important}"
    ".rh-line{border-color:#2a3441!important}"
    ".rh-head{background:#1c232d!important;color:#aab5c4!important;border-color:#2a3441!important}"
    ".rh-note{background:#1c232d!important;border-color:#3d4a5c!important;color:#d5dce6!important}"
    ".rh-warn{background:#33270f!important;border-color:#b7791f!important;color:#f6dca6!important}"
)
_PAGE = Template(
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
    "<title>$title</title><style>:root{color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){" + _DARK + "}"
    "@media (max-width:620px){.rh-box{width:100%!important}.rh-pad{padding-left:18px!important;"
    "padding-right:18px!important}}</style></head>"
    f'<body style="margin:0;padding:0;background:#f2f4f7;color:#121926;{_FONT};font-size:14px;line-height:21px">'
    '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">$preheader</div>'
    f'<table class="rh-page" {_TABLE} style="background:#f2f4f7"><tr><td align="center" style="padding:24px 8px">'
    '<table class="rh-box" role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" '
    f'style="width:600px;max-width:600px;background:#ffffff;border:1px solid #e3e7ed;{_FONT}">'
    '<tr><td class="rh-pad" style="padding:24px 28px 0"><h1 class="rh-ink" dir="auto" style="margin:0;font-size:20px;'
    'line-height:26px;font-weight:bold;color:#121926;overflow-wrap:anywhere">$title</h1>'
    '<div class="rh-dim" style="padding-top:2px;font-size:13px;line-height:19px;color:#5f6b7c">$moment</div></td></tr>'
    "$sections"
    '<tr><td class="rh-pad" style="padding:20px 28px 0"></td></tr>'
    '<tr><td class="rh-pad rh-dim rh-line" style="padding:14px 28px 22px;border-top:1px solid #e3e7ed;font-size:12px;'
    'line-height:18px;color:#5f6b7c;overflow-wrap:anywhere">$why<br>$reference</td></tr>'
    "</table></td></tr></table></body></html>"
)
_SECTION = Template('<tr><td class="rh-pad" style="padding:18px 28px 0">$inside</td></tr>')
_PARAGRAPH = Template(
    '<p class="rh-ink" dir="auto" style="margin:0 0 10px;font-size:14px;line-height:21px;color:#121926;'
    'overflow-wrap:anywhere">$text</p>'
)
_BOX = Template(
    f'<table {_TABLE}><tr><td class="$kind" dir="auto" style="padding:10px 14px;border-left:4px solid $edge;'
    'background:$ground;font-size:13px;line-height:20px;color:$ink;overflow-wrap:anywhere">$lines</td></tr></table>'
)
_FIGURE = Template(
    '<td valign="top" width="33%" style="padding-right:10px"><div class="rh-ink" style="font-size:22px;'
    'line-height:28px;font-weight:bold;color:#121926">$value</div><div class="rh-dim" style="font-size:12px;'
    'line-height:17px;color:#5f6b7c">$label</div></td>'
)
_FILES = Template(
    '<table width="100%" cellpadding="0" cellspacing="0" border="0"><tr>'
    '<th class="rh-head" scope="col" align="left" style="$head">$about</th>'
    '<th class="rh-head" scope="col" align="right" style="$head">Rows</th>'
    '<th class="rh-head" scope="col" align="right" style="$head">Size</th></tr>$rows</table>'
)
_HEAD = (
    "background:#f2f4f7;color:#475467;font-size:12px;line-height:18px;padding:7px 10px;"
    "border-bottom:1px solid #e3e7ed;font-weight:bold"
)
_FILE = Template(
    '<tr><td class="rh-ink rh-line" style="$cell;overflow-wrap:anywhere"><bdi>$name</bdi></td>'
    '<td class="rh-ink rh-line" align="right" style="$cell;white-space:nowrap">$rows</td>'
    '<td class="rh-ink rh-line" align="right" style="$cell;white-space:nowrap">$size</td></tr>'
)
_CELL = "padding:7px 10px;border-bottom:1px solid #e3e7ed;font-size:13px;line-height:19px;color:#121926"


def html_text(facts: MailFacts) -> str:
    """The HTML part."""
    sections = [_warning(facts), _paragraphs(facts), _figures(facts), _notes(facts), _files(facts)]
    return _filled(
        _PAGE,
        title=facts.title,
        preheader=facts.summary,
        moment=f"Data as of {facts.moment}",
        sections=_joined([_filled(_SECTION, inside=section) for section in sections if section]),
        why=facts.why,
        reference=facts.reference,
    )


def _warning(facts: MailFacts) -> _Markup:
    if facts.is_test:
        return _box("warn", [TEST])
    return _box("warn", [facts.capped, *facts.notes]) if facts.is_capped else _Markup()


def _figures(facts: MailFacts) -> _Markup:
    if facts.is_test:
        return _Markup()
    number, _, unit = facts.rows.partition(" ")
    figures = [(number, unit), ("Capped", "not all rows") if facts.is_capped else ("Complete", "nothing left out")]
    if facts.files:
        figures.append((facts.total_size, f"in {len(facts.files)} file{'s' if len(facts.files) > 1 else ''}"))
    cells = _joined([_filled(_FIGURE, value=value, label=label) for value, label in figures])
    return _Markup(f"<table {_TABLE}><tr>{cells}</tr></table>")


def _notes(facts: MailFacts) -> _Markup:
    return _box("note", list(facts.notes)) if facts.notes and not facts.is_capped else _Markup()


def _box(kind: str, lines: list[str]) -> _Markup:
    edge, ground, ink = ("#d69e2e", "#fdf6e3", "#5c3d00") if kind == "warn" else ("#98a5b8", "#f2f4f7", "#33415c")
    escaped = [_escaped(line) for line in lines]
    if kind == "warn":
        escaped[0] = _Markup(f"<b>{escaped[0]}</b>")
    return _filled(_BOX, kind=f"rh-{kind}", edge=edge, ground=ground, ink=ink, lines=_Markup("<br>".join(escaped)))


def _paragraphs(facts: MailFacts) -> _Markup:
    return _joined(
        [_filled(_PARAGRAPH, text=_Markup(_escaped(paragraph).replace("\n", "<br>"))) for paragraph in facts.paragraphs]
    )


def _files(facts: MailFacts) -> _Markup:
    if not facts.files:
        return _Markup()
    rows = [
        _filled(_FILE, cell=_CELL, name=file.name, rows=file.rows.partition(" ")[0], size=file.size)
        for file in facts.files
    ]
    return _filled(_FILES, head=_HEAD, about=facts.about_files, rows=_joined(rows))


def _filled(template: Template, **values: str) -> _Markup:
    return _Markup(template.substitute({name: _escaped(value) for name, value in values.items()}))


def _escaped(value: str) -> _Markup:
    return value if isinstance(value, _Markup) else _Markup(html.escape(value))


def _joined(parts: list[_Markup]) -> _Markup:
    return _Markup("".join(parts))
