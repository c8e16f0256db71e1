"""The mail deliverer against a real mail server: the contract, its configuration, and values that try to break out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deliverers.email import EmailConfig, EmailDeliverer
from shared.errors import DeliveryRefused, MissingDriver
from shared.plugins import Address
from shared.plugins.files import clean_file_name
from shared.plugins.schema import secret_fields
from tests.plugins.deliverer_contract import SECRET, ServerDelivererContract, artifact, control, parcel
from tests.plugins.mailbox import Mailbox, deliverer
from tests.services.databases import free_port
from tests.services.smtp_server import SmtpServer

CASES = json.loads((Path(__file__).parent.parent / "corpora" / "header_values.json").read_text())["cases"]
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Report-Hub-Execution",
    "Content-Type",
]


def cases(field: str) -> pytest.MarkDecorator:
    found = [case for case in CASES if case["field"] == field]
    assert found
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


@pytest.fixture
def place(
    smtp_server: Callable[..., SmtpServer], mail_authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Mailbox:
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_authority_file))
    server = smtp_server(tls="starttls")
    server.logins["reports"] = SECRET
    return Mailbox(server)


@pytest.fixture
def plain(smtp_server: Callable[..., SmtpServer]) -> Mailbox:
    return Mailbox(smtp_server())


@pytest.fixture
def unreachable() -> EmailDeliverer:
    return deliverer(free_port())


@pytest.fixture
def wrong_login(place: Mailbox) -> EmailDeliverer:
    place.server.logins["reports"] = "another"
    return place.deliverer()


class TestEmail(ServerDelivererContract):
    repeats = True

    def is_marked(self, place: Mailbox) -> bool:  # type: ignore[override]
        mail = place.only
        subject = str(mail.message["subject"])
        return subject == "[Test] Monthly sales 2026-01-31" and list(mail.files) == ["TEST_sales.csv"]


@cases("subject")
def test_subjects_keep_to_their_line(plain: Mailbox, tmp_path: Path, case: dict[str, str]) -> None:
    value = case["value"]
    sent = parcel(artifact(tmp_path), variables={"report": value})
    if case["verdict"] == "refuse":
        with pytest.raises(ValidationError) as saved:
            plain.deliverer(subject=value)
        assert value not in str(saved.value)
        with pytest.raises(DeliveryRefused):
            plain.deliverer(subject="{report}").deliver(sent, control())
        assert not plain.server.mails
    else:
        plain.deliverer(subject="{report}").deliver(sent, control())
        assert plain.only.message["subject"] == value
        assert plain.only.message.keys() == HEADERS


@cases("recipient")
def test_one_recipient_is_one_address(plain: Mailbox, tmp_path: Path, case: dict[str, str]) -> None:
    address = Address(case["value"])
    sent = parcel(artifact(tmp_path), recipient=address, recipients=(address,))
    if case["verdict"] == "refuse":
        with pytest.raises(ValueError, match=r"^(this is no mail address: |an address must )") as saved:
            EmailDeliverer.clean_address(case["value"])
        assert not case["value"] or case["value"] not in str(saved.value)
        with pytest.raises(DeliveryRefused):
            plain.deliverer().deliver(sent, control())
        assert not plain.server.mails
    else:
        plain.deliverer().deliver(sent, control())
        assert plain.only.recipient == EmailDeliverer.clean_address(case["value"]) == "A@example.org"
        assert plain.only.message.keys() == HEADERS


@cases("from")
def test_senders_cannot_pass_for_others(case: dict[str, str]) -> None:
    assert case["verdict"] == "refuse"
    for changes in ({"from_address": case["value"]}, {"from_name": case["value"]}, {"reply_to": case["value"]}):
        with pytest.raises(ValidationError):
            deliverer(25, **changes)


@cases("content_disposition")
def test_file_names_keep_to_their_header(plain: Mailbox, tmp_path: Path, case: dict[str, str]) -> None:
    assert case["verdict"] == "clean"
    plain.deliverer().deliver(parcel(artifact(tmp_path, case["value"])), control())
    (part,) = plain.only.attachments
    assert part.get_filename() == clean_file_name(case["value"], "")
    assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]


@pytest.mark.parametrize("name", ["a\r\nBcc: evil@example.net", "a\x00", "=?utf-8?q?a=0ABcc:_evil@example.net?="])
def test_a_recipients_name_keeps_to_its_header(plain: Mailbox, tmp_path: Path, name: str) -> None:
    bad, good = Address("ann@example.org", name), Address("bob@example.org", "Bob")
    for recipient in (bad, good):
        sent = parcel(artifact(tmp_path), recipient=recipient, recipients=(bad, good))
        if recipient is bad:
            with pytest.raises(DeliveryRefused, match="name"):
                plain.deliverer().deliver(sent, control())
        else:
            plain.deliverer().deliver(sent, control())
    assert plain.only.message["to"] == "ann@example.org, Bob <bob@example.org>"
    assert plain.only.message.keys() == HEADERS


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Ann.Lee+reports@Example.ORG ", "Ann.Lee+reports@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jörg@example.org", "jörg@example.org"),
    ],
)
def test_addresses_are_kept_in_their_normal_form(given: str, kept: str) -> None:
    assert EmailDeliverer.clean_address(given) == kept
    assert EmailDeliverer.clean_address(kept) == kept


@pytest.mark.parametrize(
    "address",
    ["ａnn@example.org", "=?utf-8?q?ann?=@example.org", "ann@localhost", "ann@[127.0.0.1]", "a@example.org\n"],
)
def test_odd_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"^(this is no mail address: |an address must )"):
        EmailDeliverer.clean_address(address)


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "smtp.example.org:587"},
        {"host": "-x"},
        {"host": "a b"},
        {"port": 0},
        {"tls": "prefer"},
        {"from_address": "reports"},
        {"from_name": "a\nb"},
        {"subject": ""},
        {"subject": "{nobody}"},
        {"text": "{report.__class__}"},
        {"username": "reports"},
        {"password": SECRET},
        {"max_message_bytes": 1},
        {"timeout": 0},
        {"bcc": "evil@example.net"},
    ],
)
def test_wrong_configurations_are_refused_without_repeating_them(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        EmailConfig(**{"host": "smtp.example.org", "from_address": "reports@example.org", **changes})
    assert SECRET not in str(caught.value)
    assert "evil" not in str(caught.value)


def test_the_password_is_a_secret_and_is_shown_nowhere() -> None:
    assert secret_fields(EmailConfig) == ("password",)
    configured = deliverer(25, username="reports", password=SECRET)
    assert SECRET not in repr(configured.config) + configured.target()


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_the_port_follows_from_tls(tls: str, port: int) -> None:
    config = EmailConfig(host="smtp.example.org", tls=tls, from_address="reports@example.org")
    assert EmailDeliverer(config).target() == f"mail from reports@example.org through smtp.example.org:{port}"


def test_a_missing_driver_is_named_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmailDeliverer, "drivers", ("no_such_module",))
    for attempt in (lambda: deliverer(25), lambda: EmailDeliverer.clean_address("ann@example.org")):
        with pytest.raises(MissingDriver) as caught:
            attempt()
        assert "report-hub[email]" in str(caught.value.hint)
