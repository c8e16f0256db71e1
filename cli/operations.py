"""Commands for operators: migrate, serve, check."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import httpx
from alembic.util import CommandError

from cli.files import data_folder
from cli.launching import MODULES
from cli.output import out, print_json
from shared.db.database import Database
from shared.db.migrate import check_schema, downgrade, upgrade
from shared.errors import InvalidInput, ReportHubError, ServiceUnavailable
from shared.plugins import Family, plugins
from shared.settings import Settings
from shared.vault import open_vault

_FAMILIES: tuple[Family, ...] = ("connector", "converter", "deliverer")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `is_fatal` False: worth knowing, no reason to fail."""

    name: str
    is_good: bool
    says: str
    is_fatal: bool = True


def migrate(settings: Settings, revision: str | None, *, down: bool, as_json: bool) -> None:
    """Bring the database to a schema; the newest without a revision."""
    data_folder(settings.data_dir)
    database = Database(settings.database)
    try:
        at = downgrade(database, revision or "base") if down else upgrade(database, revision or "head")
    except CommandError as error:
        raise InvalidInput(
            f"The database cannot be brought to the schema {revision}: {error}.",
            hint="Without a revision it goes to the newest; --down goes back.",
        ) from error
    finally:
        database.close()
    if as_json:
        print_json({"revision": at or None})
    else:
        out.print(f"The database is at schema {at or 'none'}.", highlight=False)


def serve(service: str) -> NoReturn:
    """Become one service."""
    os.execv(sys.executable, [sys.executable, "-m", MODULES[service]])  # noqa: S606 - no shell is meant


def check(settings: Settings, *, as_json: bool) -> bool:
    """Look at everything an installation needs; True when nothing is broken."""
    findings = [
        _tried("data folder", lambda: _data_folder(settings)),
        _tried("database", lambda: _database(settings)),
        _tried("key", lambda: _key(settings)),
        *_folders(settings),
        *_drivers(),
        *_services(settings),
    ]
    if as_json:
        print_json([{name: getattr(item, name) for name in Finding.__slots__} for item in findings])
    else:
        for item in findings:
            mark = "✓" if item.is_good else ("✗" if item.is_fatal else "–")
            out.print(f"{mark} {item.name:<22} {item.says}", markup=False, highlight=False)
    return all(item.is_good or not item.is_fatal for item in findings)


def _tried(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except ReportHubError as error:
        return Finding(name, False, " ".join(filter(None, (error.message, error.hint))))


def _database(settings: Settings) -> str:
    database = Database(settings.database)
    try:
        check_schema(database)
        return f"{database.dialect}, newest schema"
    finally:
        database.close()


def _data_folder(settings: Settings) -> str:
    data_folder(settings.data_dir)
    return str(settings.data_dir.absolute())


def _key(settings: Settings) -> str:
    open_vault(settings)
    return "from the settings" if settings.secret_key else f"in {settings.data_dir / 'secret.key'}"


def _folders(settings: Settings) -> list[Finding]:
    return [
        Finding("allowed folder", folder.is_dir(), str(folder) + ("" if folder.is_dir() else " does not exist"))
        for folder in settings.folders
    ]


def _drivers() -> list[Finding]:
    return [
        Finding(
            f"{family} {kind}",
            not plugin.missing_drivers(),
            f"not installed: {plugin.install_line()}" if plugin.missing_drivers() else plugin.title,
            is_fatal=False,
        )
        for family in _FAMILIES
        for kind, plugin in plugins(family).items()
    ]


def _services(settings: Settings) -> list[Finding]:
    ports = {"config": settings.config_port, "engine": settings.engine_port, "scheduler": settings.scheduler_port}
    return [_service(name, f"http://127.0.0.1:{port}") for name, port in ports.items()]


def _service(name: str, url: str) -> Finding:
    try:
        response = httpx.get(f"{url}/ready", timeout=3, trust_env=False)
        if response.is_success:
            return Finding(f"service {name}", True, url)
        raise ServiceUnavailable(str(response.json().get("message")))
    except (httpx.HTTPError, ValueError, ServiceUnavailable) as error:
        says = error.message if isinstance(error, ServiceUnavailable) else f"does not answer at {url}"
        return Finding(f"service {name}", False, says, is_fatal=False)
