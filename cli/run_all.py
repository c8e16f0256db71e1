"""The inside of `run_all.py`: options, the migrated database, all services, an orderly end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from cli.service_group import ServiceGroup, ServiceSpec
from shared import __version__
from shared.db.database import Database
from shared.db.migrate import upgrade
from shared.errors import ReportHubError
from shared.settings import PREFIX, Settings, load_settings
from shared.web.start import EX_CONFIG, print_problem

_SERVICES = (
    ("config", "config_api", "the configuration API"),
    ("engine", "execution_engine", "the execution engine"),
    ("scheduler", "scheduler", "the scheduler"),
)
_WATCH_SECONDS = 0.2


def run_all(arguments: Sequence[str]) -> int:
    """Run all services until SIGTERM or SIGINT.

    Returns:
        0 after an orderly end, 1 when a service died or did not start, 78 for settings that cannot be used.
    """
    options = _parser().parse_args(arguments)
    os.environ.update(_environment(options))
    if options.demo:
        from demo.scenario import run_demo

        return run_demo(once=options.once, mail_port=options.mail_port)
    try:
        settings = load_settings()
        group = prepare(settings)
        group.start()
    except ReportHubError as error:
        print_problem(error)
        return EX_CONFIG
    stop = stop_on_signals()
    try:
        group.wait_ready()
        print(banner(settings, group), flush=True)
        status = watch(group, stop)
    except ReportHubError as error:
        print_problem(error)
        status = 1
    is_orderly = group.stop(settings.shutdown_grace.total_seconds())
    print("Report Hub has stopped.", flush=True)
    return status if status else int(not is_orderly)


def prepare(settings: Settings, *, is_quiet: bool = False) -> ServiceGroup:
    """The services of these settings, on a database that is migrated (unless the settings say not to)."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not settings.allowed_folders:
        settings.folders[0].mkdir(parents=True, exist_ok=True)
    if settings.migrate:
        database = Database(settings.database)
        upgrade(database)
        database.close()
    ports = {"config": settings.config_port, "engine": settings.engine_port, "scheduler": settings.scheduler_port}
    specs = [ServiceSpec(name, module, ports[name]) for name, module, _ in _SERVICES]
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run_all.py", description="All services of Report Hub.")
    parser.add_argument("--data-dir", type=Path, help="database, files, logs and key; default .hub")
    for name, _, words in _SERVICES:
        parser.add_argument(f"--{name}-port", f"--port-{name}", type=_port, metavar="N", help=f"port of {words}")
    parser.add_argument(
        "--intake-port", "--port-intake", type=_port, metavar="N", help="kept for the intake service; not used yet"
    )
    parser.add_argument("--demo", action="store_true", help="load real data, run and deliver real reports first")
    parser.add_argument("--mail-port", type=_port, default=8025, metavar="N", help="port of the demo's mail server")
    parser.add_argument("--once", action="store_true", help="with --demo: check what arrived, then stop")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _environment(options: argparse.Namespace) -> dict[str, str]:
    given = {
        "DATA_DIR": options.data_dir,
        "CONFIG_PORT": options.config_port,
        "ENGINE_PORT": options.engine_port,
        "SCHEDULER_PORT": options.scheduler_port,
    }
    return {f"{PREFIX}{name}": str(value) for name, value in given.items() if value is not None}
