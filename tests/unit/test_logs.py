"""Logs: one line of JSON for each event, with the ids that belong to it and without secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from shared.logs import configure_logs, get_logger
from shared.settings import Settings

Lines = Callable[[], list[dict[str, Any]]]
Configured = Callable[..., io.StringIO]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configured]:
    """Configures the logs; what they write is in the answer. The test runner's own logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def configure(**settings: str) -> io.StringIO:
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        configure_logs("scheduler", Settings(**settings))
        return written

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(configured: Configured) -> Lines:
    written = configured(log_format="json")
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_ids(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1", execution_id="e-1"):
        get_logger().info("execution claimed", attempt=2, name="Umsätze\nzweite Zeile")
    get_logger().info("outside")
    inside, outside = lines()
    known = {"event", "level", "service", "version", "request_id", "execution_id", "attempt", "name", "ts"}
    assert set(inside) == known
    assert (inside["event"], inside["level"], inside["service"]) == ("execution claimed", "info", "scheduler")
    assert (inside["request_id"], inside["execution_id"], inside["attempt"]) == ("r-1", "e-1", 2)
    assert inside["ts"].endswith("Z")
    assert "request_id" not in outside


def test_lines_of_libraries_have_the_same_form_and_ids(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-2"):
        logging.getLogger("some.library").warning("pool of %s is full", "hub")
    (line,) = lines()
    assert (line["event"], line["level"], line["request_id"]) == ("pool of hub is full", "warning", "r-2")


def test_secrets_are_masked_wherever_they_stand(lines: Lines) -> None:
    log = get_logger()
    log.info("connecting", url="mysql://hub:geheim@db/hub", password="geheim", config={"token": "geheim", "port": 1})
    log.info("header Authorization: Bearer geheim0geheim1")
    logging.getLogger("driver").error("cannot log in with password='geheim' as %s", "hub")
    try:
        raise ValueError("postgresql://hub:geheim@db/hub refused")
    except ValueError as error:
        log.warning("failed", exc_info=error)
    written = lines()
    assert len(written) == 4
    assert "geheim" not in json.dumps(written)
    assert "mysql://hub:********@db/hub" in written[0]["url"]
    assert "ValueError" in written[3]["exception"]


def test_what_is_no_json_is_written_all_the_same(lines: Lines) -> None:
    get_logger().info("odd", value=object(), data=b"\xff", more={"inner": {1, 2}}, error=ValueError("no"))
    (line,) = lines()
    assert line["event"] == "odd"


def test_the_level_is_that_of_the_settings(configured: Configured) -> None:
    stderr = configured(log_format="json", log_level="warning")
    get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in stderr.getvalue().splitlines()] == ["loud"]


def test_chatter_of_libraries_is_left_out(lines: Lines) -> None:
    for name in ("apscheduler.scheduler", "httpx", "uvicorn.access", "alembic.runtime"):
        logging.getLogger(name).info("chatter")
    assert lines() == []


def test_for_people_it_is_text(configured: Configured) -> None:
    stderr = configured(log_format="text")
    get_logger().info("slots fired", executions=3, password="geheim")
    written = stderr.getvalue()
    assert "slots fired" in written
    assert "geheim" not in written
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(written)
