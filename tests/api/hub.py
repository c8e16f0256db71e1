"""The configuration API in this process, with a real database and short words for what tests do all the time."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from config_api.app import build_app
from shared.settings import PREFIX, Settings, load_settings
from shared.web import ServiceContext

NO_ENGINE = "http://127.0.0.1:9"
LOOPBACK = ("127.0.0.1", 50_000)
ERROR_KEYS = {"status", "message", "error", "hint", "details", "request_id"}


class Hub:
    """Every answer is checked: the envelope, the request id, and no 5xx that the test did not ask for."""

    def __init__(self, settings: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.settings = own_settings({"engine_url": NO_ENGINE} | dict(settings))
        self.files = self.settings.folders[0]
        self.files.mkdir(parents=True, exist_ok=True)
        self.context = ServiceContext.open("config_api", self.settings)
        self.app = build_app(self.context)
        self.client = self.visitor(headers)

    def visitor(self, headers: Mapping[str, str] | None = None, address: tuple[str, int] = LOOPBACK) -> TestClient:
        """A client with other credentials, or from another place."""
        return TestClient(self.app, base_url="http://127.0.0.1", client=address, headers=dict(headers or {}))

    def start_again(self, migrated: Path) -> None:
        """An empty database and no files; making an application takes longer than most tests."""
        self.context.database.close()
        shutil.rmtree(self.settings.data_dir, ignore_errors=True)
        self.settings.data_dir.mkdir(parents=True)
        self.files.mkdir(parents=True, exist_ok=True)
        shutil.copy(migrated, self.settings.data_dir / "report_hub.sqlite")

    def close(self) -> None:
        self.client.close()
        self.context.database.close()

    def send(
        self, method: str, path: str, body: Any = None, *, client: TestClient | None = None, **options: Any
    ) -> httpx2.Response:
        if body is not None:
            options["json"] = body
        response = (client or self.client).request(method, path, follow_redirects=False, **options)
        check_form(response)
        return response

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **options: Any) -> Any:
        """`data` of a good answer, or the whole of a refusal; `status` must be it."""
        response = self.send(method, path, body, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        answer = response.json()
        return answer["data"] if response.is_success else answer

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, *, status: int = 201, **options: Any) -> Any:
        return self.call("POST", path, body, status=status, **options)

    def put(self, path: str, body: Any, **options: Any) -> Any:
        return self.call("PUT", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.call("DELETE", path, **options)

    def datasource(self, name: str = "Shop", **changes: Any) -> dict[str, Any]:
        """A SQLite file with 30 orders."""
        body = {"name": name, "type": "sqlite", "connection_config": {"path": "shop.sqlite"}}
        make_shop(str(self.files / "shop.sqlite"))
        return dict(self.post("/api/datasources", body | changes))

    def server(self, name: str = "Warehouse", **config: Any) -> dict[str, Any]:
        """A datasource on a server that is never reached."""
        return dict(self.post("/api/datasources", {"name": name} | server_body(**config)))

    def report(self, datasource_id: int | None = None, name: str = "Orders", **changes: Any) -> dict[str, Any]:
        if datasource_id is None:
            found = self.get("/api/datasources?limit=1")["items"]
            datasource_id = found[0]["id"] if found else self.datasource()["id"]
        body = {"name": name, "datasource_id": datasource_id, "query": "SELECT id, customer, amount FROM orders"}
        return dict(self.post("/api/reports", body | changes))

    def delivery(self, config_id: int, name: str = "Folder", **changes: Any) -> dict[str, Any]:
        (self.files / "out").mkdir(exist_ok=True)
        body = {"config_id": config_id, "name": name, "method": "local_folder", "delivery_config": {"path": "out"}}
        return dict(self.post("/api/deliveries", body | changes))

    def mail(self, config_id: int, name: str = "Mail", **config: Any) -> dict[str, Any]:
        settings = {"host": "mail.example.com", "from_address": "reports@example.com"} | config
        return self.delivery(config_id, name, method="email", delivery_config=settings)

    def recipient(self, delivery_id: int, address: str = "bob@example.com", **changes: Any) -> dict[str, Any]:
        return dict(self.post("/api/recipients", {"delivery_id": delivery_id, "address": address} | changes))

    def schedule(self, config_id: int, name: str = "Daily", **changes: Any) -> dict[str, Any]:
        body = {"config_id": config_id, "name": name, "cron_expression": "0 7 * * *"}
        return dict(self.post("/api/schedules", body | changes))

    def everything(self) -> dict[str, dict[str, Any]]:
        """One of each kind of definition, by its path."""
        datasource = self.datasource()
        report = self.report(datasource["id"])
        mail = self.mail(report["id"])
        return {
            "/api/datasources": datasource,
            "/api/reports": report,
            "/api/deliveries": mail,
            "/api/recipients": self.recipient(mail["id"]),
            "/api/schedules": self.schedule(report["id"]),
        }


def own_settings(settings: Mapping[str, Any]) -> Settings:
    """These settings, whatever the developer's environment and `.env` say."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        patch.setitem(Settings.model_config, "env_file", None)
        return load_settings(settings)


def server_body(**config: Any) -> dict[str, Any]:
    """Type and configuration of a PostgreSQL datasource."""
    settings = {"host": "db.example.com", "database": "sales", "username": "reports", "password": "first secret"}
    return {"type": "postgresql", "connection_config": settings | config}


def fields(problem: Mapping[str, Any]) -> list[str]:
    """The paths that a refusal names."""
    return [detail["field"] for detail in problem["details"]]


def check_form(response: httpx2.Response) -> None:
    assert response.headers["x-request-id"], response.headers
    if response.is_success or response.is_redirect:
        return
    answer = response.json()
    assert answer.keys() >= ERROR_KEYS, answer
    assert (answer["status"], answer["request_id"]) == ("error", response.headers["x-request-id"])
    assert answer["message"], answer
    assert response.status_code != 500, answer


def make_shop(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, amount DECIMAL(12, 2))"
        )
        rows = [(number, f"Kundin {number} ä€", f"{number}.50") for number in range(1, 31)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    connection.close()
