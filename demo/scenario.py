"""`make demo`: real reports on real data, delivered, checked where they arrived, and one that comes by itself."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.client import ApiClient
from cli.launching import prepare, stop_on_signals, watch
from cli.service_group import ServiceGroup, refuse_taken
from demo.arrivals import problems_of
from demo.definitions import REPORTS
from demo.queries import QUERIES
from demo.setting_up import Defined, Place, define
from demo.staging import load_data, mail_server, services
from demo.telling import Teller
from shared.errors import ReportHubError
from shared.settings import PREFIX, Settings, load_settings
from shared.web.start import EX_CONFIG, print_problem

_OVER = ("COMPLETED", "PARTIAL", "FAILED", "CANCELLED", "SKIPPED")
_EXECUTION_SECONDS = 120.0
_SCHEDULE_SECONDS = 100.0
_LOOK_SECONDS = 0.25
"""How often the demo asks the API how far it is."""


@dataclass(frozen=True)
class _Stage:
    """Everything that the acts below need."""

    place: Place
    teller: Teller
    client: ApiClient
    stop: threading.Event


def run_demo(*, once: bool, mail_port: int) -> int:
    """Run the demo; with `once` end when everything was seen to arrive.

    Returns:
        0 when every expected file is where it belongs; 1 otherwise; 78 for settings that cannot be used.
    """
    started = time.monotonic()
    os.environ.setdefault(f"{PREFIX}ALLOWED_NETWORKS", "127.0.0.1/32")  # the local mail server
    try:
        settings = load_settings()
        group = prepare(settings, is_quiet=True)
    except ReportHubError as error:
        print_problem(error)
        return EX_CONFIG
    stop = stop_on_signals()
    teller = Teller(settings)
    try:
        group.refuse_taken_ports()
        refuse_taken("mail", mail_port)  # else the mails would go to whoever listens there
        place = load_data(settings, teller, mail_port)
        with (
            mail_server(place, settings),
            services(group, settings, teller),
            ApiClient(group.specs[0].url, _key(settings)) as client,
        ):
            return _play(_Stage(place, teller, client, stop), group, started, once=once)
    except ReportHubError as error:
        print_problem(error)
        return 1


def _play(stage: _Stage, group: ServiceGroup, started: float, *, once: bool) -> int:
    begun = time.monotonic()
    defined = define(stage.client, stage.place)
    counts = f"{len(defined.reports)} reports, {len(defined.schedules)} schedules, {defined.delivery_count} deliveries"
    stage.teller.done("Reports", counts, begun)
    problems = _execute_all(stage, defined)
    if once:
        problems += _wait_for_schedule(stage, defined)
        stage.teller.verdict(problems, started)
        return 1 if problems else 0
    stage.teller.ready(group, stage.place, _next_time(stage, defined), started)
    follower = threading.Thread(target=_tell_arrivals, args=(stage, defined), daemon=True)
    follower.start()
    status = watch(group, stage.stop)
    stage.stop.set()
    follower.join(timeout=5)
    return status


def _execute_all(stage: _Stage, defined: Defined) -> list[str]:
    """Execute at once what is marked so, side by side; tell each as it ends."""
    stage.teller.heading("Executed now:")
    chosen = [report for report in REPORTS if report.is_executed]
    asked = {
        report.query: stage.client.call("POST", f"/api/reports/{defined.reports[report.query]}/execute", {})
        for report in chosen
    }
    problems: list[str] = []
    for key, accepted in asked.items():
        story = _ended(stage, accepted["execution_id"], _EXECUTION_SECONDS)
        stage.teller.execution(story)
        expected = QUERIES[key].expected_rows(story["parameters"])
        problems += problems_of(story, stage.place.share, stage.place.mailbox, expected)
    return problems


def _wait_for_schedule(stage: _Stage, defined: Defined) -> list[str]:
    """The report of every minute comes by itself."""
    stage.teller.heading("Waiting for the schedule of every minute:")
    begun = datetime.now(UTC)
    deadline = time.monotonic() + _SCHEDULE_SECONDS
    while time.monotonic() < deadline and not stage.stop.is_set():
        for item in _scheduled(stage, defined):
            if datetime.fromisoformat(item["scheduled_for"]) >= begun - timedelta(minutes=1):
                story = _ended(stage, item["execution_id"], _EXECUTION_SECONDS)
                if story["status"] == "SKIPPED":
                    continue
                stage.teller.execution(story)
                expected = QUERIES["stock_below"].expected_rows(story["parameters"])
                return problems_of(story, stage.place.share, stage.place.mailbox, expected)
        stage.stop.wait(_LOOK_SECONDS)
    return ["The scheduled report did not come by itself."]


def _scheduled(stage: _Stage, defined: Defined) -> list[dict[str, Any]]:
    query = {"config_id": defined.reports["stock_below"], "trigger": "schedule", "limit": 5}
    items: list[dict[str, Any]] = stage.client.call("GET", "/api/executions", query=query)["items"]
    return items


def _tell_arrivals(stage: _Stage, defined: Defined) -> None:
    """While people look around: a line for each execution that the schedule of every minute brings."""
    told: set[str] = set()
    while not stage.stop.wait(1):
        try:
            for item in reversed(_scheduled(stage, defined)):
                if item["state"] in _OVER and item["execution_id"] not in told:
                    told.add(item["execution_id"])
                    stage.teller.arrival(item)
        except ReportHubError:
            continue  # it is stopping, or busy; the next look tells it


def _ended(stage: _Stage, execution_id: str, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        story: dict[str, Any] = stage.client.call("GET", f"/api/executions/{execution_id}")
        if story["state"] in _OVER or time.monotonic() > deadline or stage.stop.is_set():
            return story
        time.sleep(_LOOK_SECONDS)


def _next_time(stage: _Stage, defined: Defined) -> datetime | None:
    schedule = stage.client.call("GET", f"/api/schedules/{defined.schedules['stock_below', 'Every minute']}")
    return None if schedule["next_run_at"] is None else datetime.fromisoformat(schedule["next_run_at"])


def _key(settings: Settings) -> str | None:
    return None if settings.bootstrap_api_key is None else settings.bootstrap_api_key.get_secret_value()
