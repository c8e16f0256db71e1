"""Identity between our services: a short-lived token signed with a key derived from the secret key.

`rhs_<payload>.<signature>`: payload is base64url JSON (service, tenant_id, actor, expires), signature is HMAC-SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import dataclass

_LIFETIME_SECONDS = 60
_SKEW_SECONDS = 30
_PREFIX = "rhs_"


@dataclass(frozen=True, slots=True)
class Caller:
    """One of our services. `actor` is whoever it asks for."""

    service: str
    tenant_id: int
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """Signs and checks tokens of our services."""

    key: bytes

    def token(self, service: str, tenant_id: int, actor: str | None = None) -> str:
        """A token good for one minute; send it as `Authorization: Bearer …`. `actor`: on whose behalf."""
        expires = int(time.time()) + _LIFETIME_SECONDS
        claims = {"service": service, "tenant_id": tenant_id, "actor": actor, "expires": expires}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{_PREFIX}{payload}.{self._sign(payload)}"

    def check(self, token: str) -> Caller | None:
        """Who made a good token, None for anything else."""
        if not token.startswith(_PREFIX):
            return None
        payload, _, signature = token.removeprefix(_PREFIX).partition(".")
        if not hmac.compare_digest(self._sign(payload).encode(), signature.encode()):
            return None
        try:
            claims = json.loads(base64.urlsafe_b64decode(payload))
        except (ValueError, binascii.Error):
            return None
        if time.time() > claims["expires"] + _SKEW_SECONDS:
            return None
        return Caller(str(claims["service"]), int(claims["tenant_id"]), claims.get("actor"))

    def _sign(self, payload: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self.key, payload.encode(), hashlib.sha256)).decode()
