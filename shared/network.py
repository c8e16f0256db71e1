"""Where connections may go: public addresses, and the private networks that the operator allows.

Every plug-in that opens a socket asks `resolve()` and connects to the address it returns, so that a second DNS answer
cannot move the connection (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.errors import AddressBlocked

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]

# `ipaddress` calls some of these global (mapped, NAT64 and 6to4 forms, multicast, the cloud's 168.63.129.16), so the
# list is ours. Sources: IANA special-purpose registries (RFC 6890 and successors).
_NEVER_PUBLIC: tuple[IpNetwork, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32", "100.100.100.200/32",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses of a host name, in the system's order. Raises socket.gaierror when there is none."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """Which addresses outgoing connections may reach.

    Attributes:
        allowed_networks: networks let through although they are private (setting REPORT_HUB_ALLOWED_NETWORKS).
    """

    allowed_networks: tuple[IpNetwork, ...] = ()

    def allows(self, address: IpAddress) -> bool:
        """True for public addresses and for those inside an allowed network."""
        if isinstance(address, ipaddress.IPv6Address):
            if address.scope_id:
                return False
            if address.ipv4_mapped is not None:
                return self.allows(address.ipv4_mapped)
        if any(address in network for network in self.allowed_networks if network.version == address.version):
            return True
        if any(address in network for network in _NEVER_PUBLIC if network.version == address.version):
            return False
        return address.is_global and not address.is_multicast


def resolve(host: str, port: int, policy: NetworkPolicy, resolver: Resolver = system_resolver) -> list[str]:
    """Addresses of `host` to connect to, in order; every one of them is allowed.

    Raises:
        AddressBlocked: an answer is private or special and no setting allows it (one bad answer refuses the name).
        socket.gaierror: the name does not exist or the name server does not answer.
    """
    addresses = list(resolver(host, port))
    for address in addresses:
        if not policy.allows(ipaddress.ip_address(address)):
            raise AddressBlocked(
                f"{host} is a private or special address, which this server may not connect to.",
                hint="The operator can allow its network with REPORT_HUB_ALLOWED_NETWORKS.",
            )
    return addresses
