"""A page around a table: everything inline, no script, nothing loaded, readable in mail, in the dark and on phones."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.plugins import ReportInfo

_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
.rows th,.rows td{{border:0;border-bottom:1px solid #d0d7de;vertical-align:top}}
.rows i{{color:#6e7781}}
@media (prefers-color-scheme:dark){{
body,.page{{background:#15181c!important;color:#e6e8eb!important}}
.rows th{{background:#242a31!important;color:#e6e8eb!important}}
.rows th,.rows td{{border-color:#3a424b!important}}
.quiet,.rows i{{color:#a0a8b1!important}}
}}
</style>
</head>
<body class="page" bgcolor="#ffffff" style="margin:0;padding:24px;background:#ffffff;color:#1f2328;{font};\
font-size:14px;line-height:1.5">
"""
_TABLE = (
    '<table class="rows" border="1" cellpadding="6" cellspacing="0" style="border-collapse:collapse;'
    f'white-space:pre-wrap;font-size:13px;{_FONT}">\n'
)
_TH = "background:#f2f4f7;color:#1f2328;font-weight:600;white-space:nowrap"


def head(title: str, subtitle: str | None, info: ReportInfo, columns: Sequence[tuple[str, bool]]) -> str:
    """The page up to the first row. A column is its name and whether it holds numbers."""
    lines = [
        _HEAD.format(title=html.escape(title), font=_FONT),
        f'<h1 style="margin:0 0 4px;font-size:22px">{html.escape(title)}</h1>\n',
    ]
    if subtitle:
        lines.append(f'<p style="margin:0 0 4px;font-size:16px">{html.escape(subtitle)}</p>\n')
    moment = html.escape(_wall_time(info.scheduled_for, info.timezone))
    lines.append(f'<p class="quiet" style="margin:0 0 12px;color:#57606a">{moment}</p>\n')
    if info.parameters:
        lines.append('<table class="facts" cellpadding="2" cellspacing="0" style="margin:0 0 16px;font-size:13px">\n')
        lines += [_fact(label, value) for label, value in info.parameters.items()]
        lines.append("</table>\n")
    cells = [
        f'<th scope="col" align="{"right" if is_number else "left"}" style="{_TH}">{html.escape(name)}</th>'
        for name, is_number in columns
    ]
    lines += [_TABLE, '<thead><tr class="names">', *cells, "</tr></thead>\n<tbody>\n"]
    return "".join(lines)


def tail(row_count: int, notes: Sequence[str]) -> str:
    count = "No rows." if not row_count else "1 row." if row_count == 1 else f"{row_count:,} rows."
    lines = [f'</tbody>\n</table>\n<p class="quiet" style="margin:12px 0 0;color:#57606a">{count}</p>\n']
    lines += [f'<p class="note" style="margin:4px 0 0"><b>{html.escape(note)}</b></p>\n' for note in notes]
    return "".join([*lines, "</body>\n</html>\n"])


def _fact(label: str, value: object) -> str:
    text = "" if value is None else str(value)
    return f'<tr class="fact"><td class="quiet">{html.escape(label)}</td><td>{html.escape(text)}</td></tr>\n'


def _wall_time(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} {timezone}"
