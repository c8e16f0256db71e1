"""One clock for all processes: the database server's, so that a machine whose clock is wrong fires nothing early."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from shared.clock import SystemClock
from shared.db.database import Database

_REFRESH_SECONDS = 30.0
_NOW = {
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'UTC'",
}


class DatabaseClock:
    """This machine's monotonic clock, set by the database server's every 30 seconds. SQLite: this machine's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._base: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        if self._database.dialect == "sqlite":
            return SystemClock().now()
        with self._lock:
            if self._base is None or time.monotonic() - self._base[1] > _REFRESH_SECONDS:
                self._base = self._read()
            moment, at = self._base
        return moment + timedelta(seconds=time.monotonic() - at)

    def skew(self) -> timedelta:
        """How far this machine's clock is ahead of the database's."""
        return SystemClock().now() - self.now()

    def _read(self) -> tuple[datetime, float]:
        with self._database.reading() as session:
            before = time.monotonic()
            answer = session.execute(text(_NOW[self._database.dialect])).scalar_one()
            after = time.monotonic()
        return answer.replace(tzinfo=UTC), (before + after) / 2
