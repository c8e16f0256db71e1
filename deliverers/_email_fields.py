"""What may stand in a mail's headers and envelope: one line of text, one plain address."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from deliverers._templates import Template

MAX_TEXT = 998
"""The longest line of a message (RFC 5322)."""
_UNSAFE = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Python before 3.11.10 and 3.12.5 writes the line ends inside such a word as real ones (CVE-2024-6923), and some
# programs between us and the reader decode twice.
_ENCODED_WORD = re.compile(r"=\?.*\?=", re.DOTALL)


def header_text(text: str) -> str:
    """The text, if every reader shows it as one line.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    if any(unicodedata.category(character) in _UNSAFE for character in text) or _DIRECTION.search(text):
        raise ValueError("must not contain line ends, control or direction characters")
    if _ENCODED_WORD.search(text):
        raise ValueError("must not contain =?…?=, which mail programs would decode")
    if len(text) > MAX_TEXT:
        raise ValueError(f"must not be longer than {MAX_TEXT} characters")
    return text


def display_name(text: str) -> str:
    """The name before an address; one that looks like an address could pass for the sender."""
    if "@" in text:
        raise ValueError("must not contain an @: programs show it instead of the address")
    return header_text(text)


def mail_address(address: str) -> str:
    """One address in its normal form: domain in lower case and ASCII (xn--), local part as it is. Looks nothing up.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    from email_validator import EmailNotValidError, validate_email

    if _ENCODED_WORD.search(address):
        raise ValueError("an address must not contain =?…?=, which mail programs would decode")
    try:
        found = validate_email(address.strip(" "), check_deliverability=False, strict=True, allow_smtputf8=True)
    except EmailNotValidError as error:
        sentence = str(error)
        raise ValueError(f"this is no mail address: {sentence[:1].lower()}{sentence[1:].rstrip('.')}") from None
    if unicodedata.normalize("NFKC", found.local_part) != found.local_part:
        raise ValueError("an address must be written in plain letters, not in look-alikes of them")
    return f"{found.local_part}@{found.ascii_domain}"


MailAddress = Annotated[str, Field(min_length=3, max_length=320), AfterValidator(mail_address)]
DisplayName = Annotated[str, Field(max_length=200), AfterValidator(display_name)]
SubjectTemplate = Annotated[Template, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(header_text)]
