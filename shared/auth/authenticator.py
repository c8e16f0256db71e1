"""Turns the credentials of a request into a principal: who it is, of which tenant, with which role."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from shared.auth.keys import hash_key, prefix_of
from shared.auth.service import ServiceIdentity
from shared.clock import Clock
from shared.db.database import DEFAULT_TENANT, Database
from shared.db.models import ApiKey
from shared.errors import NotAllowed, NotAuthenticated
from shared.settings import Settings

ROLES = ("viewer", "editor", "admin")
_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. `actor` goes into the audit log: `key:<prefix>`, `local`, or `service:<name> for <actor>`."""

    actor: str
    tenant_id: int
    role: str

    def require(self, role: str) -> None:
        """Raise NotAllowed unless this principal has at least `role`."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise NotAllowed(f"This needs the role {role}; yours is {self.role}.")


class Authenticator:
    """Checks `X-API-Key` and `Authorization: Bearer`. Without credentials configured everybody on loopback is admin."""

    def __init__(self, settings: Settings, database: Database, identity: ServiceIdentity, clock: Clock) -> None:
        self._database = database
        self._identity = identity
        self._clock = clock
        self._is_open = settings.is_open
        bootstrap = settings.bootstrap_api_key
        self._bootstrap_hash = None if bootstrap is None else hash_key(bootstrap.get_secret_value())

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Raises NotAuthenticated with one and the same sentence for unknown, revoked, expired and malformed keys."""
        credential = _credential(headers)
        if credential is None:
            if self._is_open:
                return Principal("local", DEFAULT_TENANT, "admin")
            raise NotAuthenticated("An API key is needed.", hint="Send it as X-API-Key, or Authorization: Bearer.")
        principal = self._service(credential) or self._bootstrap(credential) or self._key(credential)
        if principal is None:
            raise NotAuthenticated("The API key is not valid.", hint="It may be mistyped, expired or revoked.")
        return principal

    def _service(self, credential: str) -> Principal | None:
        caller = self._identity.check(credential)
        if caller is None:
            return None
        behalf = f" for {caller.actor}" if caller.actor else ""
        return Principal(f"service:{caller.service}{behalf}", caller.tenant_id, "admin")

    def _bootstrap(self, credential: str) -> Principal | None:
        if self._bootstrap_hash and hmac.compare_digest(self._bootstrap_hash, hash_key(credential)):
            return Principal("key:bootstrap", DEFAULT_TENANT, "admin")
        return None

    def _key(self, credential: str) -> Principal | None:
        prefix = prefix_of(credential)
        if prefix is None:
            return None
        now = self._clock.now()
        with self._database.reading() as session:
            key = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))
        if key is None or not hmac.compare_digest(key.secret_hash, hash_key(credential)):
            return None
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            return None
        if key.last_used_at is None or now - key.last_used_at > _TOUCH_EVERY:
            with self._database.transaction() as session:
                session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))
        return Principal(f"key:{prefix}", key.tenant_id, key.role)


def _credential(headers: Mapping[str, str]) -> str | None:
    key = headers.get("x-api-key")
    if key:
        return key
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None
