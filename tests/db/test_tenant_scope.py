"""A session of a tenant sees and writes that tenant's rows and no others: every table, every way of asking."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import aliased

from shared.db.database import Database
from shared.db.models import Base, Datasource, Report, Schedule, Tenant, TenantOwned
from tests.db.rows import NOW, fill

MODELS = sorted((mapper.class_ for mapper in Base.registry.mappers if mapper.class_ is not Tenant), key=str)
ALICE, CHARLIE = 1, 2
Rows = dict[type[Any], Any]


@pytest.fixture
def rows(hub_database: Database) -> tuple[Rows, Rows]:
    with hub_database.transaction() as session:
        return fill(session, ALICE), fill(session, CHARLIE)


def test_every_table_with_a_tenant_is_confined() -> None:
    for model in MODELS:
        assert "tenant_id" in model.__table__.columns, model
        assert issubclass(model, TenantOwned), model


def test_charlie_reads_nothing_of_alices(hub_database: Database, rows: tuple[Rows, Rows]) -> None:
    alice, charlie = rows
    for model in MODELS:
        with hub_database.scoped(CHARLIE) as session:
            found = session.scalars(select(model)).all()
            assert [row.id for row in found] == [charlie[model].id], model
            assert session.scalar(select(func.count()).select_from(model)) == 1
            assert session.get(model, alice[model].id) is None
            assert session.scalars(select(aliased(model))).all() == found
            assert session.scalar(select(model.id).where(model.tenant_id == ALICE)) is None


def test_a_join_and_a_subquery_are_confined_too(hub_database: Database, rows: tuple[Rows, Rows]) -> None:
    with hub_database.scoped(CHARLIE) as session:
        joined = select(Schedule.id, Report.name).join(Report, Report.id == Schedule.config_id)
        assert [row[0] for row in session.execute(joined)] == [rows[1][Schedule].id]
        reports = select(Report.id).where(Report.tenant_id == ALICE)
        assert session.scalars(select(Schedule).where(Schedule.config_id.in_(reports))).all() == []


def test_charlie_changes_and_deletes_nothing_of_alices(hub_database: Database, rows: tuple[Rows, Rows]) -> None:
    alice = rows[0]
    with hub_database.scoped(CHARLIE, is_write=True) as session:
        for model in MODELS:
            column = next(column.key for column in model.__table__.columns if column.key not in ("id", "tenant_id"))
            same = {column: getattr(alice[model], column)}
            result: Any = session.execute(update(model).where(model.tenant_id == ALICE).values(**same))
            assert result.rowcount == 0, model
            result = session.execute(delete(model).where(model.id == alice[model].id))
            assert result.rowcount == 0, model


def test_a_new_row_belongs_to_the_tenant_of_the_session(hub_database: Database, rows: tuple[Rows, Rows]) -> None:
    with hub_database.scoped(CHARLIE, is_write=True) as session:
        session.add(Datasource(tenant_id=ALICE, name="smuggled", type="sqlite", created_at=NOW, updated_at=NOW))
    with hub_database.reading() as session:
        assert session.scalar(select(Datasource.tenant_id).where(Datasource.name == "smuggled")) == CHARLIE


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_row_of_another_tenant_cannot_be_brought_in_and_changed(sqlite_hub: Database, is_deleted: bool) -> None:
    with sqlite_hub.transaction() as session:
        alices = fill(session, ALICE)[Schedule]

    def smuggle() -> None:
        with sqlite_hub.scoped(CHARLIE, is_write=True) as session:
            session.add(alices)
            if is_deleted:
                session.delete(alices)
            else:
                alices.name = "changed"

    with pytest.raises(AssertionError, match="another tenant"):
        smuggle()


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT name FROM report_configs"),
        select(Report.__table__),
        insert(Report).values(tenant_id=ALICE, name="x"),
        update(Report.__table__).values(name="x"),
        delete(Report.__table__),
    ],
)
def test_what_cannot_be_confined_is_not_executed(sqlite_hub: Database, statement: Any) -> None:
    with pytest.raises(AssertionError, match="cannot be confined"), sqlite_hub.scoped(CHARLIE) as session:
        session.execute(statement)


def test_two_sessions_after_another_do_not_share_a_tenant(hub_database: Database, rows: tuple[Rows, Rows]) -> None:
    for tenant_id in (ALICE, CHARLIE, ALICE):
        with hub_database.scoped(tenant_id) as session:
            assert session.scalars(select(Report.tenant_id)).all() == [tenant_id]


def test_the_services_own_work_sees_all_tenants(hub_database: Database, rows: tuple[Rows, Rows]) -> None:
    with hub_database.reading() as session:
        assert set(session.scalars(select(Report.tenant_id))) == {ALICE, CHARLIE}
