"""Outgoing HTTP for plug-ins: odd URLs refused, the checked address is the connected one, no redirects, no proxies.

A name is looked up once per connection and every answer must be allowed; the socket goes to one of these addresses
while TLS and the Host header keep the name, so a second DNS answer cannot move the connection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpcore
import httpx
from pydantic import AfterValidator, Field

from shared.errors import AddressBlocked, SizeLimitReached
from shared.network import NetworkPolicy, Resolver, resolve, system_resolver
from shared.plugins.control import Control

WEB_PORTS = frozenset({80, 443, 8080, 8443})
"""Ports of public servers; servers in a network that the operator allows may listen on any port from 1024."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2048
_ODD = re.compile(r"[\x00-\x20\x7f\\^`{}|<>\"]")
_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?\Z")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")


@dataclass(frozen=True, slots=True)
class WebPlace:
    """What a checked URL says about the server."""

    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Without path, query and the scheme's own port: what people and logs may see."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


def check_url(url: str) -> WebPlace:
    """The server that a URL names, if all parsers agree on it. Looks nothing up; addresses are checked at each send.

    Raises:
        ValueError: with a sentence that does not repeat the URL.
    """
    if not url.isascii():
        raise ValueError("the URL must be ASCII; write the host in its xn-- form and escape the rest with %")
    if len(url) > _MAX_URL or _ODD.search(url):
        raise ValueError(
            f"the URL must have at most {_MAX_URL} characters, no spaces and no \\ ^ ` {{ }} | < > or quotes"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        also = httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise ValueError("the URL cannot be read") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("the URL must begin with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("the URL must not hold a user name or a password; send them as a header")
    host = parts.hostname or ""
    if also.raw_host.decode("ascii").lower().strip("[]") != host or parts.netloc.endswith(":"):
        raise ValueError("the host of the URL cannot be read")
    return _checked_place(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port)


def _checked_place(scheme: str, host: str, port: int) -> WebPlace:
    if not 0 < port < 65536 or (port < 1024 and port not in WEB_PORTS):
        raise ValueError("the port of the URL is not one for HTTP; use 80, 443 or one from 1024 to 65535")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _NAME.match(host):
            raise ValueError("the host of the URL is neither a name nor an IP address") from None
        if _NUMERIC.match(host.rstrip(".").rpartition(".")[2]):
            raise ValueError("write an IP address in its usual form") from None
    if "%" in host:
        raise ValueError("the address of the URL must not have a zone")
    return WebPlace(scheme, host, port)


def _is_web_url(url: str) -> str:
    check_url(url)
    return url


WebUrl = Annotated[str, Field(min_length=1, max_length=_MAX_URL), AfterValidator(_is_web_url)]
"""A URL in a configuration, checked when it is saved."""


@contextlib.contextmanager
def open_client(
    control: Control,
    *,
    timeout: float = 30.0,
    max_answer_bytes: int = 1_000_000,
    resolver: Resolver = system_resolver,
) -> Iterator[httpx.Client]:
    """An HTTP client whose every connection was checked; cancelling, or the time limit, breaks its connections.

    Args:
        timeout: seconds for connecting and for each silence of the other side; never more than the control has left.
        max_answer_bytes: a longer answer raises SizeLimitReached.

    Raises, at a request:
        AddressBlocked: the URL or its address is refused; no socket was opened.
        httpx.HTTPError: as usual; ask `control.check()` first, a cancelled request looks like a broken one.
    """
    remaining = control.remaining()
    backend = _CheckedBackend(control.network, resolver)
    client = httpx.Client(
        transport=_CheckedTransport(backend, max_answer_bytes),
        timeout=timeout if remaining is None else min(timeout, remaining),
        headers={"User-Agent": "Report-Hub", "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )
    with client, control.on_cancel(backend.abort):
        yield client


def is_unknown_name(error: BaseException) -> bool:
    """True when a failed connection means that the host name does not exist (and not that DNS is down)."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, socket.gaierror):
        cause = cause.__cause__ or cause.__context__
    return cause is not None and cause.errno != socket.EAI_AGAIN


class _CheckedTransport(httpx.HTTPTransport):
    def __init__(self, backend: _CheckedBackend, max_answer_bytes: int) -> None:
        # The default context of `ssl`, not the one of httpx: it honours SSL_CERT_FILE and the system's authorities.
        context = ssl.create_default_context()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
        self._max_answer_bytes = max_answer_bytes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        try:
            if url.scheme not in _DEFAULT_PORTS or url.userinfo:
                raise ValueError("the URL must begin with https:// or http:// and hold no login")
            _checked_place(url.scheme, url.host, url.port or _DEFAULT_PORTS[url.scheme])
        except ValueError as error:
            raise AddressBlocked("The URL is refused.", hint=f"Correct it: {error}.") from error
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _LimitedStream(response.stream, self._max_answer_bytes)
        return response


class _LimitedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > self._limit:
                raise SizeLimitReached(f"The server's answer is longer than {self._limit:,} bytes.")
            yield chunk

    def close(self) -> None:
        self._stream.close()


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses and remembers the sockets, so that another thread can break them."""

    def __init__(self, policy: NetworkPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._plain = httpcore.SyncBackend()
        self._streams: list[_WatchedStream] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in self._addresses(host, port):
            try:
                plain = self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                stream = _WatchedStream(plain)
                self._streams.append(stream)
                return stream
        raise failure or httpcore.ConnectError("the name has no address")

    def abort(self) -> None:
        for stream in self._streams:
            stream.abort()

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = resolve(host, port, self._policy, self._resolver)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be looked up") from error
        if port not in WEB_PORTS and not all(map(self._is_allowed_by_operator, addresses)):
            raise AddressBlocked(
                f"Port {port} of {host} is not one that this server may connect to.",
                hint="Use port 80, 443, 8080 or 8443, or have the operator add the network to "
                "REPORT_HUB_ALLOWED_NETWORKS.",
            )
        return addresses

    def _is_allowed_by_operator(self, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        return any(ip in network for network in self._policy.allowed_networks if network.version == ip.version)


class _WatchedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def abort(self) -> None:
        # The plain method: that of an SSLSocket would drop the TLS layer under a thread that is reading.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)
