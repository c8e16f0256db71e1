"""The demo's mail server, as a process of its own, against the standard library's client."""

from __future__ import annotations

import shutil
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from demo.mailbox import mails

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mailbox:
    process: subprocess.Popen[str]
    port: int
    folder: Path

    def stop(self) -> tuple[int, list[str], str]:
        """Exit code, the lines it printed after `ready`, its complaints."""
        self.process.send_signal(signal.SIGTERM)
        printed, complaints = self.process.communicate(timeout=30)
        return self.process.returncode, printed.splitlines(), complaints

    def send(self, message: EmailMessage, *recipients: str) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            return client.send_message(message, to_addrs=recipients or None)


def command(port: int, folder: Path) -> list[str]:
    options = ["--port", str(port), "--folder", str(folder), "--refuse", "Nobody@example.org"]
    return [sys.executable, "-W", "error", "-m", "demo.mailbox", *options]


@contextmanager
def running(folder: Path) -> Iterator[Mailbox]:
    process = subprocess.Popen(
        command(0, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready 127.0.0.1:"), process.communicate()
        yield Mailbox(process, int(ready.rpartition(":")[2]), folder)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def long_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with running(tmp_path_factory.mktemp("mailbox") / "mails") as found:
        yield found


@pytest.fixture
def mailbox(long_running: Mailbox) -> Mailbox:
    """An empty mailbox."""
    for path in long_running.folder.iterdir():
        path.unlink()
    return long_running


def message(subject: str = "Orders", to: str = "ann@example.org") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "hub@example.org", to, subject
    made.set_content("See the file.")
    made.add_attachment(bytes(range(256)) * 4_000, maintype="application", subtype="octet-stream", filename="a.xlsx")
    return made


def test_a_mail_is_kept_whole_with_its_envelope(mailbox: Mailbox) -> None:
    sent = message("Aufträge 日本語 🍮")
    mailbox.send(sent, "ann@example.org", "hidden@example.org")
    (kept,) = mails(mailbox.folder)
    assert kept.recipients == ("ann@example.org", "hidden@example.org")
    assert kept.subject == "Aufträge 日本語 🍮"
    assert kept.message["Return-Path"] == "<hub@example.org>"
    (attachment,) = kept.message.iter_attachments()
    assert isinstance(attachment, EmailMessage)
    assert attachment.get_content() == bytes(range(256)) * 4_000


def test_people_find_a_mail_by_time_recipient_and_subject(mailbox: Mailbox) -> None:
    mailbox.send(message("../../Orders: 5/6 \u202egnp.exe"))
    mailbox.send(message("", "Ben <ben@example.org>"))
    first, second = (mail.path.name for mail in mails(mailbox.folder))
    assert first.endswith("Z to ann@example.org - .._.._Orders_ 5_6 gnp.exe.eml")
    assert second.endswith("Z to ben@example.org - no subject.eml")
    assert first[:26] < second[:26]


def test_one_refused_recipient_keeps_the_mail_from_nobody_else(mailbox: Mailbox) -> None:
    refused = mailbox.send(message(), "nobody@example.org", "ann@example.org")
    assert list(refused) == ["nobody@example.org"]
    assert refused["nobody@example.org"][0] == 550
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mailbox.send(message(), "nobody@example.org")
    assert [mail.recipients for mail in mails(mailbox.folder)] == [("ann@example.org",)]


def test_the_same_mail_twice_is_kept_twice(mailbox: Mailbox) -> None:
    for _ in range(5):
        mailbox.send(message())
    assert len(mails(mailbox.folder)) == 5
    assert all(path.suffix == ".eml" for path in mailbox.folder.iterdir())


def test_it_prints_one_line_for_each_mail_and_stops_on_sigterm(tmp_path: Path) -> None:
    with running(tmp_path / "mails") as mailbox:
        mailbox.send(message("One"), "ann@example.org", "nobody@example.org")
        mailbox.send(message("Two"))
        waiting = smtplib.SMTP("127.0.0.1", mailbox.port, timeout=30)
        waiting.ehlo()
        code, printed, complaints = mailbox.stop()
        waiting.close()
    assert (code, complaints) == (0, "")
    assert [line.split("  ")[1] for line in printed] == ["refused", "kept", "kept"]
    assert "to ann@example.org - Two.eml" in printed[2]


def test_a_mail_that_cannot_be_kept_is_for_later(mailbox: Mailbox) -> None:
    shutil.rmtree(mailbox.folder)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        mailbox.send(message())
    assert refused.value.smtp_code == 452
    mailbox.folder.mkdir()
    mailbox.send(message())
    assert len(mails(mailbox.folder)) == 1


def test_addresses_in_other_scripts_arrive(mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=30) as client:
        client.ehlo()
        client.sendmail(
            "hub@example.org", ["käthe@bücher.example"], "Subject: räw\r\n\r\nx".encode(), mail_options=["SMTPUTF8"]
        )
    (kept,) = mails(mailbox.folder)
    assert (kept.recipients, kept.subject) == (("käthe@bücher.example",), "räw")


def test_a_taken_port_is_said_in_one_sentence(mailbox: Mailbox, tmp_path: Path) -> None:
    second = subprocess.run(command(mailbox.port, tmp_path), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert second.returncode == 1
    assert second.stderr.startswith(f"The mail server cannot start on 127.0.0.1:{mailbox.port}: ")
    assert second.stderr.count("\n") == 1
