"""A mail server that keeps every mail as a file and sends nothing out: `python -m demo.mailbox --port N --folder D`.

It listens on this machine only, prints `ready HOST:PORT` when it can be reached, then a line for each mail, and stops
on SIGTERM. One address can be refused for good, which shows how a dead letter comes about.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from shared.plugins.files import clean_file_name

HOST = "127.0.0.1"
_MAX_BYTES = 64 << 20
_MAX_SUBJECT = 80


@dataclass(frozen=True, slots=True)
class Mail:
    """A kept mail. `recipients` are those of the envelope, Bcc ones too."""

    path: Path
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")


def mails(folder: Path) -> list[Mail]:
    """All mails of a mailbox, oldest first."""
    return [_read(path) for path in sorted(folder.glob("*.eml"))]


def _read(path: Path) -> Mail:
    message = BytesParser(EmailMessage, policy=default).parsebytes(path.read_bytes())
    return Mail(path, tuple(str(value) for value in message.get_all("Delivered-To", [])), message)


class _Keeper:
    """Answers the SMTP commands."""

    def __init__(self, folder: Path, refused: str | None) -> None:
        self._folder = folder
        self._refused = refused.casefold() if refused else None

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.casefold() == self._refused:
            print(f"{_now():%H:%M:%S}  refused  {address}", flush=True)
            return f"550 5.1.1 <{address}>: there is no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        try:
            path = _keep(self._folder, envelope.mail_from, envelope.rcpt_tos, envelope.content)
        except OSError as error:
            print(f"{_now():%H:%M:%S}  not kept: {error.strerror}", flush=True)
            return "452 4.3.1 The mailbox cannot be written, try again later"
        print(f"{_now():%H:%M:%S}  kept  {path.name}  {len(envelope.content):,} bytes", flush=True)
        return f"250 2.0.0 kept as {path.stem.encode('ascii', 'replace').decode()}"


def _keep(folder: Path, sender: str, recipients: Sequence[str], content: bytes) -> Path:
    """Write the mail under a name of its own; half a file is never seen, and none is overwritten."""
    envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
    part = folder / f".{uuid.uuid4().hex}.part"
    try:
        part.write_bytes("".join(f"{line}\r\n" for line in envelope).encode() + content)
        while True:
            path = folder / clean_file_name(_name(recipients, content), "eml")
            try:
                os.link(part, path)  # unlike a rename, it fails when the name is taken
            except FileExistsError:
                continue  # within one microsecond; the next name has another one
            return path
    finally:
        part.unlink(missing_ok=True)


def _name(recipients: Sequence[str], content: bytes) -> str:
    """Time, recipient, subject: `2026-11-24 08-00-12.345678Z to ann@example.org - Orders`."""
    subject = str(BytesParser(EmailMessage, policy=default).parsebytes(content, headersonly=True)["Subject"] or "")
    more = f" and {len(recipients) - 1} more" if len(recipients) > 1 else ""
    moment = f"{_now():%Y-%m-%d %H-%M-%S.%f}Z"
    return f"{moment} to {recipients[0]}{more} - {subject[:_MAX_SUBJECT] or 'no subject'}"


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(port: int, folder: Path, refused: str | None = None) -> None:
    """Keep mails until SIGTERM or SIGINT. Port 0 takes a free one."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keeper = _Keeper(folder, refused)
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="localhost", enable_SMTPUTF8=True, data_size_limit=_MAX_BYTES, loop=loop),
        HOST,
        port,
    )
    print(f"ready {HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.mailbox", description="Keeps every mail as a file.")
    parser.add_argument("--port", type=int, required=True, help="TCP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--folder", type=Path, required=True, help="where the mails are kept")
    parser.add_argument("--refuse", metavar="ADDRESS", help="this recipient is refused with 550")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.port, options.folder, options.refuse))
    except OSError as error:
        raise SystemExit(f"The mail server cannot start on {HOST}:{options.port}: {error.strerror}.") from error


if __name__ == "__main__":
    main()
