"""The artifact store and the housekeeper: kept as long as promised, and nothing that nobody owns."""

from __future__ import annotations

import errno
import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from execution_engine.housekeeping import Housekeeper
from shared.clock import ManualClock
from shared.db.models import Artifact, DeliveryAttempt, DeliveryTask, Execution
from shared.errors import NotFound, StorageFull
from shared.settings import Settings
from shared.storage import ArtifactStore, storage_errors
from shared.web import ServiceContext
from tests.engine.hub import Desk, EngineProcess
from tests.services.hub import eventually

_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def context(desk: Desk) -> Iterator[ServiceContext]:
    settings = Settings(data_dir=desk.data_dir, history_retention=timedelta(days=10))
    opened = ServiceContext.open("execution_engine", settings, ManualClock(_NOW))
    yield opened
    opened.database.close()


@pytest.fixture
def store(desk: Desk) -> ArtifactStore:
    return ArtifactStore(desk.data_dir / "artifacts")


def _kept(
    desk: Desk, store: ArtifactStore, *, age_days: int = 1, status: str = "COMPLETED", delivery: str = "NONE"
) -> str:
    """An execution with one artifact that expires a day after it was made, and one task."""
    created = _NOW - timedelta(days=age_days)
    report = desk.scripted()
    execution_id = desk.enqueue(report, status=status, now=created, scheduled_for=created)
    key = store.key(execution_id, 1, "report.csv", created)
    file = desk.data_dir / "made.csv"
    file.write_bytes(b"n\n1\n")
    store.put(file, key)
    artifact = Artifact(tenant_id=1, execution_id=execution_id, format="csv", file_name="report.csv", storage_key=key)
    artifact.media_type, artifact.size, artifact.sha256, artifact.row_count = "text/csv", 4, "0" * 64, 1
    artifact.created_at, artifact.expires_at = created, created + timedelta(days=1, seconds=1)
    desk.add(artifact)
    task = DeliveryTask(tenant_id=1, execution_id=execution_id, delivery_id=1, method="flaky", recipient="x")
    task.status, task.created_at = "DELIVERED", created
    desk.add(task)
    desk.add(
        DeliveryAttempt(tenant_id=1, task_id=task.id, number=1, status="DELIVERED", worker="w", started_at=created)
    )
    with desk.database.transaction() as session:
        session.get_one(Execution, execution_id).delivery_status = delivery
    return execution_id


def test_an_artifact_is_removed_when_its_time_is_over(
    desk: Desk, store: ArtifactStore, context: ServiceContext
) -> None:
    fresh, old = _kept(desk, store), _kept(desk, store, age_days=3)
    Housekeeper(context, store).run()
    (kept,), (gone,) = desk.artifacts(fresh), desk.artifacts(old)
    assert kept.deleted_at is None
    assert store.path(kept.storage_key).is_file()
    assert gone.deleted_at == _NOW
    with pytest.raises(NotFound):
        store.path(gone.storage_key)


def test_an_artifact_that_waits_for_its_delivery_stays(
    desk: Desk, store: ArtifactStore, context: ServiceContext
) -> None:
    execution_id = _kept(desk, store, age_days=3, delivery="DELIVERING")
    Housekeeper(context, store).run()
    (artifact,) = desk.artifacts(execution_id)
    assert artifact.deleted_at is None
    assert store.path(artifact.storage_key).is_file()


def test_old_history_goes_with_all_that_hangs_on_it(desk: Desk, store: ArtifactStore, context: ServiceContext) -> None:
    _kept(desk, store, age_days=11)
    kept = [_kept(desk, store, age_days=9), _kept(desk, store, age_days=11, status="RUNNING")]
    Housekeeper(context, store).run()
    with desk.database.reading() as session:
        assert {row.id for row in session.query(Execution)} == set(kept)
    assert desk.count(DeliveryTask) == desk.count(DeliveryAttempt) == desk.count(Artifact) == 2


def test_workspaces_of_what_does_not_run_are_removed(desk: Desk, store: ArtifactStore, context: ServiceContext) -> None:
    running, ended = (desk.enqueue(desk.scripted(), status=status) for status in ("RUNNING", "COMPLETED"))
    for execution_id in (running, ended):
        (desk.data_dir / "workspaces" / f"{execution_id}-1").mkdir(parents=True)
    Housekeeper(context, store).run()
    assert [path.name for path in desk.workspaces()] == [f"{running}-1"]


def test_files_that_no_execution_owns_are_removed(desk: Desk, store: ArtifactStore, context: ServiceContext) -> None:
    owned = _kept(desk, store, age_days=0)
    running = desk.enqueue(desk.scripted(), status="RUNNING")
    created = desk.execution(owned).created_at
    for execution_id, fence in ((owned, 7), (running, 1), ("0190-never-noted", 1)):
        file = desk.data_dir / "made.csv"
        file.write_bytes(b"n\n1\n")
        store.put(file, store.key(execution_id, fence, "report.csv", created))
    keeper = Housekeeper(context, store)
    for _ in store.days():
        keeper.run()
    left = {path.relative_to(desk.data_dir / "artifacts").parts[3:5] for path in desk.stored_files()}
    assert left == {(owned, "1"), (running, "1")}


def test_an_older_attempt_leaves_nothing_and_a_newer_is_untouched(desk: Desk, store: ArtifactStore) -> None:
    for fence in (1, 2, 10):
        file = desk.data_dir / "made.csv"
        file.write_bytes(b"x")
        store.put(file, store.key("an-id", fence, "report.csv", _NOW))
    store.remove_attempts("an-id", _NOW, before=10)
    assert [path.parent.name for path in desk.stored_files()] == ["10"]
    store.remove_attempts("unknown-id", _NOW, before=3)


def test_a_deleted_artifact_leaves_no_empty_folders(desk: Desk, store: ArtifactStore) -> None:
    file = desk.data_dir / "made.csv"
    file.write_bytes(b"x")
    store.put(file, "2026/11/24/an-id/1/report.csv")
    store.delete("2026/11/24/an-id/1/report.csv")
    store.delete("2026/11/24/an-id/1/report.csv")
    assert list((desk.data_dir / "artifacts").iterdir()) == []


def test_a_file_comes_whole_from_another_disk(desk: Desk, store: ArtifactStore) -> None:
    other = Path("/dev/shm") / f"report-hub-{os.getpid()}"
    if not other.parent.is_dir() or other.parent.stat().st_dev == desk.data_dir.stat().st_dev:
        pytest.skip("there is no second file system")
    other.write_bytes(b"rows")
    store.put(other, "2026/11/24/an-id/1/report.csv")
    assert store.path("2026/11/24/an-id/1/report.csv").read_bytes() == b"rows"
    assert not other.exists()
    assert len(desk.stored_files()) == 1


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../secret.key", "2026/../../secret.key"])
def test_a_key_leads_nowhere_else(store: ArtifactStore, key: str) -> None:
    with pytest.raises(NotFound):
        store.path(key)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_full_disk_is_said_without_a_path(number: int) -> None:
    with pytest.raises(StorageFull) as caught, storage_errors():
        raise OSError(number, os.strerror(number), "/srv/secret/place")
    assert "/srv" not in caught.value.message


@pytest.mark.parametrize("name", ["csv", "xlsx", "parquet", "json", "pdf"])
def test_a_full_disk_fails_the_execution_and_service_goes_on(engine: EngineProcess, name: str) -> None:
    """A limit on the size of files, as the kernel sets it, stands for the disk."""
    desk = engine.desk
    script = {"rows": 1, "biggest_file": 1500}
    small, big = desk.scripted(script), desk.scripted({**script, "rows": 900}, formats=[name])
    story = engine.run(big)
    assert (story["state"], story["attempt"]) == ("FAILED", 1)
    assert story["error"]["code"] == "STORAGE_FULL"
    assert story["artifacts"] == []
    assert not [path for path in desk.stored_files() if story["execution_id"] in path.parts]
    assert engine.run(small)["state"] == "COMPLETED"


def test_nobody_waits_for_a_schedule_so_a_full_disk_is_tried_again(engine: EngineProcess) -> None:
    script = {"rows": 900, "biggest_file": 1500}
    execution_id = engine.desk.enqueue(engine.desk.scripted(script), trigger="schedule")
    row = eventually(lambda: (r := engine.desk.execution(execution_id)).error and r, 20)
    assert (row.status, row.error["code"]) == ("QUEUED", "STORAGE_FULL")
    assert row.available_at > datetime.now(UTC)
    engine.client.post(f"/api/execution/{execution_id}/cancel")


def test_a_copy_to_a_full_disk_leaves_nothing_there(tmp_path: Path) -> None:
    """Workspaces and artifacts may lie on different disks; what did not fit must not keep the next one out."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk at /dev/shm")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        store = ArtifactStore(Path(folder) / "artifacts")
        source = tmp_path / "large.csv"
        source.write_bytes(b"x" * 3_000_000)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
            with pytest.raises((StorageFull, OSError)):
                store.put(source, "2026/11/24/x/1/large.csv")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        assert [path for path in Path(folder).rglob("*") if path.is_file()] == []
        assert source.stat().st_size == 3_000_000
