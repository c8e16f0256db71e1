"""What a mail says about its report, and the plain text that says it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from deliverers._sources import file_name
from shared.plugins import Address, Parcel


@dataclass(frozen=True, slots=True)
class FileLine:
    """One file as people read about it."""

    name: str
    size: str
    rows: str


@dataclass(frozen=True, slots=True)
class MailFacts:
    """All that the text and the HTML of a mail say; plain text throughout."""

    title: str
    moment: str
    rows: str
    total_size: str
    files: tuple[FileLine, ...]
    notes: tuple[str, ...]
    paragraphs: tuple[str, ...]
    why: str
    reference: str
    is_capped: bool
    is_test: bool
    is_attached: bool

    @property
    def capped(self) -> str:
        return f"Not all rows: the report ends at a limit and holds the first {self.rows}."

    @property
    def about_files(self) -> str:
        if self.is_attached:
            return "Attached"
        return "Files (not attached; they are kept in Report Hub)"

    @property
    def summary(self) -> str:
        """One line: what lists of mails show below the subject."""
        if self.is_test:
            return TEST
        return f"{'Not all rows. ' if self.is_capped else ''}{self.rows}, as of {self.moment}"


TEST = "This is a test message: somebody tries out whether this delivery works. It is no report."


def mail_facts(parcel: Parcel, recipient: Address, text: str, contact: str | None, is_attached: bool) -> MailFacts:
    """The facts of one message.

    Args:
        text: what the delivery's owner has to say, filled in.
        contact: whom to write to in order to be taken off the list.
    """
    copy = " as a blind copy" if recipient.kind == "bcc" else ""
    stop = f"write to {contact}" if contact else "ask the owner of the report"
    return MailFacts(
        title=_clean(parcel.report_name),
        moment=_moment(parcel.scheduled_for, parcel.timezone),
        rows=_counted(parcel.row_count, "row"),
        total_size=size_in_words(sum(artifact.size for artifact in parcel.artifacts)),
        files=tuple(
            FileLine(
                _clean(file_name(parcel, artifact)),
                size_in_words(artifact.size),
                "" if parcel.is_test else _counted(artifact.row_count, "row"),
            )
            for artifact in parcel.artifacts
        ),
        notes=tuple(_clean(note) for note in parcel.notes),
        paragraphs=tuple(filter(None, (part.strip() for part in re.split(r"\n\s*\n", _clean(text))))),
        why=f"You receive this{copy} because {recipient.address} is on the list of recipients of this report. "
        f"To stop it, {stop}.",
        reference=f"Sent by Report Hub · execution {_clean(parcel.execution_id)}",
        is_capped=parcel.completeness == "CAPPED",
        is_test=parcel.is_test,
        is_attached=is_attached,
    )


def plain_text(facts: MailFacts) -> str:
    """The text part: nothing is only in the HTML."""
    return "\n".join(_lines(facts)) + "\n"


def size_in_words(size: int) -> str:
    """`512 bytes`, `12.3 kB`, `4.0 MB`, as mail programs count."""
    if size < 1000:
        return _counted(size, "byte")
    value, unit = (size / 1000, "kB") if size < 999_950 else (size / 1_000_000, "MB")
    return f"{value:,.1f} {unit}"


def _lines(facts: MailFacts) -> Iterator[str]:
    yield facts.title
    yield f"Data as of {facts.moment}"
    if facts.is_test:
        yield from ("", TEST)
    for paragraph in facts.paragraphs:
        yield from ("", paragraph)
    if not facts.is_test:
        yield from ("", facts.capped if facts.is_capped else f"{facts.rows}, complete")
    if facts.notes:
        yield from ("", "Notes:", *(f"- {note}" for note in facts.notes))
    if facts.files:
        yield from ("", f"{facts.about_files}:")
        yield from (f"- {file.name} ({', '.join(filter(None, (file.rows, file.size)))})" for file in facts.files)
    yield from ("", "-- ", facts.why, facts.reference)


def _moment(moment: datetime, timezone: str) -> str:
    local = moment.astimezone(ZoneInfo(timezone))
    zone = local.tzname() if timezone in ("UTC", local.tzname()) else f"{local.tzname()} ({timezone})"
    return f"{local.day} {local:%B %Y, %H:%M} {zone}"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _clean(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
