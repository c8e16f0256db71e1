"""Secrets go in and never come out: not in answers, not in the audit log, not in the database, not in the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from shared.db.models import Datasource, Delivery
from shared.stored_config import unseal
from tests.api.hub import Hub, fields, server_body

SECRET = "S3cr3t-Zx81"
MASK = "********"


@pytest.fixture
def warehouse(hub: Hub) -> dict[str, Any]:
    return hub.server(password=SECRET)


def stored_secret(hub: Hub, datasource_id: int) -> str | None:
    """As the engine would use it."""
    from shared.plugins import load

    with hub.context.database.reading() as session:
        row = session.get_one(Datasource, datasource_id)
        config = unseal(
            load("connector", row.type),
            row.connection_config,
            row.secrets,
            vault=hub.context.vault,
            place=f"{row.tenant_id}/{Datasource.__tablename__}",
        )
    return None if config.password is None else str(config.password.get_secret_value())  # type: ignore[attr-defined]


class TestShownAndKept:
    def test_a_secret_is_shown_as_eight_asterisks(self, hub: Hub, warehouse: dict[str, Any]) -> None:
        assert warehouse["connection_config"]["password"] == MASK
        assert hub.get("/api/datasources")["items"][0]["connection_config"]["password"] == MASK
        assert stored_secret(hub, warehouse["id"]) == SECRET

    @pytest.mark.parametrize("password", [{"password": MASK}, {}], ids=["masked", "left out"])
    def test_replacing_with_the_mask_or_without_it_keeps_it(
        self, hub: Hub, warehouse: dict[str, Any], password: dict[str, str]
    ) -> None:
        config = server_body()["connection_config"] | {"database": "stock"}
        del config["password"]
        body = {"name": "W", "type": "postgresql", "connection_config": config | password}
        assert hub.put(f"/api/datasources/{warehouse['id']}", body)["connection_config"]["password"] == MASK
        assert stored_secret(hub, warehouse["id"]) == SECRET

    def test_changing_another_field_keeps_it(self, hub: Hub, warehouse: dict[str, Any]) -> None:
        hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": {"username": "other"}})
        hub.patch(f"/api/datasources/{warehouse['id']}", {"description": "new"})
        assert stored_secret(hub, warehouse["id"]) == SECRET

    def test_what_was_shown_can_be_sent_back(self, hub: Hub, warehouse: dict[str, Any]) -> None:
        body = {name: warehouse[name] for name in ("name", "type", "connection_config", "description", "is_active")}
        hub.put(f"/api/datasources/{warehouse['id']}", body)
        assert stored_secret(hub, warehouse["id"]) == SECRET

    def test_a_new_one_replaces_it(self, hub: Hub, warehouse: dict[str, Any]) -> None:
        hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": {"password": "new one"}})
        assert stored_secret(hub, warehouse["id"]) == "new one"

    def test_null_removes_it(self, hub: Hub, warehouse: dict[str, Any]) -> None:
        changed = hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": {"password": None}})
        assert "password" not in changed["connection_config"]
        assert stored_secret(hub, warehouse["id"]) is None

    def test_asterisks_that_stand_for_nothing_are_refused(self, hub: Hub) -> None:
        problem = hub.post("/api/datasources", {"name": "x"} | server_body(password=MASK), status=422)
        assert fields(problem) == ["connection_config.password"]

    def test_secrets_inside_a_dict_are_masked_whole(self, hub: Hub) -> None:
        report = hub.report()
        config = {"url": "https://example.com/hook", "headers": {"X-Token": SECRET}}
        hook = hub.delivery(report["id"], method="webhook", delivery_config=config)
        assert hook["delivery_config"] == {"url": "https://example.com/hook", "headers": MASK}
        changed = hub.patch(f"/api/deliveries/{hook['id']}", {"max_retry": 9})
        assert changed["delivery_config"]["headers"] == MASK
        wrong = {"delivery_config": {"headers": {"X-Token": MASK}}}
        assert fields(hub.patch(f"/api/deliveries/{hook['id']}", wrong, status=422)) == ["delivery_config.headers"]


class TestMoved:
    """A stored password must not be sent to a server that somebody else names."""

    @pytest.mark.parametrize("place", [{"host": "evil.example.com"}, {"port": 5433}])
    @pytest.mark.parametrize("password", [{}, {"password": MASK}])
    def test_another_host_or_port_needs_the_password_again(
        self, hub: Hub, warehouse: dict[str, Any], place: dict[str, Any], password: dict[str, str]
    ) -> None:
        changes = {"connection_config": place | password}
        problem = hub.patch(f"/api/datasources/{warehouse['id']}", changes, status=422)
        assert fields(problem) == ["connection_config.password"]
        assert "must be sent again" in problem["message"]
        hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": place | {"password": SECRET}})

    @pytest.mark.parametrize("password", [{}, {"password": MASK}])
    def test_another_type_needs_the_password_again(
        self, hub: Hub, warehouse: dict[str, Any], password: dict[str, str]
    ) -> None:
        config = {"host": "db.example.com", "database": "sales", "username": "reports", **password}
        body = {"name": "W", "type": "mysql", "connection_config": config}
        assert fields(hub.put(f"/api/datasources/{warehouse['id']}", body, status=422)) == [
            "connection_config.password"
        ]
        body["connection_config"] = config | {"password": None}
        hub.put(f"/api/datasources/{warehouse['id']}", body)

    def test_naming_the_default_port_moves_nothing(self, hub: Hub, warehouse: dict[str, Any]) -> None:
        hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": {"port": 5432}})
        assert stored_secret(hub, warehouse["id"]) == SECRET

    def test_another_address_of_a_webhook_needs_its_headers_again(self, hub: Hub) -> None:
        report = hub.report()
        config = {"url": "https://example.com/hook", "headers": {"X-Token": SECRET}}
        hook = hub.delivery(report["id"], method="webhook", delivery_config=config)
        moved = {"delivery_config": {"url": "https://evil.example.com/hook"}}
        assert fields(hub.patch(f"/api/deliveries/{hook['id']}", moved, status=422)) == ["delivery_config.headers"]


class TestReferences:
    def test_a_reference_is_kept_as_it_is_and_followed_when_used(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = hub.server(password="env:REPORT_HUB_SECRET_PG")
        monkeypatch.setenv("REPORT_HUB_SECRET_PG", SECRET)
        assert made["connection_config"]["password"] == MASK
        assert stored_secret(hub, made["id"]) == SECRET

    @pytest.mark.parametrize(
        "reference", ["env:PATH", "env:REPORT_HUB_SECRET_KEY; x", "env:REPORT_HUB_BOOTSTRAP_API_KEY"]
    )
    def test_a_reference_to_any_other_variable_is_refused(self, hub: Hub, reference: str) -> None:
        problem = hub.post("/api/datasources", {"name": "x"} | server_body(password=reference), status=422)
        assert fields(problem) == ["connection_config.password"]

    def test_references_inside_a_dict_are_checked_and_followed(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        from shared.plugins import load

        report = hub.report()
        config = {"url": "https://example.com/hook", "headers": {"X-Token": "env:REPORT_HUB_SECRET_HOOK"}}
        hub.delivery(report["id"], method="webhook", delivery_config=config)
        monkeypatch.setenv("REPORT_HUB_SECRET_HOOK", SECRET)
        with hub.context.database.reading() as session:
            row = session.get_one(Delivery, 1)
            place = f"{row.tenant_id}/{Delivery.__tablename__}"
            used = unseal(
                load("deliverer", "webhook"), row.delivery_config, row.secrets, vault=hub.context.vault, place=place
            )
        assert used.headers["X-Token"].get_secret_value() == SECRET  # type: ignore[attr-defined]
        config["headers"]["X-Token"] = "env:HOME"
        body = {"config_id": report["id"], "name": "x", "method": "webhook", "delivery_config": config}
        assert fields(hub.post("/api/deliveries", body, status=422)) == ["delivery_config.headers"]


class TestNowhere:
    """A known secret is sent rightly and wrongly; then everything that can be read is searched."""

    WRONG: tuple[dict[str, Any], ...] = (
        {"passwrd": SECRET},
        {"port": SECRET},
        {"password": [SECRET]},
        {"password": {"value": SECRET}},
        {"tls": SECRET},
        {"host": f"db.example.com:{SECRET}@evil"},
        {"password": f"env:{SECRET}"},
    )

    def test_no_answer_no_row_and_no_log_line_has_it(self, hub: Hub) -> None:
        seen: list[str] = []

        def send(method: str, path: str, body: Any = None, **options: Any) -> None:
            seen.append(hub.send(method, path, body, **options).text)

        with structlog.testing.capture_logs() as logged:
            for position, wrong in enumerate(self.WRONG):
                body = {"name": f"wrong {position}"} | server_body(**wrong)
                send("POST", "/api/datasources", body)
            send("POST", "/api/datasources", {"name": "right"} | server_body(password=SECRET))
            for config in ({"password": SECRET + "2"}, {"database": "x"}, {"port": SECRET}, {"host": "h2"}):
                send("PATCH", "/api/datasources/1", {"connection_config": config})
            send("PATCH", "/api/datasources/1", {"is_active": SECRET})
            send("PUT", "/api/datasources/1", {"password": SECRET})
            send(
                "POST",
                "/api/datasources",
                content=f'{{"password": "{SECRET}"',
                headers={"content-type": "application/json"},
            )
            send("POST", "/api/datasources", content=f"password={SECRET}")
            report = hub.report(hub.datasource()["id"])
            for config in ({"password": SECRET}, {"password": SECRET, "username": "u"}):
                mail = {"host": "mail.example.com", "from_address": "a@example.com"} | config
                send(
                    "POST",
                    "/api/deliveries",
                    {"config_id": report["id"], "name": "m", "method": "email", "delivery_config": mail},
                )
            for path in ("/api/datasources", "/api/datasources/1", "/api/deliveries", "/api/audit?limit=200"):
                send("GET", path)
            send("DELETE", "/api/datasources/1")
            send("GET", "/api/audit?limit=200")
        assert any('"right"' in answer for answer in seen), "the right one was refused"
        assert [answer for answer in seen if SECRET in answer] == []
        assert SECRET not in json.dumps(logged, default=repr)
        assert SECRET not in self._dump(hub)

    @staticmethod
    def _dump(hub: Hub) -> str:
        with hub.context.database.engine.connect() as connection:
            tables = connection.execute(text("SELECT name FROM sqlite_schema WHERE type = 'table'")).scalars().all()
            rows = [str(row) for name in tables for row in connection.execute(text(f'SELECT * FROM "{name}"'))]
        files = [path.read_bytes().decode("latin-1") for path in hub.settings.data_dir.glob("report_hub*")]
        assert len(rows) > 10
        return "\n".join([*rows, *files])


def test_a_secret_that_was_copied_to_another_place_does_not_open(hub: Hub, warehouse: dict[str, Any]) -> None:
    from shared.errors import ServiceUnavailable

    with hub.context.database.transaction() as session:
        row = session.get_one(Datasource, warehouse["id"])
        row.tenant_id = 2
    with pytest.raises(ServiceUnavailable):
        stored_secret(hub, warehouse["id"])


def test_a_secret_can_be_sent_again_when_the_key_is_lost(hub: Hub, warehouse: dict[str, Any]) -> None:
    with hub.context.database.transaction() as session:
        row = session.get_one(Datasource, warehouse["id"])
        row.secrets = {"password": row.secrets["password"].replace("v1.", "v1.x", 1)}
    problem = hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": {"database": "x"}}, status=503)
    assert "save it again" in problem["hint"]
    hub.patch(f"/api/datasources/{warehouse['id']}", {"connection_config": {"password": "new one"}})
    assert stored_secret(hub, warehouse["id"]) == "new one"
