"""Without credentials only this machine may ask, and no web page of another origin may make a browser ask for it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request

from shared.errors import NotAllowed
from shared.settings import Settings

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def check_origin(request: Request, settings: Settings) -> None:
    """Does nothing once credentials are configured: a page of another origin does not know them.

    Raises:
        NotAllowed: another machine, a name that is not ours (DNS rebinding), or a page of another origin.
    """
    if not settings.is_open:
        return
    known = _LOOPBACK_NAMES | set(settings.allowed_hosts)
    host = request.headers.get("host", "")
    if _name(host) not in known:
        raise NotAllowed("This host name is not answered without credentials.", hint="Use 127.0.0.1 or localhost.")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host and _name_of_url(origin) not in settings.allowed_hosts:
        raise NotAllowed("Pages of another origin may not ask without credentials.")
    if request.client is not None and not _is_loopback(request.client.host):
        raise NotAllowed("Without credentials only this machine may ask.")


def _name(host: str) -> str:
    return _name_of_url(f"//{host}")


def _name_of_url(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
