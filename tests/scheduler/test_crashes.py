"""A scheduler that is killed at the worst moment loses nothing and doubles nothing: real processes, real kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime

import pytest

from shared.db.database import Database
from tests.scheduler.desk import SEVEN, add_report, add_schedules, at, audit, executions, schedule_of
from tests.services.hub_databases import url_of

TICK = """
import sys
from datetime import datetime
from scheduler.slots import SlotMaker
from shared.clock import ManualClock
from shared.db.database import Database
SlotMaker(Database(sys.argv[1]), ManualClock(datetime.fromisoformat(sys.argv[2])), "scheduler:killed", 3).tick()
"""


def tick(database: Database, moment: datetime, crash_at: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "REPORT_HUB_CRASH_AT": crash_at}
    command = [sys.executable, "-c", TICK, url_of(database), moment.isoformat()]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("point", "written_before"), [("slots_made", 0), ("slots_committed", 200)])
def test_a_kill_loses_and_doubles_nothing(hub_database: Database, point: str, written_before: int) -> None:
    add_schedules(hub_database, add_report(hub_database), 250)
    killed = tick(hub_database, SEVEN, point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(executions(hub_database)) == written_before
    assert len(audit(hub_database, "schedule.fired")) == written_before
    restarted = at(hub_database, SEVEN)
    assert sum(len(fired.execution_ids) for fired in restarted) == 250 - written_before
    rows = executions(hub_database)
    assert len(rows) == len({row.schedule_id for row in rows}) == 250
    assert {schedule_of(hub_database, row.schedule_id or 0).run_count for row in rows[::50]} == {1}
    assert [fired.schedule_count for fired in at(hub_database, SEVEN)] == [0]
