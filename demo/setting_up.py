"""Brings the demo's definitions into a running Report Hub, through its API like everybody else; may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.client import ApiClient
from demo.definitions import REPORTS, DemoDelivery, DemoReport, datasources
from demo.queries import QUERIES


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo's data is and its deliveries go."""

    data: Path
    share: Path
    mailbox: Path
    mail_port: int


@dataclass(frozen=True, slots=True)
class Defined:
    """Ids of what was defined, by query key (reports) and by report and schedule name."""

    reports: Mapping[str, int]
    schedules: Mapping[tuple[str, str], int]
    delivery_count: int


def define(client: ApiClient, place: Place) -> Defined:
    """Create what is missing, and set back what was changed."""
    sources = {key: _ensured(client, "datasources", body) for key, body in datasources(place.data).items()}
    reports, schedules, delivery_count = {}, {}, 0
    for report in REPORTS:
        config_id = _ensured(client, "reports", _report_body(report, sources))
        reports[report.query] = config_id
        for delivery in report.deliveries:
            _ensure_delivery(client, config_id, delivery, place)
            delivery_count += 1
        for schedule in report.schedules:
            body = {
                "config_id": config_id,
                "name": schedule.name,
                "cron_expression": schedule.cron_expression,
                "timezone": schedule.timezone,
            }
            schedules[report.query, schedule.name] = _ensured(client, "schedules", body)
    return Defined(reports, schedules, delivery_count)


def _report_body(report: DemoReport, sources: Mapping[str, int]) -> dict[str, Any]:
    query = QUERIES[report.query]
    return {
        "name": query.name,
        "description": query.description,
        "datasource_id": sources[query.source],
        "query": query.sql,
        "parameters": [dict(parameter) for parameter in query.parameters],
        "formats": list(report.formats),
        "format_options": {name: dict(options) for name, options in report.format_options.items()},
        "file_name_template": report.file_name,
        "tags": list(report.tags),
    }


def _ensure_delivery(client: ApiClient, config_id: int, delivery: DemoDelivery, place: Place) -> None:
    common: dict[str, dict[str, Any]] = {
        "local_folder": {"path": str(place.share), "create_folder": True},
        "email": {"host": "127.0.0.1", "port": place.mail_port, "tls": "none", "from_address": "reports@shop.example"},
    }
    body = {
        "config_id": config_id,
        "name": delivery.name,
        "method": delivery.method,
        "delivery_config": {**common[delivery.method], **delivery.config},
        "condition": delivery.condition,
    }
    delivery_id = _ensured(client, "deliveries", body)
    for name, address in delivery.recipients:
        _ensured(client, "recipients", {"delivery_id": delivery_id, "name": name, "address": address})


def _ensured(client: ApiClient, collection: str, body: dict[str, Any]) -> int:
    """The id of the definition with this name (of the same report or delivery), made or set back to `body`."""
    owner = next((name for name in ("config_id", "delivery_id") if name in body), None)
    query = {"limit": 200} | ({owner: body[owner]} if owner else {"name": body["name"]})
    for item in client.call("GET", f"/api/{collection}", query=query)["items"]:
        if item["name"] == body["name"]:
            client.call("PATCH", f"/api/{collection}/{item['id']}", body)
            return int(item["id"])
    return int(client.call("POST", f"/api/{collection}", body)["id"])
