"""What mail servers say, fail to say and forge, and what each of it means for a delivery."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from shared.errors import (
    Cancelled,
    DeliveryError,
    DeliveryRefused,
    DeliveryUnavailable,
    DeliveryUnknown,
    TimeLimitReached,
)
from shared.plugins import Address, Control, Parcel
from tests.plugins.deliverer_contract import LOOPBACK, SECRET, artifact, control, parcel
from tests.plugins.mailbox import Mailbox, deliverer
from tests.services.databases import free_port
from tests.services.http_receiver import HttpReceiver
from tests.services.smtp_server import DROP, HANG, BareServer, Peer, SmtpServer

Bare = Callable[[Callable[[Peer], object]], BareServer]
ANN = "ann@example.org"

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the test server's worry


@pytest.fixture
def place(smtp_server: Callable[..., SmtpServer]) -> Mailbox:
    return Mailbox(smtp_server())


@pytest.fixture
def sent(tmp_path: Path) -> Parcel:
    return parcel(artifact(tmp_path))


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, mail_authority_file: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_authority_file))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("550 5.1.1 No such user here", DeliveryRefused),
        ("552 5.2.2 Mailbox full", DeliveryRefused),
        ("530 5.7.0 Authentication required", DeliveryRefused),
        ("451 4.7.1 Greylisted, come back", DeliveryUnavailable),
        ("421 4.3.2 Shutting down", DeliveryUnavailable),
    ],
)
@pytest.mark.parametrize("stage", ["at_sender", "at_recipient", "at_data"])
def test_a_no_is_told_in_the_servers_words(
    place: Mailbox, sent: Parcel, stage: str, answer: str, error: type[DeliveryError]
) -> None:
    address = "reports@example.org" if stage == "at_sender" else ANN
    getattr(place.server, stage)[address] = answer
    with pytest.raises(error) as caught:
        place.deliverer().deliver(sent, control())
    assert answer in caught.value.message
    assert address in caught.value.message
    assert caught.value.hint
    assert ("username" in caught.value.hint) == answer.startswith("530")
    assert not place.server.mails


def test_one_bad_address_hides_no_good_one(place: Mailbox, tmp_path: Path) -> None:
    people = [Address(ANN), Address("bob@example.org"), Address("eve@example.org")]
    place.server.at_recipient["bob@example.org"] = "550 5.1.1 No such user here"
    for number, recipient in enumerate(people):
        refused = pytest.raises(DeliveryRefused) if number == 1 else contextlib.nullcontext()
        with refused:
            place.deliverer().deliver(
                parcel(artifact(tmp_path), recipient=recipient, recipients=tuple(people), key=f"k-{number}"), control()
            )
    assert [mail.recipient for mail in place.server.mails] == [ANN, "eve@example.org"]


def test_a_connection_lost_after_the_end_leaves_the_outcome_open(place: Mailbox, sent: Parcel) -> None:
    place.server.at_data[ANN] = DROP
    with pytest.raises(DeliveryUnknown) as caught:
        place.deliverer().deliver(sent, control())
    assert "<01JX5-7@example.org>" in str(caught.value.hint)
    assert ANN in caught.value.message


def test_a_connection_lost_before_the_end_is_tried_again(place: Mailbox, sent: Parcel, bare_smtp: Bare) -> None:
    place.server.at_recipient[ANN] = DROP
    with pytest.raises(DeliveryUnavailable, match="Network: the connection"):
        place.deliverer().deliver(sent, control())

    def leave_within_the_message(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        peer.hear()

    big = parcel(artifact(sent.artifacts[0].path.parent, "big.bin", bytes(20_000_000)))
    server = bare_smtp(leave_within_the_message)
    with pytest.raises(DeliveryUnavailable, match="Network: the connection"):
        deliverer(server.port, max_message_bytes=50_000_000).deliver(big, control())


@pytest.mark.parametrize("answer", ["354 what?", "hello", "1"])
def test_a_riddle_after_the_end_leaves_the_outcome_open(bare_smtp: Bare, sent: Parcel, answer: str) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        peer.take_message()
        peer.say(answer)

    with pytest.raises(DeliveryUnknown):
        deliverer(bare_smtp(script).port).deliver(sent, control())


def test_the_time_limit_after_the_end_leaves_the_outcome_open(place: Mailbox, sent: Parcel) -> None:
    place.server.at_data[ANN] = HANG
    with pytest.raises(DeliveryUnknown):
        place.deliverer().deliver(sent, Control(timedelta(seconds=1), network=LOOPBACK))


def test_the_time_limit_before_the_end_ends_it(place: Mailbox, sent: Parcel) -> None:
    place.server.at_recipient[ANN] = HANG
    with pytest.raises(TimeLimitReached):
        place.deliverer().deliver(sent, Control(timedelta(seconds=0.5), network=LOOPBACK))


def test_a_silent_server_is_given_up_after_the_timeout(place: Mailbox, sent: Parcel) -> None:
    place.server.at_recipient[ANN] = HANG
    with pytest.raises(DeliveryUnavailable):
        place.deliverer(timeout=1).deliver(sent, control())


def cancelled_when(ready: threading.Event, stopped: Control) -> threading.Thread:
    def wait_and_cancel() -> None:
        assert ready.wait(30)
        stopped.cancel()

    thread = threading.Thread(target=wait_and_cancel)
    thread.start()
    return thread


@pytest.mark.parametrize("tls", ["none", "tls"])
def test_cancelling_breaks_a_silence(bare_smtp: Bare, sent: Parcel, tls: str) -> None:
    asked = threading.Event()

    def script(peer: Peer) -> None:
        if tls == "none":
            peer.greet()
        peer.feel()
        asked.set()
        peer.wait()

    stopped = control()
    thread = cancelled_when(asked, stopped)
    started = time.monotonic()
    with pytest.raises(Cancelled):
        deliverer(bare_smtp(script).port, tls=tls).deliver(sent, stopped)
    thread.join()
    assert time.monotonic() - started < 20


def test_cancelling_after_the_end_never_says_that_nothing_was_sent(place: Mailbox, sent: Parcel) -> None:
    place.server.at_data[ANN] = HANG
    stopped = control()
    thread = cancelled_when(place.server.arrived, stopped)
    with pytest.raises(DeliveryUnknown):
        place.deliverer().deliver(sent, stopped)
    thread.join()


def test_an_answer_that_follows_a_cancel_counts(bare_smtp: Bare, sent: Parcel) -> None:
    stopped = control()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        peer.take_message()
        stopped.cancel()
        peer.say("250 queued all the same")

    receipt = deliverer(bare_smtp(script).port).deliver(sent, stopped)
    assert receipt.message == "250 queued all the same"


def test_a_message_too_large_for_the_server_is_not_begun(
    smtp_server: Callable[..., SmtpServer], tmp_path: Path
) -> None:
    place = Mailbox(smtp_server(data_size_limit=50_000))
    place.server.at_sender["reports@example.org"] = DROP
    big = parcel(artifact(tmp_path, "big.bin", bytes(40_000)))
    with pytest.raises(DeliveryRefused, match=r"would have 6\d\.\d kB; localhost takes at most 50\.0 kB") as caught:
        place.deliverer().deliver(big, control())
    assert "attach" in str(caught.value.hint)


def test_a_message_too_large_for_the_delivery_opens_no_connection(tmp_path: Path) -> None:
    big = parcel(artifact(tmp_path, "big.bin", bytes(40_000)))
    with pytest.raises(DeliveryRefused, match=r"this delivery allows at most 50\.0 kB"):
        deliverer(free_port(), max_message_bytes=50_000).deliver(big, control())


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", ["starttls", "tls"])
class TestTls:
    def test_the_message_travels_encrypted(
        self, smtp_server: Callable[..., SmtpServer], sent: Parcel, tls: str
    ) -> None:
        place = Mailbox(smtp_server(tls=tls))
        place.server.logins["reports"] = SECRET
        assert "TLSv1.3" in place.deliverer().check(control())
        place.deliverer().deliver(sent, control())
        assert place.only.is_encrypted
        assert place.only.username == "reports"

    def test_an_unknown_authority_is_refused(
        self, smtp_server: Callable[..., SmtpServer], sent: Parcel, monkeypatch: pytest.MonkeyPatch, tls: str
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        place = Mailbox(smtp_server(tls=tls))
        with pytest.raises(DeliveryRefused, match="TLS: the certificate of localhost is not trusted") as caught:
            place.deliverer().deliver(sent, control())
        assert "SSL_CERT_FILE" in str(caught.value.hint)

    def test_a_certificate_for_another_name_is_refused(
        self, smtp_server: Callable[..., SmtpServer], sent: Parcel, tls: str
    ) -> None:
        place = Mailbox(smtp_server(tls=tls, name="mail.example.com"))
        with pytest.raises(DeliveryRefused, match="TLS: the certificate of localhost is not trusted"):
            place.deliverer().deliver(sent, control())

    def test_the_checked_address_is_connected_and_the_name_is_what_tls_checks(
        self, smtp_server: Callable[..., SmtpServer], sent: Parcel, monkeypatch: pytest.MonkeyPatch, tls: str
    ) -> None:
        monkeypatch.setattr("deliverers._email_session.resolve", lambda host, port, policy: ["::1", "127.0.0.1"])
        place = Mailbox(smtp_server(tls=tls, name="mail.example.com"))
        place.deliverer(host="mail.example.com").deliver(sent, control())
        assert place.only.is_encrypted


@pytest.mark.usefixtures("trusted")
def test_a_server_without_starttls_gets_no_password(bare_smtp: Bare, sent: Parcel) -> None:
    heard = []

    def script(peer: Peer) -> None:
        peer.greet("AUTH PLAIN LOGIN")
        heard.append(peer.hear())

    server = bare_smtp(script)
    with pytest.raises(DeliveryRefused, match="TLS: localhost does not offer STARTTLS"):
        deliverer(server.port, tls="starttls", username="reports", password=SECRET).deliver(sent, control())
    server.stop()
    assert heard == [""]


@pytest.mark.usefixtures("trusted")
def test_words_slipped_in_before_tls_are_refused(bare_smtp: Bare, sent: Parcel) -> None:
    def script(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.hear()
        peer.say("220 go ahead", "250 forged")
        peer.hear()

    with pytest.raises(DeliveryRefused, match="forged"):
        deliverer(bare_smtp(script).port, tls="starttls").deliver(sent, control())


def test_tls_on_a_plain_port_is_explained(place: Mailbox, sent: Parcel) -> None:
    with pytest.raises(DeliveryRefused, match="TLS: port") as caught:
        place.deliverer(tls="tls").deliver(sent, control())
    assert "starttls" in str(caught.value.hint)


def test_a_login_without_plain_is_made_by_login(smtp_server: Callable[..., SmtpServer], sent: Parcel) -> None:
    place = Mailbox(smtp_server(auth_exclude_mechanism=["PLAIN"]))
    place.server.logins["jörg"] = "pässwörd"
    place.deliverer(username="jörg", password="pässwörd").deliver(sent, control())
    assert place.only.username == "jörg"
    with pytest.raises(DeliveryRefused, match="Login: localhost refused the login for user jörg"):
        place.deliverer(username="jörg", password=SECRET).check(control())


@pytest.mark.parametrize(
    "echo", [SECRET, base64.b64encode(SECRET.encode()).decode(), base64.b64encode(f"\0me\0{SECRET}".encode()).decode()]
)
def test_a_server_that_repeats_the_password_is_not_quoted(bare_smtp: Bare, sent: Parcel, echo: str) -> None:
    def script(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear()
        peer.say(f"535 5.7.8 no {echo}")

    with pytest.raises(DeliveryRefused, match="Login") as caught:
        deliverer(bare_smtp(script).port, username="me", password=SECRET).deliver(sent, control())
    assert "535 5.7.8 no ********" in caught.value.message
    assert echo not in f"{caught.value.message} {caught.value.hint}"


def test_a_login_that_cannot_be_checked_now_is_tried_again(bare_smtp: Bare, sent: Parcel) -> None:
    def script(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear()
        peer.say("454 4.7.0 directory is down")

    with pytest.raises(DeliveryUnavailable, match="Login"):
        deliverer(bare_smtp(script).port, username="me", password=SECRET).deliver(sent, control())


def test_a_login_that_is_not_offered_is_explained(place: Mailbox, sent: Parcel) -> None:
    with pytest.raises(DeliveryRefused, match="Login: localhost offers no login"):
        place.deliverer(username="me", password=SECRET).deliver(sent, control())


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (["554 5.7.1 not you"], DeliveryRefused),
        (["421 4.3.2 too many"], DeliveryUnavailable),
        (["HTTP/1.1 400 Bad Request"], DeliveryRefused),
        (["220-more"] * 200, DeliveryRefused),
        (["220 " + "x" * 10_000], DeliveryRefused),
    ],
)
def test_a_strange_greeting_ends_it(
    bare_smtp: Bare, sent: Parcel, greeting: list[str], error: type[DeliveryError]
) -> None:
    with pytest.raises(error) as caught:
        deliverer(bare_smtp(lambda peer: peer.say(*greeting)).port).deliver(sent, control())
    assert caught.value.hint
    assert len(caught.value.message) < 600


def test_another_kind_of_server_is_named_as_such(http_receiver: HttpReceiver, sent: Parcel) -> None:
    with pytest.raises(DeliveryUnavailable, match="does not answer on port") as caught:
        deliverer(http_receiver.port, timeout=1).deliver(sent, control())
    assert "tls" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("reason", "error"), [(socket.EAI_NONAME, DeliveryRefused), (socket.EAI_AGAIN, DeliveryUnavailable)]
)
def test_an_unknown_name_is_told_apart_from_a_name_server_that_is_down(
    monkeypatch: pytest.MonkeyPatch, sent: Parcel, reason: int, error: type[DeliveryError]
) -> None:
    def resolve(*arguments: object) -> list[str]:
        raise socket.gaierror(reason, "no")

    monkeypatch.setattr("deliverers._email_session.resolve", resolve)
    with pytest.raises(error, match="Name: "):
        deliverer(25, host="smtp.example.org").deliver(sent, control())


def test_a_check_tells_what_it_found(place: Mailbox) -> None:
    said = place.deliverer().check(control())
    assert f"localhost:{place.server.port} answers (220 mail.example.net" in said
    assert "not encrypted, no login, takes messages up to 100.0 MB. 250" in said


def test_a_domain_in_other_letters_travels_in_ascii(place: Mailbox, tmp_path: Path) -> None:
    recipient = Address("ann@bücher.example")
    place.deliverer().deliver(parcel(artifact(tmp_path), recipient=recipient, recipients=(recipient,)), control())
    assert place.only.recipient == "ann@xn--bcher-kva.example"
    assert "SMTPUTF8" not in place.only.options


def test_a_name_in_other_letters_needs_a_server_that_knows_them(
    smtp_server: Callable[..., SmtpServer], tmp_path: Path
) -> None:
    recipient = Address("jörg@example.org", "Jörg")
    sent = parcel(artifact(tmp_path), recipient=recipient, recipients=(recipient,))
    knows, knows_not = Mailbox(smtp_server()), Mailbox(smtp_server(enable_SMTPUTF8=False))
    knows.deliverer().deliver(sent, control())
    assert knows.only.recipient == "jörg@example.org"
    assert "SMTPUTF8" in knows.only.options
    assert knows.only.message["to"].addresses[0].display_name == "Jörg"
    with pytest.raises(DeliveryRefused, match="localhost cannot send to or from addresses with letters beyond ASCII"):
        knows_not.deliverer().deliver(sent, control())
