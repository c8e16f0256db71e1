"""Commands that ask a running Report Hub: execute, executions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from cli.client import ApiClient
from cli.output import human_size, out, print_json, print_table, row_count
from shared.errors import FieldProblem, InvalidInput

_OVER = ("COMPLETED", "PARTIAL", "FAILED", "CANCELLED", "SKIPPED", "HELD")
_LOOK_SECONDS = 0.3


def parameters_of(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` pairs. Raises InvalidInput."""
    for pair in pairs:
        if "=" not in pair:
            message = "must have the form name=value"
            raise InvalidInput(f"A parameter {message}.", details=[FieldProblem("--param", message)])
    return dict(pair.split("=", 1) for pair in pairs)


def execute(client: ApiClient, report: str, body: dict[str, Any], *, wait: float | None, as_json: bool) -> bool:
    """Ask for an execution; with `wait` follow it that many seconds. False when it is known to have failed."""
    config_id = client.id_of("reports", report)
    accepted = client.call("POST", f"/api/reports/{config_id}/execute", body)
    if wait is None:
        if as_json:
            print_json(accepted)
        else:
            out.print(f"Accepted: execution {accepted['execution_id']}", markup=False)
        return True
    story = _followed(client, accepted["execution_id"], wait)
    if as_json:
        print_json(story)
    else:
        print_story(story)
    return bool(story["state"] == "COMPLETED")


def show_execution(client: ApiClient, execution_id: str, *, as_json: bool) -> None:
    story = client.call("GET", f"/api/executions/{execution_id}")
    if as_json:
        print_json(story)
    else:
        print_story(story)


def list_executions(client: ApiClient, query: dict[str, Any], *, as_json: bool) -> None:
    page = client.call("GET", "/api/executions", query=query)
    if as_json:
        print_json(page)
        return
    rows = [
        (
            item["execution_id"],
            item["report_name"],
            item["state"],
            item["trigger"],
            item["scheduled_for"],
            "" if item["row_count"] is None else f"{item['row_count']:,}",
            (item["error"] or {}).get("message", ""),
        )
        for item in page["items"]
    ]
    print_table(("execution", "report", "state", "trigger", "scheduled for", "rows", "why"), rows)


def print_story(story: dict[str, Any]) -> None:
    """One execution for people: state, files, deliveries."""
    rows = "" if story["row_count"] is None else f"   {row_count(story['row_count'])}, {story['completeness'].lower()}"
    out.print(f"{story['report_name']}   {story['state']}{rows}", markup=False, highlight=False)
    if story["error"]:
        out.print(f"  {story['error']['message']}", markup=False, highlight=False)
        if story["error"].get("hint"):
            out.print(f"  {story['error']['hint']}", markup=False, highlight=False)
    for file in story["artifacts"]:
        out.print(f"  {file['file_name']}   {human_size(file['size'])}   {file['sha256'][:12]}", highlight=False)
    for task in story["deliveries"]:
        says = task["message"] or ""
        out.print(f"  {task['method']} {task['recipient']}   {task['status']}   {says}", markup=False, highlight=False)


def _followed(client: ApiClient, execution_id: str, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        story: dict[str, Any] = client.call("GET", f"/api/executions/{execution_id}")
        if story["state"] in _OVER or time.monotonic() >= deadline:
            return story
        time.sleep(_LOOK_SECONDS)
