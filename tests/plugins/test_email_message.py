"""What a mail looks like to programs and to people; messages are read by the standard library."""

from __future__ import annotations

import dataclasses
import email.policy
import re
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverers._email_facts import size_in_words
from deliverers._email_fields import display_name, header_text
from deliverers._email_headers import file_name_parameter, header_block, mailbox, text_value
from shared.errors import DeliveryRefused
from shared.plugins import Address, Parcel
from shared.plugins.files import clean_file_name
from tests.plugins.deliverer_contract import artifact, control, parcel
from tests.plugins.mailbox import Mailbox, deliverer
from tests.services.smtp_server import BareServer, Peer, SmtpServer

HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)> & \"quotes\" 'too' ${title} {x}"


@pytest.fixture
def place(smtp_server: Callable[..., SmtpServer]) -> Mailbox:
    return Mailbox(smtp_server())


class Page(HTMLParser):
    """Tags with their attributes' names, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def texts(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def sent(place: Mailbox, parcel: Parcel, **changes: object) -> EmailMessage:
    place.deliverer(**changes).deliver(parcel, control())
    return place.server.mails[-1].message


def test_the_message_has_the_parts_that_programs_expect(place: Mailbox, tmp_path: Path) -> None:
    message = sent(place, parcel(artifact(tmp_path), artifact(tmp_path, "sales.xlsx")), from_name="Report Hub")
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/csv",
        "application/octet-stream",
    ]
    assert all(not part.defects for part in message.walk())
    assert message["from"] == "Report Hub <reports@example.org>"
    assert message["to"] == "Ann Müller <ann@example.org>"
    assert message["subject"] == "Monthly sales 2026-01-31"
    assert message["auto-submitted"] == "auto-generated"
    assert message["x-report-hub-execution"] == "01JX5"
    assert isinstance(message["date"].datetime, datetime)
    assert place.only.content.isascii()
    assert max(map(len, place.only.content.split(b"\r\n"))) <= 78
    assert re.findall(rb"(?<!\r)\n|\r(?!\n)", place.only.content) == []


def test_every_try_has_the_same_message_id(place: Mailbox, tmp_path: Path) -> None:
    first, second = (sent(place, parcel(artifact(tmp_path), attempt=attempt)) for attempt in (1, 2))
    other = sent(place, parcel(artifact(tmp_path), key="01JX5-8"))
    assert first["message-id"] == second["message-id"] == "<01JX5-7@example.org>"
    assert other["message-id"] == "<01JX5-8@example.org>"


def test_the_receipt_is_the_servers_word(place: Mailbox, tmp_path: Path) -> None:
    receipt = place.deliverer().deliver(parcel(artifact(tmp_path)), control())
    assert receipt.message == "250 2.0.0 Ok: queued as 00001"
    assert receipt.detail == {
        "message_id": "<01JX5-7@example.org>",
        "size": len(place.only.content),
        "recipient": "ann@example.org",
    }


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 57 * 4096 - 1, 57 * 4096, 57 * 4096 + 1])
def test_the_size_is_told_exactly_before_anything_is_sent(place: Mailbox, tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    place.deliverer().deliver(parcel(artifact(tmp_path, "a.bin", content)), control())
    assert place.only.files == {"a.bin": content}
    assert f"SIZE={len(place.only.content)}" in place.only.options


def test_each_recipient_gets_one_message_and_blind_copies_are_not_shown(place: Mailbox, tmp_path: Path) -> None:
    everyone = (
        Address("ann@example.org", "Müller, Ann"),
        Address("bob@example.org", 'Bob "the" Builder', "cc"),
        Address("eve@example.org", "Eve", "bcc"),
        Address("ann@EXAMPLE.org", "", "to"),
    )
    for recipient in everyone[:3]:
        sent(place, parcel(artifact(tmp_path), recipient=recipient, recipients=everyone, key=recipient.address))
    assert [mail.recipient for mail in place.server.mails] == [address.address for address in everyone[:3]]
    for mail in place.server.mails:
        assert [box.display_name for box in mail.message["to"].addresses] == ["Müller, Ann"]
        assert [box.display_name for box in mail.message["cc"].addresses] == ['Bob "the" Builder']
        assert (b"eve@example.org" in mail.content) == (mail.recipient == "eve@example.org")
    assert "blind copy" in texts(place.server.mails[2].message)[0]


def test_blind_copies_alone_name_nobody(place: Mailbox, tmp_path: Path) -> None:
    eve = Address("eve@example.org", "Eve", "bcc")
    message = sent(place, parcel(artifact(tmp_path), recipient=eve, recipients=(eve,)))
    assert message["to"] == "undisclosed-recipients:;"
    assert message["cc"] is None


def test_an_address_that_cannot_be_shown_does_not_keep_others_from_getting_theirs(
    place: Mailbox, tmp_path: Path
) -> None:
    ann = Address("ann@example.org", "ceo@bank.example")
    others = (ann, Address("broken@"), Address("jörg@example.org"))
    message = sent(place, parcel(artifact(tmp_path), recipient=ann, recipients=others))
    assert message["to"] == "ann@example.org"


def test_text_and_html_say_all_of_it(place: Mailbox, tmp_path: Path) -> None:
    message = sent(
        place,
        parcel(
            dataclasses.replace(artifact(tmp_path, "Umsätze.csv"), row_count=1000),
            report_name="Umsätze Zürich",
            row_count=1000,
            completeness="CAPPED",
            notes=("Capped at 1,000 rows: the query gives more.",),
        ),
        text="Grüezi {report},\n\n.one line that begins with a dot\n..and another, for {param.region}.",
        reply_to="data@example.org",
    )
    plain, html = texts(message)
    for said in (
        "Umsätze Zürich",
        "Data as of 31 January 2026, 08:00 CET (Europe/Zurich)",
        "Grüezi Monthly sales,",
        ".one line that begins with a dot",
        "..and another, for North/../South.",
        "Not all rows: the report ends at a limit and holds the first 1,000 rows.",
        "Capped at 1,000 rows: the query gives more.",
        "Umsätze.csv",
        "1,000",
        "18 bytes",
        "You receive this because ann@example.org is on the list of recipients of this report. To stop it, write to",
        "data@example.org.",
        "execution 01JX5",
    ):
        assert said in plain
        assert said in Page(html).text
    assert message["reply-to"] == "data@example.org"


def test_a_complete_report_is_called_complete(place: Mailbox, tmp_path: Path) -> None:
    plain, html = texts(sent(place, parcel(artifact(tmp_path), row_count=12_345)))
    assert "12,345 rows, complete" in plain
    assert "Complete" in Page(html).text
    assert "Not all rows" not in plain + html


def test_a_test_says_so_in_text_and_html(place: Mailbox, tmp_path: Path) -> None:
    for said in texts(sent(place, parcel(artifact(tmp_path), is_test=True))):
        assert "This is a test message" in said


def test_nothing_that_people_wrote_is_markup(place: Mailbox, tmp_path: Path) -> None:
    def tags(words: str) -> list[tuple[str, ...]]:
        message = sent(
            place,
            parcel(
                dataclasses.replace(artifact(tmp_path), file_name=f"{words}.csv"),
                report_name=words,
                execution_id=words,
                notes=(words, words),
                recipient=Address("ann@example.org", words),
                variables={"report": words},
            ),
            subject="Sales",
            text="{report}\n\n" + words.replace("{", "{{").replace("}", "}}"),
        )
        page = Page(texts(message)[1])
        assert page.text.count(words) >= 5
        return page.tags

    assert tags(HOSTILE) == tags("harmless")


def test_the_html_stays_below_what_mail_programs_clip(place: Mailbox, tmp_path: Path) -> None:
    files = [artifact(tmp_path, f"{number}.csv") for number in range(20)]
    html = texts(sent(place, parcel(*files), text="word " * 1900))[1]
    assert len(html.encode()) < 102_000


def test_without_attachments_the_files_are_named(place: Mailbox, tmp_path: Path) -> None:
    message = sent(place, parcel(artifact(tmp_path)), attach=False)
    assert message.get_content_type() == "multipart/alternative"
    assert place.only.files == {}
    for said in texts(message):
        assert "sales.csv" in said
        assert "not attached" in said


def test_a_large_file_travels_in_pieces(bare_smtp: Callable[..., BareServer], tmp_path: Path) -> None:
    sizes = []

    def take(peer: Peer) -> None:
        peer.greet("SIZE 0")
        peer.take_envelope()
        sizes.append(peer.take_message())
        peer.say("250 ok")

    server = bare_smtp(take)
    big = artifact(tmp_path, "big.bin", bytes(1 << 20) * 20)
    tracemalloc.start()
    receipt = deliverer(server.port, max_message_bytes=50_000_000).deliver(parcel(big), control())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == [receipt.detail["size"]]
    assert peak < 3_000_000


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_a_header_text_is_refused_or_comes_back_as_it_was(text: str) -> None:
    try:
        header_text(text)
    except ValueError:
        return
    block = header_block([("Subject", text_value("Subject", text)), ("X-Last", "1")])
    message = message_from_bytes(block, policy=email.policy.default)
    assert message.keys() == ["Subject", "X-Last"]
    assert message["subject"].strip() == text.strip()
    assert max(map(len, block.split(b"\r\n"))) <= 78


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=100))
def test_a_display_name_is_refused_or_stays_a_name(text: str) -> None:
    try:
        name = display_name(text.strip())
    except ValueError:
        return
    block = header_block([("To", mailbox(name, "a@example.org"))])
    (box,) = message_from_bytes(block, policy=email.policy.default)["to"].addresses
    assert box.addr_spec == "a@example.org"
    # Read by the older parser: the new one of Python 3.11 puts a space between encoded words.
    shown, address = parseaddr(message_from_bytes(block)["to"])
    assert (str(make_header(decode_header(shown))), address) == (name, "a@example.org")


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=150))
def test_a_file_name_comes_back_as_it_was(given_name: str) -> None:
    name = clean_file_name(given_name, "csv")
    block = header_block([("Content-Disposition", f"attachment; {file_name_parameter(name)}")])
    message = message_from_bytes(block, policy=email.policy.default)
    assert message.get_filename() == name
    assert max(map(len, block.split(b"\r\n"))) <= 250


@pytest.mark.parametrize(
    "value", ["a\r\nBcc: evil@example.net", "a\nb", "a\rb", "a\x00", "a\r\n\r\nbody", "a\r\n \r\nb"]
)
def test_headers_that_came_out_otherwise_are_not_sent(value: str) -> None:
    with pytest.raises(DeliveryRefused):
        header_block([("Subject", value)])


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB")],
)
def test_sizes_are_told_in_words(size: int, words: str) -> None:
    assert size_in_words(size) == words
