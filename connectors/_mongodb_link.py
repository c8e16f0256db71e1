"""A pymongo client whose connections go to a checked address only, and can be cut from another thread."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

from connectors._server import ServerConfig, silent, unheard


class Link:
    """Stands in pymongo where a TLS context is expected, which is asked to wrap each new socket.

    pymongo looks names up itself and has no option for the name that a certificate must have. So it is given the
    address that the network guard has checked (with directConnection, so that no answer of the server leads it to other
    hosts), and this wraps its sockets: TLS is for the name, not for the address, and each socket is known for `cut`.
    """

    verify_mode = ssl.CERT_NONE  # read by pymongo, which would check the certificate once more against the address
    check_hostname = True

    def __init__(self, name: str, context: ssl.SSLContext | None) -> None:
        self._name = name
        self._context = context
        self._sockets: list[socket.socket] = []

    def wrap_socket(self, sock: socket.socket, **_: Any) -> socket.socket:
        wrapped = self._context.wrap_socket(sock, server_hostname=self._name) if self._context else sock
        self._sockets.append(wrapped)
        return wrapped

    def attach(self, client: Any) -> None:
        """Before the client's first connection."""
        options = client.options.pool_options
        options._PoolOptions__ssl_context = self
        if options._ssl_context is not self:
            raise RuntimeError("this version of pymongo does not let its sockets be wrapped")

    def cut(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def reach(addresses: list[str], config: ServerConfig, port: int, seconds: float) -> tuple[str, Link]:
    """The first address that answers, and the link for it. pymongo itself would try again until its time is up.

    Raises:
        SourceUnavailable: nobody answers.
        ssl.SSLError: there is no TLS of the wanted kind.
    """
    failure: OSError | None = None
    for address in addresses:
        try:
            with socket.create_connection((address, port), seconds):
                pass
        except OSError as error:
            failure = error
            continue
        return address, _agreed(address, config, port, seconds)
    raise unheard(config) if isinstance(failure, ConnectionRefusedError) else silent(config)


def _agreed(address: str, config: ServerConfig, port: int, seconds: float) -> Link:
    """A link with the TLS that was tried and works."""
    if config.tls == "disable":
        return Link(config.host, None)
    context = ssl.create_default_context(cadata=config.ca_certificate)
    if config.tls != "verify":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    link = Link(config.host, context)
    try:
        with socket.create_connection((address, port), seconds) as sock, link.wrap_socket(sock):
            pass
    except OSError as error:
        if config.tls == "prefer":
            return Link(config.host, None)
        if isinstance(error, ssl.SSLError):
            raise
        raise ssl.SSLError("the server closed the connection when TLS began") from error
    return Link(config.host, context)
