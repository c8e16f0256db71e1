"""One connection to an SFTP server: the host key is compared before anything is said, then the login."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deliverers._host_keys import fingerprint_of, offers, pinned_keys
from deliverers._private_keys import private_key
from deliverers._servers import connected, seconds
from deliverers._sftp_config import SftpConfig
from deliverers._sftp_errors import translated
from shared.errors import DeliveryRefused
from shared.plugins import Control

if TYPE_CHECKING:
    import paramiko

_TIDY_SECONDS = 2.0
"""After a cancel: time to remove the unfinished file, before the connection is broken."""


@dataclass(frozen=True, slots=True)
class Session:
    client: paramiko.SFTPClient
    server_version: str


@contextlib.contextmanager
def open_session(config: SftpConfig, control: Control) -> Iterator[Session]:
    """A logged-in session.

    Raises:
        DeliveryRefused, DeliveryUnavailable: the message begins with the layer that failed: Name, Network, Host key,
            Login, Folder.
        AddressBlocked: a private address that no setting allows.
    """
    control.check()
    with contextlib.ExitStack() as closing, translated(config.host, control):
        transport = _logged_in(config, control, closing)
        client = _sftp_client(transport, config)
        closing.callback(client.close)
        yield Session(client, transport.remote_version.removeprefix("SSH-2.0-"))


def _trusted_transport(config: SftpConfig, control: Control, closing: contextlib.ExitStack) -> paramiko.Transport:
    import paramiko

    pinned = pinned_keys(config.host_key)
    shown = set()
    for algorithms in offers(pinned):
        with contextlib.ExitStack() as attempt, translated(config.host, control):
            connection = connected(config.host, config.port, control, config.timeout)
            attempt.callback(connection.close)
            attempt.enter_context(_breaking(connection, control))
            transport = paramiko.Transport(connection)
            attempt.callback(transport.close)
            transport.get_security_options().key_types = algorithms
            limit = seconds(control, config.timeout)
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = limit
            transport.channel_timeout = limit
            try:
                transport.start_client(timeout=limit)
            except paramiko.ssh_exception.IncompatiblePeer:
                if len(offers(pinned)) == 1:
                    raise
                continue
            fingerprint = fingerprint_of(transport.get_remote_server_key().asbytes())
            if any(key.fingerprint == fingerprint for key in pinned):
                closing.push(attempt.pop_all())
                return transport
            shown.add(fingerprint)
    raise DeliveryRefused(
        f"Host key: {config.host} shows a key that is not the pinned one ({', '.join(sorted(shown)) or 'none fits'}); "
        "nothing was sent.",
        hint="Ask the server's operator whether the key was changed. If so, enter the new `host_key`.",
    )


@contextlib.contextmanager
def _breaking(connection: socket.socket, control: Control) -> Iterator[None]:
    def shut() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    fuse = threading.Timer(_TIDY_SECONDS, shut)
    fuse.daemon = True
    with control.on_cancel(fuse.start):
        try:
            yield
        finally:
            fuse.cancel()


def _logged_in(config: SftpConfig, control: Control, closing: contextlib.ExitStack) -> paramiko.Transport:
    import paramiko

    transport = _trusted_transport(config, control, closing)
    try:
        wanted = _log_in(transport, config)
    except paramiko.BadAuthenticationType as error:
        if config.password is None or "keyboard-interactive" not in error.allowed_types:
            raise
        # A new connection: the driver asks for the login service again, and strict servers end a session over that.
        transport = _trusted_transport(config, control, closing)
        wanted = _answer(transport, config)
    if not transport.is_authenticated():
        raise DeliveryRefused(
            f"Login: the SFTP server {config.host} wants more from user {config.username}: {', '.join(wanted)}.",
            hint="Give both a private key and a password, or have the server take one of them.",
        )
    return transport


def _log_in(transport: paramiko.Transport, config: SftpConfig) -> list[str]:
    """The key, then the password if it is still wanted; returns what the server wants besides."""
    wanted = ["password"]
    if config.private_key is not None:
        wanted = transport.auth_publickey(config.username, private_key(config.private_key, config.passphrase))
    if config.password is None or transport.is_authenticated():
        return wanted
    if "password" in wanted:
        return transport.auth_password(config.username, config.password.get_secret_value(), fallback=False)
    return _answer(transport, config) if "keyboard-interactive" in wanted else wanted


def _answer(transport: paramiko.Transport, config: SftpConfig) -> list[str]:
    """The password as the answer to each question (keyboard-interactive, which many servers use for passwords)."""
    assert config.password is not None
    password = config.password.get_secret_value()
    return transport.auth_interactive(config.username, lambda *asked: [password for _ in asked[2]])


def _sftp_client(transport: paramiko.Transport, config: SftpConfig) -> paramiko.SFTPClient:
    import paramiko

    try:
        client = paramiko.SFTPClient.from_transport(transport)
    except paramiko.SSHException as error:
        if not transport.is_active() or "Timeout" in str(error):
            raise
        raise DeliveryRefused(
            f"Login: {config.host} lets user {config.username} in, but offers no SFTP.",
            hint="Have the SFTP subsystem switched on for this user.",
        ) from error
    assert client is not None
    channel = client.get_channel()
    assert channel is not None
    channel.settimeout(config.timeout)
    return client
