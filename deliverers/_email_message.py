"""A message on its way out: headers and texts in memory, attachments read, checked and encoded piece by piece."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from deliverers._email_fields import display_name, header_text, mail_address
from deliverers._email_headers import file_name_parameter, header_block, mailbox, mailboxes, text_value
from deliverers._sources import file_name, pieces
from shared.errors import DeliveryRefused
from shared.plugins import Address, ArtifactFile, Control, Parcel
from shared.plugins.files import clean_file_name

_LINE_BYTES = 57
_PIECE = _LINE_BYTES * 4096
_TOKEN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(?:; ?[a-z0-9-]+=[A-Za-z0-9._-]+)*\Z")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the message is from."""

    address: str
    name: str
    reply_to: str | None


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One message to one recipient, as it goes over the wire.

    Attributes:
        size: bytes of the whole message, attachments encoded.
        is_international: an address of the envelope is not ASCII, so the server must know SMTPUTF8.
    """

    message_id: str
    sender: str
    recipient: str
    size: int
    is_international: bool
    head: bytes
    attachments: tuple[tuple[bytes, ArtifactFile], ...]
    tail: bytes

    def pieces(self, control: Control) -> Iterator[bytes]:
        """The bytes, in order. Raises DeliveryRefused in the middle when an artifact is not what was recorded."""
        yield self.head
        for head, artifact in self.attachments:
            yield head
            for piece in pieces(artifact, control, _PIECE):
                yield base64.encodebytes(piece).replace(b"\n", b"\r\n")
        yield self.tail


def compose(parcel: Parcel, sender: Sender, subject: str, text: str, html: str, *, attach: bool) -> OutgoingMail:
    """The message to `parcel.recipient`. Deterministic but for its date: every try has the same Message-ID.

    Raises:
        DeliveryRefused: an address, a name or the subject cannot stand in a header.
    """
    recipient = _own(parcel)
    is_international = not all(map(str.isascii, (recipient.address, sender.address, sender.reply_to or "")))
    message_id = f"<{_token(parcel.key)}@{sender.address.rpartition('@')[2]}>"
    # No text of ours can contain it: in quoted-printable an = stands before hex or a line end, in base64 at the end.
    boundary = f"=_{hashlib.sha256(parcel.key.encode()).hexdigest()[:24]}"
    mixed, alternative = f"{boundary}_m", f"{boundary}_a"
    texts = _texts(alternative, text, html)
    attachments = tuple(
        (_part(mixed, _attachment_fields(parcel, artifact)), artifact)
        for artifact in (parcel.artifacts if attach else ())
    )
    kind = f'multipart/alternative; boundary="{alternative}"'
    headers = _headers(parcel, recipient, sender, subject, message_id, is_international)
    if attachments:
        head = header_block([*headers, ("Content-Type", f'multipart/mixed; boundary="{mixed}"')])
        head += b"\r\n" + _part(mixed, [("Content-Type", kind)]) + texts
        tail = f"--{mixed}--\r\n".encode()
    else:
        head, tail = header_block([*headers, ("Content-Type", kind)]) + b"\r\n" + texts, b""
    size = len(head) + len(tail) + sum(len(part) + _encoded_size(artifact.size) for part, artifact in attachments)
    return OutgoingMail(message_id, sender.address, recipient.address, size, is_international, head, attachments, tail)


def _own(parcel: Parcel) -> Address:
    assert parcel.recipient is not None
    try:
        return Address(
            mail_address(parcel.recipient.address), header_text(parcel.recipient.name), parcel.recipient.kind
        )
    except ValueError as error:
        raise DeliveryRefused(
            f"The recipient's address or name cannot be used: {error}.", hint="Correct the recipient."
        ) from error


def _headers(
    parcel: Parcel, recipient: Address, sender: Sender, subject: str, message_id: str, is_international: bool
) -> list[tuple[str, str]]:
    shown = _shown(parcel.recipients or (recipient,), is_international)
    fields = [
        ("From", mailbox(sender.name, sender.address)),
        ("To", mailboxes(shown["to"]) or "undisclosed-recipients:;"),
        ("Cc", mailboxes(shown["cc"])),
        ("Reply-To", sender.reply_to or ""),
        ("Subject", _subject(subject, parcel)),
        ("Date", format_datetime(datetime.now(UTC))),
        ("Message-ID", message_id),
        ("MIME-Version", "1.0"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("X-Report-Hub-Execution", _token(parcel.execution_id)),
    ]
    return [(name, value) for name, value in fields if value]


def _subject(subject: str, parcel: Parcel) -> str:
    subject = subject.strip() or parcel.report_name
    try:
        return text_value("Subject", header_text(f"[Test] {subject}" if parcel.is_test else subject))
    except ValueError as error:
        raise DeliveryRefused(
            f"The subject {error}.", hint="Change the subject, the report's name or the parameter that it uses."
        ) from error


def _shown(recipients: Sequence[Address], is_international: bool) -> dict[str, list[str]]:
    """Mailboxes of the To and Cc headers. One that cannot stand there must not keep the message from the others."""
    shown: dict[str, dict[str, str]] = {"to": {}, "cc": {}, "bcc": {}}
    for other in recipients:
        try:
            address = mail_address(other.address)
        except ValueError:
            continue
        if address.isascii() or is_international:
            shown.get(other.kind, shown["bcc"]).setdefault(address, mailbox(_name(other), address))
    return {kind: list(boxes.values()) for kind, boxes in shown.items()}


def _name(address: Address) -> str:
    try:
        return display_name(address.name.strip())
    except ValueError:
        return ""


def _texts(boundary: str, text: str, html: str) -> bytes:
    return (
        b"".join(
            _part(
                boundary,
                [("Content-Type", f"text/{kind}; charset=utf-8"), ("Content-Transfer-Encoding", "quoted-printable")],
            )
            + binascii.b2a_qp(content.encode(), istext=True).replace(b"\n", b"\r\n")
            + b"\r\n"
            for kind, content in (("plain", text), ("html", html))
        )
        + f"--{boundary}--\r\n".encode()
    )


def _part(boundary: str, fields: list[tuple[str, str]]) -> bytes:
    return f"--{boundary}\r\n".encode() + header_block(fields) + b"\r\n"


def _attachment_fields(parcel: Parcel, artifact: ArtifactFile) -> list[tuple[str, str]]:
    media_type = artifact.media_type if _MEDIA_TYPE.match(artifact.media_type) else "application/octet-stream"
    name = clean_file_name(file_name(parcel, artifact), "")
    return [
        ("Content-Type", media_type),
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Disposition", f"attachment; {file_name_parameter(name)}"),
    ]


def _encoded_size(size: int) -> int:
    """Base64 in lines of 76 characters and CRLF: 37 % more."""
    lines, rest = divmod(size, _LINE_BYTES)
    return lines * 78 + (-(-rest // 3) * 4 + 2 if rest else 0)


def _token(text: str) -> str:
    return text if _TOKEN.match(text) and len(text) <= 200 else hashlib.sha256(text.encode()).hexdigest()
