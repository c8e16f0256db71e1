"""Rows from a server into a CSV file: seconds and memory of the worker, beside the server's own client."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.tables import DATABASE, Server, server, table_name

SIZES = (100_000, 1_000_000)
_RUNS = 3
_MOST_MIB = 400
_MOST_GROWTH = 1.2


def run() -> bool:
    """Print the table; True when memory keeps its promise: under 400 MiB, and the same for ten times the rows."""
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
        assert all(item["rows"] == rows for item in runs)
        seconds = statistics.median(item["seconds"] for item in runs)
        theirs = None if None in client else statistics.median(filter(None, client))
        peaks.append(max(item["peak_mib"] for item in runs))
        beside = "       none   none" if theirs is None else f"{theirs:>9.2f} s {seconds / theirs:>6.2f}"
        print(f"  {kind:<12} {rows:>10,} {seconds:>8.2f} {rows / seconds:>10,.0f} {beside} {peaks[-1]:>9.0f}")
    is_kept = peaks[-1] < _MOST_MIB and peaks[-1] <= peaks[0] * _MOST_GROWTH
    print(f"  {kind:<12} memory {'kept' if is_kept else 'BROKEN'}: × {peaks[-1] / peaks[0]:.2f} for × 10 rows")
    return is_kept


def _export(found: Server, rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        order = {
            "kind": found.kind,
            "config": found.config,
            "query": f"SELECT * FROM {table_name(rows)}",
            "formats": ["csv"],
            "folder": folder,
        }
        path = Path(folder) / "order.json"
        path.write_text(json.dumps(order))
        command = [sys.executable, "-m", "benchmarks.one_export", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        measured: dict[str, Any] = json.loads(done.stdout)
        return measured


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
