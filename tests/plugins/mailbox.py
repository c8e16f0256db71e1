"""A mailbox as a place for the mail deliverer's tests, and the ways in which they meet it."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from deliverers.email import EmailConfig, EmailDeliverer
from tests.plugins.deliverer_contract import SECRET
from tests.services.smtp_server import ReceivedMail, SmtpServer


def deliverer(port: int, **changes: Any) -> EmailDeliverer:
    if "password" in changes:
        changes["password"] = SecretStr(changes["password"])
    values = {"host": "localhost", "port": port, "tls": "none", "from_address": "reports@example.org"}
    return EmailDeliverer(EmailConfig(**{**values, **changes}))


class Mailbox:
    """Place of the contract: what a mail server has accepted."""

    def __init__(self, server: SmtpServer) -> None:
        self.server = server

    def deliverer(self, **changes: Any) -> EmailDeliverer:
        login = {"username": "reports", "password": SECRET} if self.server.logins else {}
        return deliverer(self.server.port, **{"tls": self.server.tls, **login, **changes})

    def files(self) -> dict[str, bytes]:
        return {name: content for mail in self.server.received.values() for name, content in mail.files.items()}

    def everything(self) -> Any:
        return {
            key: (mail.recipient, mail.message["subject"], mail.files) for key, mail in self.server.received.items()
        }

    @property
    def only(self) -> ReceivedMail:
        (mail,) = self.server.mails
        return mail
