"""Header lines as bytes. Everything that people wrote is encoded here, and what came out is read back and compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.header import Header
from urllib.parse import quote

from shared.errors import DeliveryRefused

_LINE = re.compile(rb"([A-Za-z-]+): [^\r\n\0]*|[ \t]+[^\r\n\0]*[^\s\0][^\r\n\0]*")
_MAX_LINE = 998
_PLAIN = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_ATOMS = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")
_PERCENT_OR_CHARACTER = re.compile(r"%..|.")
_PARAMETER_ROOM = 60


def header_block(fields: Sequence[tuple[str, str]]) -> bytes:
    """The lines of these headers, and of no others, each ended by CRLF; values are encoded and folded already.

    Raises:
        DeliveryRefused: the bytes hold other headers than these, so a value has broken out of its line.
    """
    block = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
    lines = [_LINE.fullmatch(line) for line in block.removesuffix(b"\r\n").split(b"\r\n")]
    names = [None if line is None else line.group(1) for line in lines if line is None or line.group(1)]
    if names != [name.encode() for name, _ in fields] or any(len(line) > _MAX_LINE for line in block.split(b"\r\n")):
        raise DeliveryRefused(
            "The headers of the message did not come out as they should, so it is not sent.",
            hint="Look for unusual characters in the subject, in names and in file names.",
        )
    return block


def text_value(header: str, text: str) -> str:
    """Free text: as it is while it is plain ASCII, else as encoded words; in both cases folded."""
    charset = "us-ascii" if _PLAIN.fullmatch(text) and "=?" not in text else "utf-8"
    return Header(text, charset, maxlinelen=76, header_name=header).encode(linesep="\r\n")


def mailbox(name: str, address: str) -> str:
    """`Ann Müller <ann@example.org>`, the name quoted or encoded as it needs."""
    if not name:
        return address
    if _ATOMS.fullmatch(name):
        return f"{name} <{address}>"
    if _PLAIN.fullmatch(name) and "=?" not in name:
        return f"{_quoted(name)} <{address}>"
    return f"{Header(name, 'utf-8', maxlinelen=70).encode(linesep=chr(13) + chr(10))}\r\n <{address}>"


def mailboxes(boxes: Sequence[str]) -> str:
    return ",\r\n ".join(boxes)


def file_name_parameter(name: str) -> str:
    """The `filename` of a Content-Disposition: quoted ASCII, else as RFC 2231 has it, long ones in numbered pieces."""
    if _PLAIN.fullmatch(name) and "=?" not in name:
        return f"filename={_quoted(name)}"
    pieces = [""]
    for character in _PERCENT_OR_CHARACTER.findall(quote(name, safe="")):
        if len(pieces[-1]) + len(character) > _PARAMETER_ROOM:
            pieces.append("")
        pieces[-1] += character
    if len(pieces) == 1:
        return f"filename*=utf-8''{pieces[0]}"
    pieces[0] = f"utf-8''{pieces[0]}"
    return ";\r\n ".join(f"filename*{number}*={piece}" for number, piece in enumerate(pieces))


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
