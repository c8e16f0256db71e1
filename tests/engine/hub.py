"""A data folder with its database and definitions, and engine processes on it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from sqlalchemy import func, select

from shared.db.database import Database
from shared.db.executions import new_execution
from shared.db.models import (
    Artifact,
    Datasource,
    Delivery,
    DeliveryAttempt,
    DeliveryTask,
    Execution,
    Recipient,
    Report,
    Schedule,
)
from tests.services.databases import free_port
from tests.services.hub import ROOT, eventually

FAST = {"LEASE": "1.5", "HEARTBEAT": "0.3", "POLL": "0.1", "SHUTDOWN_GRACE": "3", "LOG_LEVEL": "warning"}
OPEN_STATES = ("QUEUED", "RUNNING", "DELIVERING")
RowT = TypeVar("RowT")


@dataclass
class Desk:
    """Writes definitions into a database as the configuration API would, and looks at what became of them."""

    database: Database
    data_dir: Path
    _count: int = field(default=0)

    @property
    def files(self) -> Path:
        """The folder that datasources and deliveries may name."""
        return self.data_dir / "files"

    def add(self, row: RowT) -> RowT:
        now = datetime.now(UTC)
        for name in ("created_at", "updated_at"):
            if hasattr(type(row), name) and getattr(row, name) is None:
                setattr(row, name, now)
        with self.database.scoped(1, is_write=True) as session:
            session.add(row)
        return row

    def name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix} {self._count} {os.getpid()}"

    def datasource(self, kind: str = "scripted", config: Mapping[str, Any] | None = None, **fields: Any) -> Datasource:
        return self.add(Datasource(name=self.name(kind), type=kind, connection_config=dict(config or {}), **fields))

    def sqlite(self, rows: int) -> Datasource:
        """A datasource with the table `sales`: id, name, amount."""
        path = self.files / f"{self.name('sales').replace(' ', '-')}.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE sales (id INTEGER PRIMARY KEY, name TEXT, amount DECIMAL(10, 2))")
            values = [(n, f"Höfn {n}", n / 4) for n in range(1, rows + 1)]
            connection.executemany("INSERT INTO sales VALUES (?, ?, ?)", values)
        connection.close()
        return self.datasource("sqlite", {"path": path.name})

    def report(self, datasource: Datasource, query: str | dict[str, Any], **fields: Any) -> Report:
        text = query if isinstance(query, str) else json.dumps(query)
        defaults = {"name": self.name("Report"), "formats": ["csv"], "file_name_template": "{report}"}
        return self.add(Report(datasource_id=datasource.id, query=text, **{**defaults, **fields}))

    def scripted(self, script: dict[str, Any] | None = None, **fields: Any) -> Report:
        return self.report(self.datasource(), script or {}, **fields)

    def delivery(self, report: Report, method: str = "flaky", config: Any = None, **fields: Any) -> Delivery:
        defaults = {"name": method, "retry_interval_minutes": 0}
        row = Delivery(config_id=report.id, method=method, delivery_config=config or {}, **{**defaults, **fields})
        return self.add(row)

    def folder(self, report: Report, name: str, **fields: Any) -> Path:
        """A delivery into a folder below `files`."""
        folder = self.files / name
        folder.mkdir()
        self.delivery(report, "local_folder", {"path": name}, **fields)
        return folder

    def flaky(self, report: Report, answers: Any, *recipients: str, **fields: Any) -> Path:
        """A delivery that fails on order; returns its log."""
        plan = self.data_dir / f"{self.name('plan').replace(' ', '-')}.json"
        plan.write_text(json.dumps(answers))
        delivery = self.delivery(report, "flaky_mail" if recipients else "flaky", {"plan": str(plan)}, **fields)
        for address in recipients:
            self.add(Recipient(delivery_id=delivery.id, address=address))
        return Path(f"{plan}.log")

    def schedule(self, report: Report, **fields: Any) -> Schedule:
        row = Schedule(config_id=report.id, name="daily", cron_expression="0 6 * * *", timezone="UTC", **fields)
        return self.add(row)

    def enqueue(self, report: Report, **fields: Any) -> str:
        now = datetime.now(UTC)
        given = {"trigger": "manual", "scheduled_for": now, "now": now, "request": {}, **fields}
        return self.add(new_execution(report, **given)).id

    def execution(self, execution_id: str) -> Execution:
        with self.database.reading() as session:
            return session.get_one(Execution, execution_id)

    def tasks(self, execution_id: str) -> Sequence[DeliveryTask]:
        with self.database.reading() as session:
            statement = select(DeliveryTask).where(DeliveryTask.execution_id == execution_id)
            return session.scalars(statement.order_by(DeliveryTask.id)).all()

    def attempts(self, execution_id: str) -> Sequence[DeliveryAttempt]:
        with self.database.reading() as session:
            statement = select(DeliveryAttempt).join(DeliveryTask, DeliveryTask.id == DeliveryAttempt.task_id)
            statement = statement.where(DeliveryTask.execution_id == execution_id)
            return session.scalars(statement.order_by(DeliveryAttempt.task_id, DeliveryAttempt.number)).all()

    def artifacts(self, execution_id: str) -> Sequence[Artifact]:
        with self.database.reading() as session:
            return session.scalars(select(Artifact).where(Artifact.execution_id == execution_id)).all()

    def count(self, model: Any, *conditions: Any) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0

    def stored_files(self) -> list[Path]:
        root = self.data_dir / "artifacts"
        return sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".probe"))

    def workspaces(self) -> list[Path]:
        return list((self.data_dir / "workspaces").glob("*"))


class EngineProcess:
    """`python -m execution_engine` on a desk's data folder."""

    def __init__(self, desk: Desk, plugin_path: str, **settings: str) -> None:
        self.desk = desk
        self.port = free_port()
        environment = {**os.environ, "PYTHONPATH": plugin_path}
        given = {**FAST, "DATA_DIR": str(desk.data_dir), "ENGINE_PORT": str(self.port), **settings}
        environment |= {f"REPORT_HUB_{name}": value for name, value in given.items()}
        environment["REPORT_HUB_DATABASE_URL"] = desk.database.engine.url.render_as_string(hide_password=False)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._log = desk.data_dir / f"engine-{self.port}.log"
        with self._log.open("w") as log:
            command = [sys.executable, "-m", "execution_engine"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=90, trust_env=False)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ready(self) -> EngineProcess:
        eventually(self._is_ready, 90)
        return self

    def execute(self, report: Report, *, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.post(f"/api/execute/{report.id}", json=body, headers=headers)

    def start(self, report: Report, **body: Any) -> str:
        """Ask for an execution; returns its id."""
        response = self.execute(report, **body)
        assert response.status_code == 202, response.text
        return str(response.json()["data"]["execution_id"])

    def story(self, execution_id: str) -> dict[str, Any]:
        response = self.client.get(f"/api/execution/{execution_id}")
        assert response.status_code == 200, response.text
        return dict(response.json()["data"])

    def ended(self, execution_id: str, seconds: float = 60) -> dict[str, Any]:
        """The story once the execution and its deliveries have ended."""
        eventually(lambda: self.story(execution_id)["state"] not in OPEN_STATES, seconds)
        return self.story(execution_id)

    def run(self, report: Report, **body: Any) -> dict[str, Any]:
        return self.ended(self.start(report, **body))

    def family(self) -> list[psutil.Process]:
        """The engine and all processes that it started."""
        engine = psutil.Process(self.process.pid)
        return [engine, *engine.children(recursive=True)]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(30)

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.terminate()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.client.get("/ready").is_success
        except httpx.HTTPError:
            return False
