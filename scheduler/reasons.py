"""Why a slot was not executed, in words: the `error` of its SKIPPED row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scheduler.misfires import Verdict
from shared.db.models import Report, Schedule

Reason = dict[str, Any]
_POLICIES = {
    "fire_once": "The misfire policy fire_once executes only the latest one.",
    "skip": "The misfire policy skip executes none of them.",
}


def missed(schedule: Schedule, verdict: Verdict, position: int) -> Reason:
    """A slot that came up too late; the first row stands for all those that have none."""
    what = "This slot was missed"
    if position == 0 and verdict.summed_up and verdict.first_missed is not None:
        at_least = "" if verdict.is_exact else "More than "
        until = _minute(verdict.missed[0])
        what = f"{at_least}{verdict.summed_up + 1:,} slots from {_minute(verdict.first_missed)} to {until} were missed"
    return {
        "code": "MISSED",
        "message": f"{what}: no scheduler came by in time. {_POLICIES.get(schedule.misfire_policy, '')}".strip(),
        "hint": "Set misfire_policy to 'fire_all' to execute every missed slot, or raise misfire_grace_seconds.",
        "retryable": False,
    }


def switched_off(report: Report) -> Reason:
    return {
        "code": "REPORT_INACTIVE",
        "message": f"Skipped: the report {report.name} was switched off.",
        "hint": "Set is_active of the report to true.",
        "retryable": False,
    }


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
