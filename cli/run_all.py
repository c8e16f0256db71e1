"""The inside of `run_all.py`: options, the migrated database, all services, an orderly end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from cli.launching import banner, prepare, stop_on_signals, watch
from shared.errors import ReportHubError
from shared.settings import PREFIX, load_settings
from shared.web.start import EX_CONFIG, print_problem

_SERVICES = {"config": "the configuration API", "engine": "the execution engine", "scheduler": "the scheduler"}


def run_all(arguments: Sequence[str]) -> int:
    """Run all services until SIGTERM or SIGINT.

    Returns:
        0 after an orderly end, 1 when a service died or did not start, 78 for settings that cannot be used.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.once and not options.demo:
        parser.error("--once belongs to --demo")
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run_all.py", description="All services of Report Hub.")
    parser.add_argument("--data-dir", type=Path, help="database, files, logs and key; default .hub")
    for name, words in _SERVICES.items():
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
