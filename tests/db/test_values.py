"""Values come back as they went in, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import StatementError

from shared.db.database import Database
from shared.db.models import Datasource, Execution
from tests.db.rows import NOW, execution

EVERYTHING = "ẞ 日本 العربية 😀🏴󠁧󠁢󠁥󠁮󠁧󠁿 'quoted' \"double\" \\back %s :name \x01 \u2028"


def back(database: Database, **fields: Any) -> Execution:
    with database.transaction() as session:
        row = execution(1, **fields)
        session.add(row)
    with database.reading() as session:
        return session.scalars(select(Execution).where(Execution.id == row.id)).one()


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2))),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_times_come_back_aware_in_utc_to_the_microsecond(hub_database: Database, moment: datetime) -> None:
    found = back(hub_database, scheduled_for=moment).scheduled_for
    assert found == moment
    assert found.tzinfo is UTC


def test_a_time_without_zone_is_refused(hub_database: Database) -> None:
    with pytest.raises(StatementError, match="naive"), hub_database.transaction() as session:
        session.add(execution(1, scheduled_for=datetime(2026, 1, 1)))


def test_every_script_and_four_byte_characters_survive(hub_database: Database) -> None:
    found = back(
        hub_database, report_name="报表 😀 Ünïcode", parameters={EVERYTHING: [EVERYTHING, None, 1.5, 2**53 + 1]}
    )
    assert found.report_name == "报表 😀 Ünïcode"
    assert found.parameters == {EVERYTHING: [EVERYTHING, None, 1.5, 2**53 + 1]}


def test_big_documents_survive(hub_database: Database) -> None:
    big = {"rows": ["😀" * 50 + str(number) for number in range(10_000)]}
    query = "SELECT '日本' -- " + "x" * 1_000_000
    found = back(hub_database, request=big, sent_query=query)
    assert found.request == big
    assert found.sent_query == query


def test_none_is_null_and_not_the_word_null(hub_database: Database) -> None:
    row_id = back(hub_database, error=None, progress={}).id
    with hub_database.reading() as session:
        count = text("SELECT count(*) FROM report_executions WHERE id = :id AND error IS NULL AND progress IS NOT NULL")
        assert session.scalar(count, {"id": row_id}) == 1


def test_big_integers_survive(hub_database: Database) -> None:
    assert back(hub_database, row_count=2**63 - 1).row_count == 2**63 - 1


def test_a_text_that_is_too_long_is_an_error_and_never_cut_short(hub_database: Database) -> None:
    if hub_database.dialect == "sqlite":
        assert back(hub_database, report_name="x" * 300).report_name == "x" * 300
        return
    with pytest.raises(Exception, match="too long"), hub_database.transaction() as session:
        session.add(execution(1, report_name="x" * 300))


def test_an_id_is_never_given_twice(hub_database: Database) -> None:
    """History outlives definitions: a new report must not inherit the executions of a deleted one."""
    ids = []
    for number in range(3):
        with hub_database.transaction() as session:
            row = Datasource(tenant_id=1, name=f"d{number}", type="sqlite", created_at=NOW, updated_at=NOW)
            session.add(row)
            session.flush()
            ids.append(row.id)
        with hub_database.transaction() as session:
            session.delete(session.get_one(Datasource, row.id))
    assert ids == sorted(set(ids))
