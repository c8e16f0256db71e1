"""What connectors to database servers share: the fields of their configuration, and a socket to an allowed address."""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from shared.errors import SourceRejected, SourceUnavailable
from shared.network import resolve
from shared.plugins import Control, PluginConfig


def _host_name(value: str) -> str:
    if any(character in value for character in "/\\;:@()[]{}'\"%, \t\r\n\x00") and not _is_ip6(value):
        raise ValueError("must be a host name or an address, nothing else")
    return value


def _is_ip6(value: str) -> bool:
    return value.count(":") >= 2 and all(character in "0123456789abcdefABCDEF:." for character in value)


Word = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f;]+$")]
Tls = Literal["disable", "prefer", "require", "verify"]


class ServerConfig(PluginConfig):
    """Where the server is and who logs in."""

    host: Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_host_name)] = Field(
        title="Host", description="Name or address of the server.", examples=["db.example.com"]
    )
    database: Word = Field(title="Database", description="Name of the database.", examples=["sales"])
    username: Word = Field(title="User", description="A login that may only read.", examples=["reports"])
    password: SecretStr | None = Field(None, title="Password", description="Stored encrypted; or env:NAME, file:PATH.")
    tls: Tls = Field(
        "prefer",
        title="TLS",
        description="disable; prefer (encrypt if the server can); require (encrypt, any certificate); verify "
        "(encrypt, check certificate and name).",
    )
    ca_certificate: str | None = Field(
        None, title="CA certificate", max_length=100_000, description="PEM text; default: the system's authorities."
    )
    connect_timeout: float = Field(
        10, title="Connect timeout", ge=1, le=120, description="Seconds to reach the server and log in."
    )
    port: int


def allowed_addresses(host: str, port: int, control: Control) -> list[str]:
    """Addresses to connect to, checked by the network guard.

    Raises:
        SourceRejected: the host is no name that could exist.
        SourceUnavailable: there is no such name, or the name server does not answer. Names come and go (a new server,
            a name server that lags behind), so an unknown one counts as unreachable, not as a wrong configuration.
        AddressBlocked: a private address that no setting allows.
    """
    try:
        return resolve(host, port, control.network)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise SourceUnavailable(
                f"Name: the name of the server {host} could not be looked up right now.",
                hint="The name server may be down; try again in a moment.",
            ) from error
        raise SourceUnavailable(f"Name: there is no server called {host}.", hint="Check `host`.") from error
    except UnicodeError as error:
        raise SourceRejected("Name: the host is no valid name.", hint="Check `host`.") from error


def unheard(config: ServerConfig) -> SourceUnavailable:
    return SourceUnavailable(
        f"Network: nothing listens on port {config.port} of {config.host}.", hint="Check host, port and firewalls."
    )


def silent(config: ServerConfig) -> SourceUnavailable:
    return SourceUnavailable(
        f"Network: {config.host} does not answer on port {config.port}.", hint="Check host, port and firewalls."
    )


def connect_seconds(config: ServerConfig, control: Control) -> float:
    remaining = control.remaining()
    return config.connect_timeout if remaining is None else min(config.connect_timeout, remaining)
