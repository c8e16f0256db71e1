"""The schema comes and goes whole, is the one that the code expects, and two services may bring it at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from shared.db.database import Database
from shared.db.migrate import check_schema, downgrade, upgrade
from shared.db.models import Base, Tenant
from shared.errors import InvalidInput, ReportHubError, ServiceUnavailable
from tests.services.databases import free_port

TABLES = {table.name for table in Base.metadata.sorted_tables}
MIGRATE = (
    "import sys; from shared.db.database import Database; from shared.db.migrate import upgrade\n"
    "print(upgrade(Database(sys.argv[1])))"
)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(empty: Database) -> None:
    assert upgrade(empty) == "0001"
    assert tables(empty) == TABLES
    assert downgrade(empty, "base") == ""
    assert tables(empty) == set()
    assert upgrade(empty) == "0001"
    assert tables(empty) == TABLES
    check_schema(empty)
    with empty.transaction() as session:
        assert session.scalars(select(Tenant.name)).all() == ["default"]
        session.add(Tenant(name="second", created_at=session.scalar(select(Tenant.created_at))))


def test_the_migrated_schema_is_the_one_of_the_models(empty: Database) -> None:
    upgrade(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(empty: Database) -> None:
    upgrade(empty)
    assert upgrade(empty) == "0001"


def test_processes_that_migrate_at_the_same_moment_do_not_collide(empty_url: str) -> None:
    command = [sys.executable, "-c", MIGRATE, empty_url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in processes]
    assert [answer[0].strip() for answer in answers] == ["0001"] * 3, answers


def test_threads_that_migrate_at_the_same_moment_do_not_collide(empty: Database) -> None:
    found: list[object] = []

    def migrate() -> None:
        try:
            found.append(upgrade(empty))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            found.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["0001"] * 4


def test_a_database_that_a_newer_version_migrated_is_refused_and_left_alone(empty: Database) -> None:
    upgrade(empty)
    with empty.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    for attempt in (upgrade, check_schema, lambda database: downgrade(database, "base")):
        with pytest.raises(ServiceUnavailable, match="schema 0999, which this version of Report Hub does not know"):
            attempt(empty)
    assert tables(empty) == TABLES


def test_a_database_without_schema_is_not_ready(empty: Database) -> None:
    if empty.dialect == "sqlite":
        upgrade(empty)
        downgrade(empty, "base")
    with pytest.raises(ServiceUnavailable, match="schema none, this version needs 0001") as refused:
        check_schema(empty)
    assert refused.value.hint == "Run: report-hub migrate"
    with pytest.raises(ServiceUnavailable, match="does not have the schema"), empty.reading() as session:
        session.scalar(select(Tenant.id))


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_server_that_is_not_there_is_a_sentence_with_the_drivers_words_and_no_password(kind: str) -> None:
    database = Database(f"{kind}://hub:p4ssw0rd-geheim@127.0.0.1:{free_port()}/hub")
    with pytest.raises(ServiceUnavailable, match="does not answer") as refused:
        upgrade(database)
    assert "refused" in str(refused.value.hint)
    assert "geheim" not in str(refused.value.hint)
    database.close()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Database(f"sqlite:///{tmp_path}/file/report_hub.sqlite")
    with pytest.raises(ServiceUnavailable, match=r"The folder .*/file cannot be written"):
        upgrade(database)
    database.close()


@pytest.mark.parametrize("url", ["oracle://x/y", "nonsense", "sqlite://", "sqlite:///:memory:", ""])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        Database(url)


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "report_hub.sqlite").write_text("not a database at all, just a text" * 100)
    database = Database(f"sqlite:///{tmp_path}/report_hub.sqlite")
    with pytest.raises(ReportHubError) as refused:
        upgrade(database)
    assert "file is not a database" in str(refused.value.hint)
    database.close()
