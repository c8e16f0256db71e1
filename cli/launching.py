"""Brings the services up on a migrated database, and watches over them until somebody says stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from cli.files import data_folder
from cli.service_group import ServiceGroup, ServiceSpec
from shared import __version__
from shared.db.database import Database
from shared.db.migrate import upgrade
from shared.settings import PREFIX, Settings

MODULES = {"config": "config_api", "engine": "execution_engine", "scheduler": "scheduler"}
"""The services by their short names, in the order of their start."""
_WATCH_SECONDS = 0.2


def prepare(settings: Settings, *, is_quiet: bool = False) -> ServiceGroup:
    """The services of these settings, on a database that is migrated (unless the settings say not to)."""
    data_folder(settings.data_dir)
    if not settings.allowed_folders:
        settings.folders[0].mkdir(parents=True, exist_ok=True)
    if settings.migrate:
        database = Database(settings.database)
        upgrade(database)
        database.close()
    ports = {"config": settings.config_port, "engine": settings.engine_port, "scheduler": settings.scheduler_port}
    specs = [ServiceSpec(name, module, ports[name]) for name, module in MODULES.items()]
    environment = {**os.environ, f"{PREFIX}MIGRATE": "0"}
    if sys.stderr.isatty() and not is_quiet:
        environment.setdefault(f"{PREFIX}LOG_FORMAT", "text")
    return ServiceGroup(specs, environment, settings.data_dir / "logs", None if is_quiet else sys.stderr)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    return stop


def watch(group: ServiceGroup, stop: threading.Event) -> int:
    """Wait for the signal to stop (0), or for a service to die (1; it says which)."""
    while not stop.wait(_WATCH_SECONDS):
        ended = group.ended()
        if ended is not None:
            print(group.obituary(*ended), file=sys.stderr, flush=True)
            return 1
    return 0


def banner(settings: Settings, group: ServiceGroup) -> str:
    """What to open."""
    access = "open on this machine only" if settings.is_open else "with API key"
    lines = [f"Report Hub {__version__}   data in {settings.data_dir}   {access}"]
    lines += [f"  {spec.name:<10} {spec.url}   docs {spec.url}/docs" for spec in group.specs]
    return "\n".join([*lines, "Ctrl-C stops all of them."])
