"""Sockets for deliverers with a protocol of their own: the name is looked up once, only allowed addresses are met."""

from __future__ import annotations

import socket
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from shared.errors import DeliveryRefused, DeliveryUnavailable
from shared.network import resolve
from shared.plugins import Control


def _is_host(value: str) -> str:
    is_ip6 = value.count(":") >= 2 and all(character in "0123456789abcdefABCDEF:." for character in value)
    if any(character in value for character in "/\\;:@()[]{}'\"%, \t\r\n\x00") and not is_ip6:
        raise ValueError("must be a host name or an address, nothing else")
    return value


HostName = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_is_host)]


def connected(host: str, port: int, control: Control, timeout: float) -> socket.socket:
    """A TCP connection to one of the host's addresses.

    Raises:
        AddressBlocked: a private address that no setting allows.
        DeliveryRefused: the name does not exist.
        DeliveryUnavailable: it cannot be looked up now, or no address answers.
    """
    failure: OSError | None = None
    for address in _addresses(host, port, control):
        control.check()
        try:
            return socket.create_connection((address, port), seconds(control, timeout))
        except OSError as error:
            failure = error
    control.check()
    raise DeliveryUnavailable(
        f"Network: {host} cannot be reached on port {port}.",
        hint="Check that the server runs and that a firewall lets this server through.",
    ) from failure


def seconds(control: Control, timeout: float) -> float:
    """The timeout, or what is left of the control's time if that is less."""
    remaining = control.remaining()
    return timeout if remaining is None else min(timeout, remaining)


def _addresses(host: str, port: int, control: Control) -> list[str]:
    try:
        return resolve(host, port, control.network)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise DeliveryUnavailable(
                f"Name: {host} could not be looked up right now.", hint="It is tried again."
            ) from error
        raise DeliveryRefused(f"Name: there is no server called {host}.", hint="Check `host`.") from error
    except UnicodeError as error:
        raise DeliveryRefused("Name: the host is no valid name.", hint="Check `host`.") from error
