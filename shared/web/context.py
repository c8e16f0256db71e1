"""What a service has at hand, and who is asking it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from shared.auth import Authenticator, Principal, ServiceIdentity
from shared.clock import Clock
from shared.db.clock import DatabaseClock
from shared.db.database import Database
from shared.db.migrate import check_schema
from shared.settings import Settings
from shared.vault import Vault, open_vault


@dataclass
class ServiceContext:
    """Settings, database, clock, vault, who is asking, and the service's own metrics.

    `checks` are the dependencies that `GET /ready` asks, by name; each raises ServiceUnavailable when it is down.
    `stopping` is set at SIGTERM, for answers that would otherwise go on for ever.
    """

    name: str
    settings: Settings
    database: Database
    clock: Clock
    vault: Vault
    authenticator: Authenticator
    identity: ServiceIdentity
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    checks: dict[str, Callable[[], None]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, name: str, settings: Settings, clock: Clock | None = None) -> ServiceContext:
        """Open database and vault as the settings say."""
        database = Database(settings.database)
        clock = clock or DatabaseClock(database)
        vault = open_vault(settings)
        identity = ServiceIdentity(vault.service_key)
        authenticator = Authenticator(settings, database, identity, clock)
        context = cls(name, settings, database, clock, vault, authenticator, identity)
        context.checks |= {"database": database.check, "schema": lambda: check_schema(database)}
        return context


def current_principal(request: Request) -> Principal:
    """Dependency: who is asking; set by the middleware for every route below /api."""
    principal: Principal = request.state.principal
    return principal


Asker = Annotated[Principal, Depends(current_principal)]
