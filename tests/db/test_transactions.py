"""What happens when others are in the way, and how the database's clock runs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from shared.db.clock import DatabaseClock
from shared.db.database import Database
from shared.db.models import Report
from shared.errors import ServiceUnavailable
from tests.db.rows import add, fill


def two_reports(database: Database) -> tuple[int, int]:
    with database.transaction() as session:
        first = fill(session, 1)[Report]
        same = {key: getattr(first, key) for key in ("datasource_id", "file_name_template", "created_at", "updated_at")}
        second = add(session, Report(tenant_id=1, name="second", **same))
        return first.id, second.id


def count_up(session: Session, report_id: int) -> None:
    statement = update(Report).where(Report.id == report_id).values(row_limit=Report.row_limit + 1)
    session.execute(statement.execution_options(synchronize_session=False))


def test_a_deadlock_is_worked_through_and_nothing_is_done_twice(hub_database: Database) -> None:
    first, second = two_reports(hub_database)
    with hub_database.transaction() as session:
        session.execute(update(Report).values(row_limit=0))
    both_hold_one = threading.Barrier(2, timeout=20)
    errors: list[BaseException] = []

    def cross(mine: int, other: int) -> None:
        tries = iter(range(100))

        def work(session: Session) -> None:
            count_up(session, mine)
            if next(tries) == 0 and hub_database.dialect != "sqlite":  # SQLite has one writer: nobody can cross
                both_hold_one.wait()
            count_up(session, other)

        try:
            hub_database.run(work)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=cross, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    with hub_database.reading() as session:
        assert session.scalars(select(Report.row_limit)).all() == [2, 2]


def test_an_error_leaves_nothing_behind(hub_database: Database) -> None:
    first, _second = two_reports(hub_database)

    def work(session: Session) -> None:
        session.execute(update(Report).where(Report.id == first).values(name="half done"))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        hub_database.run(work)
    with hub_database.reading() as session:
        assert session.scalars(select(Report.name).where(Report.name == "half done")).all() == []


def test_a_request_that_loses_against_a_lock_is_told_to_try_again(hub_database: Database) -> None:
    if hub_database.dialect == "sqlite":
        pytest.skip("waits half a minute for the one writer")
    first, _second = two_reports(hub_database)
    patience = {"mysql": "SET innodb_lock_wait_timeout = 1", "postgresql": "SET lock_timeout = '200ms'"}

    def overtake() -> None:
        with hub_database.transaction() as session:
            session.execute(text(patience[hub_database.dialect]))
            session.execute(update(Report).where(Report.id == first).values(name="mine"))

    with hub_database.transaction() as holder:
        holder.execute(update(Report).where(Report.id == first).values(name="held"))
        with pytest.raises(ServiceUnavailable, match="Others were changing"):
            overtake()
    hub_database.close()  # the impatient connection is not for others


def test_the_databases_clock_is_one_for_all_and_does_not_run_backwards(hub_database: Database) -> None:
    clock = DatabaseClock(hub_database)
    moments = [clock.now() for _ in range(100)]
    assert moments == sorted(moments)
    assert all(moment.tzinfo is UTC for moment in moments)
    assert abs(clock.skew()) < timedelta(seconds=5)
    assert abs(datetime.now(UTC) - moments[-1]) < timedelta(seconds=5)


def test_a_machine_with_a_wrong_clock_sees_the_databases_time(
    hub_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hub_database.dialect == "sqlite":
        pytest.skip("SQLite has no other clock than this machine's")
    clock = DatabaseClock(hub_database)
    before = clock.now()
    monkeypatch.setattr("shared.clock.SystemClock.now", lambda _self: before + timedelta(hours=1))
    assert clock.now() - before < timedelta(seconds=30)
    assert timedelta(minutes=59) < clock.skew() < timedelta(minutes=61)
