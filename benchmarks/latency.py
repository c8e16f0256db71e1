"""A small report from request to delivered file, on idle services: what a person waits for."""

from __future__ import annotations

import os
import socket
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.client import ApiClient
from cli.launching import prepare
from shared.settings import load_settings

_RUNS = 30
_MOST_SECONDS = 0.3


def run() -> bool:
    """Print the figures; True when the median is under 0.3 seconds."""
    print("\nA 100-row report to CSV in a local folder, request to delivered (30 in a row, idle services, SQLite)")
    with tempfile.TemporaryDirectory() as folder, _services(Path(folder)) as client:
        config_id = _define(client, Path(folder))
        for _ in range(3):
            _seconds(client, config_id)
        seconds = sorted(_seconds(client, config_id) for _ in range(_RUNS))
    median, worst = statistics.median(seconds), seconds[-2]
    print(f"  median {median * 1000:.0f} ms, 29 of 30 under {worst * 1000:.0f} ms, slowest {seconds[-1] * 1000:.0f} ms")
    return median < _MOST_SECONDS


@contextmanager
def _services(folder: Path) -> Iterator[ApiClient]:
    ports = {f"REPORT_HUB_{name}_PORT": str(_free_port()) for name in ("CONFIG", "ENGINE", "SCHEDULER")}
    os.environ.update({"REPORT_HUB_DATA_DIR": str(folder), **ports})
    settings = load_settings()
    group = prepare(settings, is_quiet=True)
    group.start()
    try:
        group.wait_ready()
        with ApiClient(group.specs[0].url) as client:
            yield client
    finally:
        group.stop(5)


def _define(client: ApiClient, folder: Path) -> int:
    path = folder / "files" / "small.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sales (id INTEGER, name TEXT, amount DECIMAL(10,2), day DATE)")
        rows = [(n, f"Name {n}", n * 1.25, "2026-01-31") for n in range(100)]
        database.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", rows)
    database.close()
    source = {"name": "small", "type": "sqlite", "connection_config": {"path": str(path)}}
    datasource_id = client.call("POST", "/api/datasources", source)["id"]
    report = {"name": "small", "datasource_id": datasource_id, "query": "SELECT * FROM sales", "formats": ["csv"]}
    config_id = int(client.call("POST", "/api/reports", report)["id"])
    delivery = {
        "config_id": config_id,
        "name": "folder",
        "method": "local_folder",
        "delivery_config": {"path": str(folder / "files" / "out"), "create_folder": True},
    }
    client.call("POST", "/api/deliveries", delivery)
    return config_id


def _seconds(client: ApiClient, config_id: int) -> float:
    """From the row in the queue to the end of the delivery attempt, by the services' own clock."""
    accepted = client.call("POST", f"/api/reports/{config_id}/execute", {"wait_seconds": 30})
    story: dict[str, Any] = client.call("GET", f"/api/executions/{accepted['execution_id']}")
    while story["state"] == "DELIVERING":
        story = client.call("GET", f"/api/executions/{accepted['execution_id']}")
    assert story["state"] == "COMPLETED", story
    ended = story["deliveries"][0]["attempts"][-1]["finished_at"]
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(story["created_at"])).total_seconds()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
