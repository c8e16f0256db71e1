"""Runs the services as processes: start, wait until ready, prefix their logs, stop them in order."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import httpx

from shared.errors import ServiceUnavailable

_COLOURS = {"config": "36", "engine": "33", "scheduler": "35"}
_POLL_SECONDS = 0.1
_KILL_AFTER_GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: its short name, the module to run, and where it listens."""

    name: str
    module: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class _Running:
    spec: ServiceSpec
    process: subprocess.Popen[bytes]
    threads: list[threading.Thread] = field(default_factory=list)


class ServiceGroup:
    """Service processes that live and die together.

    Args:
        specs: started in this order, stopped all at once.
        environment: the services' settings.
        logs: folder for one log file per service.
        echo: where their lines go too, prefixed with the service's name; None for the files only.
    """

    def __init__(
        self, specs: Iterable[ServiceSpec], environment: Mapping[str, str], logs: Path, echo: TextIO | None = sys.stderr
    ) -> None:
        self.specs = tuple(specs)
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._logs = logs
        self._echo = echo
        self._echo_lock = threading.Lock()
        self._running: list[_Running] = []

    def start(self) -> None:
        """Start all.

        Raises:
            ServiceUnavailable: a port is taken.
        """
        self.refuse_taken_ports()
        self._logs.mkdir(parents=True, exist_ok=True)
        for spec in self.specs:
            process = subprocess.Popen(
                [sys.executable, "-m", spec.module],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on
                preexec_fn=_end_with_parent,
            )
            self._running.append(_Running(spec, process))
        for running in self._running:
            thread = threading.Thread(target=self._copy_log, args=(running,), daemon=True)
            thread.start()
            running.threads.append(thread)

    def refuse_taken_ports(self) -> None:
        """Raise ServiceUnavailable when another program has a port of ours."""
        for spec in self.specs:
            refuse_taken(spec.name, spec.port)

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when `GET /ready` of every service answers 200.

        Raises:
            ServiceUnavailable: one ended, or is not ready in time; the message says which and why.
        """
        deadline = time.monotonic() + seconds
        with httpx.Client(timeout=5, trust_env=False) as client:
            for spec in self.specs:
                while not _is_ready(client, spec):
                    ended = self.ended()
                    if ended is not None:
                        raise ServiceUnavailable(self.obituary(*ended))
                    if time.monotonic() > deadline:
                        raise ServiceUnavailable(
                            f"{spec.name} is not ready after {seconds:g} seconds.",
                            hint=f"See {self._logs / spec.name}.log.",
                        )
                    time.sleep(_POLL_SECONDS)

    def ended(self) -> tuple[ServiceSpec, int] | None:
        """The first service that has ended, and its exit status."""
        for running in self._running:
            status = running.process.poll()
            if status is not None:
                return running.spec, status
        return None

    def obituary(self, spec: ServiceSpec, status: int) -> str:
        """Why a service ended, in words, with its last line."""
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        for running in self._running:
            if running.spec == spec:
                for thread in running.threads:
                    thread.join(timeout=2)
        with contextlib.suppress(OSError):
            lines = (self._logs / f"{spec.name}.log").read_text(errors="replace").strip().splitlines()
            return f"{spec.name} {how}. Its last lines:\n  " + "\n  ".join(lines[-5:])
        return f"{spec.name} {how}."

    def stop(self, grace: float) -> bool:
        """SIGTERM to all; what still lives after the grace period is killed. True when all ended in order."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace + _KILL_AFTER_GRACE_SECONDS
        is_orderly = True
        for running in self._running:
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                is_orderly = False
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()
            for thread in running.threads:
                thread.join(timeout=2)
        return is_orderly and all(running.process.returncode == 0 for running in self._running)

    def _copy_log(self, running: _Running) -> None:
        assert running.process.stdout is not None
        with (self._logs / f"{running.spec.name}.log").open("ab") as file, running.process.stdout as lines:
            for line in lines:
                file.write(line)
                file.flush()
                self._echo_line(running.spec.name, line)

    def _echo_line(self, name: str, line: bytes) -> None:
        if self._echo is None:
            return
        prefix = f"{name:<9} │ "
        if self._echo.isatty():
            prefix = f"\x1b[{_COLOURS.get(name, '37')}m{prefix}\x1b[0m"
        with self._echo_lock, contextlib.suppress(OSError, ValueError):
            self._echo.write(prefix + line.decode(errors="replace").rstrip("\n") + "\n")
            self._echo.flush()


def _end_with_parent() -> None:
    """Runs in the new process: when whoever started us is killed, we are told to stop, too."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def refuse_taken(name: str, port: int) -> None:
    """Raise ServiceUnavailable, naming the option, when another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServiceUnavailable(
                f"Port {port} for {name} is taken by another program.",
                hint=f"Stop it, or choose another with --{name}-port.",
            ) from error


def _is_ready(client: httpx.Client, spec: ServiceSpec) -> bool:
    try:
        return client.get(f"{spec.url}/ready").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
