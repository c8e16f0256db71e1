"""Carries out one execution in this process, for the command line: recorded like any other, and cancelled by Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import select

from execution_engine.accepting import Acceptor
from execution_engine.claiming import ExecutionQueue
from execution_engine.preparing import Preparer
from execution_engine.running import ExecutionRunner, Running, Tools
from execution_engine.stories import Stories
from execution_engine.workers import WorkerPool, start_fork_server
from shared.db.executions import ENDED
from shared.db.models import Artifact
from shared.errors import Conflict
from shared.executions import ExecuteBody, ExecutionStory
from shared.storage import ArtifactStore
from shared.web import ServiceContext

Progress = Callable[[str, int], None]
_LOOK_SECONDS = 0.2


class Foreground:
    """One execution at a time. Engines on the same database may take it over when this process dies."""

    def __init__(self, context: ServiceContext) -> None:
        settings = context.settings
        owner = f"cli:{socket.gethostname()}:{os.getpid()}"[:128]
        self._context = context
        self._queue = ExecutionQueue(context.database, context.clock, owner, settings.lease)
        self._store = ArtifactStore.open(settings)
        self._acceptor = Acceptor(context)
        self._stories = Stories(context)
        start_fork_server()
        self._workers = WorkerPool(spare=1, is_reused=False)
        preparer = Preparer(settings, context.vault)
        self._runner = ExecutionRunner(
            Tools(settings, context.database, context.clock, self._queue, preparer, self._store, self._workers)
        )

    def run(self, tenant_id: int, config_id: int, body: ExecuteBody, progress: Progress) -> ExecutionStory:
        """Execute a report and wait for its end; an interrupt cancels it, on the datasource's server too.

        Raises:
            NotFound, InvalidInput, Conflict: the report cannot be executed so.
        """
        accepted = self._acceptor.accept(tenant_id, config_id, body, None, actor="cli")
        execution_id = accepted.execution.id
        while self._stories.status(tenant_id, execution_id)[0] not in ENDED:
            claims = self._queue.claim(1, only=execution_id)
            if claims:
                self._carry_out(Running(claims[0]), progress)
            else:  # an engine was faster, or the datasource is down and it is tried again later
                self._wait(tenant_id, execution_id)
        return self._stories.story(tenant_id, execution_id)

    def file(self, story: ExecutionStory) -> Path:
        """The first artifact, for reading."""
        with self._context.database.reading() as session:
            key = session.scalars(select(Artifact.storage_key).where(Artifact.id == story.artifacts[0].id)).one()
        return self._store.path(key)

    def close(self) -> None:
        self._workers.close()

    def _wait(self, tenant_id: int, execution_id: str) -> None:
        """Until the next look; an interrupt cancels what waits, or what an engine has in hand."""
        try:
            threading.Event().wait(_LOOK_SECONDS)
        except KeyboardInterrupt:
            with contextlib.suppress(Conflict):  # it has just ended
                self._acceptor.request_cancel(tenant_id, execution_id, "cli")

    def _carry_out(self, running: Running, progress: Progress) -> None:
        done = threading.Event()

        def work() -> None:
            self._runner.run(running)
            done.set()

        thread = threading.Thread(target=work, name="execution")
        thread.start()
        with self._kept_alive(running):
            while not done.is_set():
                try:
                    done.wait(_LOOK_SECONDS)
                except KeyboardInterrupt:
                    running.is_cancelled = True
                    running.stop()
                if running.progress is not None:
                    progress(*running.progress)
        thread.join()

    @contextlib.contextmanager
    def _kept_alive(self, running: Running) -> Iterator[None]:
        """Renew the lease while the work goes on."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self._context.settings.heartbeat.total_seconds()):
                if self._queue.renew([running.claim]):
                    running.is_lost = True
                    running.stop()

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
