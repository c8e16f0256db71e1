"""Rows from a server into a CSV file: seconds and memory of the worker, beside the server's own client."""

from __future__ import annotations

import ipaddress
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.tables import DATABASE, Server, server, table_name
from execution_engine.orders import ExecutionOrder, ExecutionResult, FormatOrder, Limits, SourceOrder
from execution_engine.worker import Worker
from execution_engine.workers import start_fork_server
from shared.network import NetworkPolicy
from shared.plugins import ReportInfo, load

SIZES = (100_000, 1_000_000)
_RUNS = 3
_MOST_MIB = 400
_MOST_GROWTH = 1.2


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    peak_mib: float


def run() -> bool:
    """Print the table; True when memory keeps its promise: under 400 MiB, and the same for ten times the rows."""
    start_fork_server()
    print("Export of 12 mixed columns to CSV (median of 3; memory is the highest peak of the worker)")
    print("  source             rows  seconds     rows/s  own client  ratio  peak MiB")
    kept = [_measure(kind) for kind in ("postgresql", "mysql")]  # both, even when the first is broken
    return all(kept)


def _measure(kind: str) -> bool:
    found = server(kind, SIZES)
    if isinstance(found, str):
        print(f"  {kind:<12} skipped: {found}")
        return True
    peaks = []
    for rows in SIZES:
        runs = [_export(found, rows) for _ in range(_RUNS)]
        client = [_client(found, rows) for _ in range(_RUNS)]
        seconds = statistics.median(run.seconds for run in runs)
        theirs = None if None in client else statistics.median(filter(None, client))
        peaks.append(max(run.peak_mib for run in runs))
        beside = "       none   none" if theirs is None else f"{theirs:>9.2f} s {seconds / theirs:>6.2f}"
        print(f"  {kind:<12} {rows:>10,} {seconds:>8.2f} {rows / seconds:>10,.0f} {beside} {peaks[-1]:>9.0f}")
    is_kept = peaks[-1] < _MOST_MIB and peaks[-1] <= peaks[0] * _MOST_GROWTH
    print(f"  {kind:<12} memory {'kept' if is_kept else 'BROKEN'}: × {peaks[-1] / peaks[0]:.2f} for × 10 rows")
    return is_kept


def _export(found: Server, rows: int) -> _Run:
    """One execution's work in a real worker process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker.start()
        try:
            started = time.perf_counter()
            result: ExecutionResult = worker.run(_order(found, rows, Path(folder)))
            seconds = time.perf_counter() - started
            assert result.row_count == rows
            return _Run(seconds, _peak_mib(worker.pid))
        finally:
            worker.close()


def _order(found: Server, rows: int, folder: Path) -> ExecutionOrder:
    now = datetime.now(UTC)
    network = NetworkPolicy((ipaddress.ip_network("127.0.0.0/8"),))
    return ExecutionOrder(
        source=SourceOrder(found.kind, load("connector", found.kind).config_model(**found.config)),
        query=f"SELECT * FROM {table_name(rows)}",
        params={},
        formats=(FormatOrder("csv", load("converter", "csv").config_model()),),
        info=ReportInfo(name="benchmark", scheduled_for=now, generated_at=now),
        workspace=folder,
        row_limit=None,
        on_cap="fail",
        limits=Limits(3600, 4096),
        network=network,
    )


def _peak_mib(pid: int | None) -> float:
    """The most memory that a process ever had; it counts what it shares with its siblings."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _client(found: Server, rows: int) -> float | None:
    """Seconds of `psql \\copy` or `mariadb --quick --batch` into a file; None when the client is not there."""
    url, table = found.url, table_name(rows)
    login = ["-h", str(url.host), "-u" if found.kind == "mysql" else "-U", str(url.username)]
    if found.kind == "postgresql":
        command = ["psql", *login, "-p", str(url.port), "-d", DATABASE, "-c", f"\\copy {table} to stdout csv header"]
    else:
        query = f"SELECT * FROM {table}"
        command = ["mariadb", *login, "-P", str(url.port), "--quick", "--batch", DATABASE, "-e", query]
    if shutil.which(command[0]) is None or url.password:
        return None
    with tempfile.TemporaryFile() as file:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=file)
        return time.perf_counter() - started
