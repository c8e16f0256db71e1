"""Mail over SMTP: one message to each recipient, files attached, with a text that also reads well without HTML."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, model_validator

from deliverers._email_facts import mail_facts, plain_text, size_in_words
from deliverers._email_fields import DisplayName, MailAddress, SubjectTemplate, mail_address
from deliverers._email_html import html_text
from deliverers._email_message import OutgoingMail, Sender, compose
from deliverers._email_session import MailServer, Tls, opened, too_large
from deliverers._templates import Template, filled
from shared.errors import DeliveryRefused
from shared.plugins import Control, Deliverer, Parcel, PluginConfig, Receipt, require_drivers

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?\Z|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\Z")
_PORTS = {"none": 25, "starttls": 587, "tls": 465}


def _is_host(value: str) -> str:
    if not _HOST.match(value):
        raise ValueError("must be a host name or an address, nothing else")
    return value


class EmailConfig(PluginConfig):
    host: Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_is_host)] = Field(
        title="Mail server", description="Name or address of the SMTP server.", examples=["smtp.example.com"]
    )
    port: int | None = Field(
        default=None,
        title="Port",
        description="Empty: 587 for starttls, 465 for tls, 25 for none.",
        ge=1,
        le=65535,
        examples=[587],
    )
    tls: Tls = Field(
        default="starttls",
        title="TLS",
        description="starttls: encrypt after the greeting; tls: from the start; none: everything travels readable, a "
        "password too. Certificates are always checked.",
    )
    username: str = Field(
        default="", title="User", description="Empty: no login.", max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Stored encrypted; or env:NAME, file:PATH."
    )
    from_address: MailAddress = Field(
        title="From", description="The sender's address; bounces go there.", examples=["reports@example.com"]
    )
    from_name: DisplayName = Field(
        default="", title="Sender's name", description="Shown with the address.", examples=["Report Hub"]
    )
    reply_to: MailAddress | None = Field(
        default=None,
        title="Replies to",
        description="Where answers go; the mail names it to those who want off the list.",
        examples=["data-team@example.com"],
    )
    subject: SubjectTemplate = Field(
        default="{report} {date}",
        title="Subject",
        description="Template of the subject line.",
        examples=["{report}, {date:%d %B %Y}"],
    )
    text: Template = Field(
        default="",
        title="Text",
        description="Template of what you want to say above the list of files; an empty line begins a new paragraph.",
        examples=["Good morning,\n\nhere are the sales of {date:%B %Y}."],
        max_length=10_000,
    )
    attach: bool = Field(
        default=True, title="Attach the files", description="Off: the mail names the files but does not carry them."
    )
    max_message_bytes: int = Field(
        default=25_000_000,
        title="Largest message",
        description="In bytes, attachments encoded (37 % more than the file). Many receivers take no more than 25 MB, "
        "and say so only in a bounce.",
        ge=10_000,
        le=2_000_000_000,
    )
    timeout: float = Field(
        default=60, title="Timeout", description="Seconds to connect, and for each silence of the server.", ge=1, le=600
    )

    @model_validator(mode="before")
    @classmethod
    def _can_be_validated(cls, values: Any) -> Any:
        require_drivers(EmailDeliverer)  # the addresses cannot be checked without
        return values

    @model_validator(mode="after")
    def _has_both_or_none(self) -> EmailConfig:
        if bool(self.username) != (self.password is not None):
            raise ValueError("`username` and `password` go together: give both or none")
        return self


class EmailDeliverer(Deliverer[EmailConfig]):
    kind = "email"
    title = "Mail"
    config_model = EmailConfig
    drivers = ("email_validator",)
    is_addressed = True

    @classmethod
    def clean_address(cls, address: str) -> str:
        require_drivers(cls)
        return mail_address(address)

    def target(self) -> str:
        server = self._server()
        return f"mail from {self.config.from_address} through {server.host}:{server.port}"

    def check(self, control: Control) -> str:
        control.check()
        server = self._server()
        with opened(server, control) as session:
            answer = session.noop()
            said = [
                f"{server.host}:{server.port} answers ({session.greeting})",
                session.encryption or "not encrypted",
                f"logged in as {server.username}" if server.username else "no login",
            ]
            if session.max_size is not None:
                said.append(f"takes messages up to {size_in_words(session.max_size)}")
        return f"{', '.join(said)}. {answer.words}"

    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        control.check()
        mail = self._mail(parcel)
        if mail.size > self.config.max_message_bytes:
            raise too_large(mail.size, "this delivery allows", self.config.max_message_bytes)
        with opened(self._server(), control) as session:
            reply = session.send(mail, control)
        return Receipt(reply.words, {"message_id": mail.message_id, "size": mail.size, "recipient": mail.recipient})

    def _mail(self, parcel: Parcel) -> OutgoingMail:
        config = self.config
        if parcel.recipient is None:
            raise DeliveryRefused("This delivery has no recipient.", hint="Add one.")
        facts = mail_facts(parcel, parcel.recipient, filled(config.text, parcel), config.reply_to, config.attach)
        sender = Sender(config.from_address, config.from_name, config.reply_to)
        subject = filled(config.subject, parcel)
        return compose(parcel, sender, subject, plain_text(facts), html_text(facts), attach=config.attach)

    def _server(self) -> MailServer:
        config = self.config
        password = config.password.get_secret_value() if config.password else ""
        port = config.port or _PORTS[config.tls]
        return MailServer(config.host, port, config.tls, config.timeout, config.username, password)
