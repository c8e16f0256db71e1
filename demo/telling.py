"""What the demo prints, in the order in which people read it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cli.output import human_size
from cli.service_group import ServiceGroup
from demo.mailbox import mails
from demo.setting_up import Place
from shared import __version__
from shared.settings import PREFIX, Settings


class Teller:
    """Writes to standard output, line by line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_colourful = sys.stdout.isatty()

    def title(self) -> None:
        folder = self._settings.data_dir
        self._say(f"Report Hub {__version__}   demo in {folder}/   (delete the folder to start over)\n")

    def done(self, what: str, says: str, begun: float) -> None:
        self._say(f"  {self._mark(True)} {what:<20} {says:<52} {time.monotonic() - begun:>5.1f} s")

    def heading(self, text: str) -> None:
        self._say(f"\n  {text}")

    def execution(self, story: dict[str, Any]) -> None:
        """The report, then a line for each file and each place it went to."""
        is_good = story["status"] == "COMPLETED"
        rows = "" if story["row_count"] is None else f"{story['row_count']:>9,} rows   {story['completeness'].lower()}"
        self._say(f"  {self._mark(is_good)} {story['report_name']:<32} {rows}")
        if story["error"]:
            self._say(f"      {story['error']['message']}")
        for warning in story["warnings"]:
            self._say(f"      Note: {warning}")
        for file in story["artifacts"]:
            self._say(f"      {file['file_name']:<40} {human_size(file['size']):>9}")
        for task in story["deliveries"]:
            arrived = task["status"] == "DELIVERED"
            mark = self._mark(arrived) if task["status"] != "SKIPPED" else "–"
            says = "" if arrived else f"   {task['message']}"
            # A place with a template is named by what the deliverer says, which has the folder as it became.
            where = task["message"] if arrived and "{" in task["recipient"] else task["recipient"]
            self._say(f"      {mark} {task['method']}  {where}{says}")

    def verdict(self, problems: Sequence[str], started: float) -> None:
        seconds = time.monotonic() - started
        if not problems:
            self._say(
                f"\n{self._mark(True)} Every expected file was delivered and checked where it arrived, {seconds:.0f} s."
            )
            return
        self._say(f"\n{self._mark(False)} Not everything arrived, {seconds:.0f} s:")
        for problem in problems:
            self._say(f"  {problem}")

    def ready(self, group: ServiceGroup, place: Place, following: datetime | None, started: float) -> None:
        config, engine, scheduler = (spec.url for spec in group.specs)
        access = "open on this machine only" if self._settings.is_open else "with your API key"
        seconds = "" if following is None else f"in {max(0, int((following - datetime.now(UTC)).total_seconds()))} s"
        self._say(
            f"""
Ready in {time.monotonic() - started:.0f} s.

  API           {config}/docs     {access}
                engine {engine}/docs   scheduler {scheduler}/docs
  Files         {place.share}
  Mail          {place.mailbox}   {len(mails(place.mailbox))} messages
  Dead letter   curl {config}/api/dead-letters     one address is refused, on purpose
  Next          Stock below a limit {seconds}   (cron * * * * *, watch it arrive)

  Try           {self._told("DATA_DIR")}.venv/bin/report-hub run "Orders of last month" -f xlsx -o orders.xlsx
                {self._told("CONFIG_PORT")}.venv/bin/report-hub executions
                curl -X POST {config}/api/reports/1/execute

  Ctrl-C stops everything.   Logs: {self._settings.data_dir}/logs/
"""
        )

    def arrival(self, item: dict[str, Any]) -> None:
        """One execution that came by itself."""
        moment = datetime.fromisoformat(item["completed_at"] or item["created_at"]).astimezone()
        rows = "" if item["row_count"] is None else f"{item['row_count']:,} rows"
        mark = self._mark(item["state"] == "COMPLETED")
        self._say(f"  {moment:%H:%M:%S} {mark} {item['report_name']}   {item['state'].lower()}   {rows}")

    def stopping(self) -> None:
        self._say("  Stopping …")

    def _told(self, name: str) -> str:
        """The setting in front of a command that needs it, because it is not the default."""
        value, usual = getattr(self._settings, name.lower()), Settings.model_fields[name.lower()].default
        return "" if value == usual else f"{PREFIX}{name}={shlex.quote(str(value))} "

    def _mark(self, is_good: bool) -> str:
        mark, colour = ("✓", "32") if is_good else ("✗", "31")
        return f"\x1b[{colour}m{mark}\x1b[0m" if self._is_colourful else mark

    @staticmethod
    def _say(text: str) -> None:
        print(text, flush=True)
