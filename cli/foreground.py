"""`report-hub run`: an execution in this process, with a progress line, and its file at a chosen place."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import select

from cli.files import STDOUT, copy_out, data_folder, refuse_place
from cli.output import err, human_size, out, print_json, row_count
from cli.progress import progress_line
from cli.remote import parameters_of
from execution_engine.foreground import Foreground
from shared.db.database import DEFAULT_TENANT, Database
from shared.db.migrate import upgrade
from shared.db.models import Report
from shared.errors import NotFound, ReportHubError
from shared.executions import ExecuteBody, ExecutionStory
from shared.logs import configure_logs
from shared.settings import Settings, load_settings
from shared.web import ServiceContext


def run_report(report: str, format_name: str, pairs: Sequence[str], output: Path, *, as_json: bool) -> bool:
    """Execute, write the file, say what happened. True when the file is complete.

    Raises:
        InvalidInput: the file cannot be written; said before the query runs.
    """
    refuse_place(output)
    settings = load_settings()
    body = ExecuteBody(parameters=parameters_of(pairs), formats=[format_name], deliver=False)
    with opened(settings) as context:
        config_id = _report_id(context, report)
        foreground = Foreground(context)
        try:
            with progress_line(not as_json) as progress:
                story = foreground.run(DEFAULT_TENANT, config_id, body, progress)
            if story.artifacts:
                copy_out(foreground.file(story), output)
        finally:
            foreground.close()
    _say(story, output, as_json)
    return story.status == "COMPLETED" and story.completeness == "COMPLETE"


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[ServiceContext]:
    """Database and vault for a command; its log stays quiet unless something is wrong."""
    configure_logs("cli", settings)
    logging.getLogger().setLevel(logging.ERROR)
    data_folder(settings.data_dir)
    if settings.migrate:
        database = Database(settings.database)
        upgrade(database)
        database.close()
    context = ServiceContext.open("cli", settings)
    try:
        yield context
    finally:
        context.database.close()


def _report_id(context: ServiceContext, name_or_id: str) -> int:
    with context.database.scoped(DEFAULT_TENANT) as session:
        wanted = Report.id == int(name_or_id) if name_or_id.isdigit() else Report.name == name_or_id
        found = session.scalar(select(Report.id).where(wanted))
    if found is None:
        raise NotFound(f"There is no report {name_or_id!r}.")
    return int(found)


def _say(story: ExecutionStory, output: Path, as_json: bool) -> None:
    if as_json and output != STDOUT:
        print_json(story.model_dump(mode="json"))
        return
    console = err if output == STDOUT else out
    if story.error is not None:
        error = ReportHubError(story.error.message, hint=story.error.hint)
        err.print(f"{story.status}: {error.message}", markup=False, highlight=False)
        if error.hint:
            err.print(f"  {error.hint}", markup=False, highlight=False)
        return
    if not story.artifacts:
        err.print(f"{story.status}.", highlight=False)
        return
    file = story.artifacts[0]
    label = "complete" if story.completeness == "COMPLETE" else "CAPPED: the query gives more rows"
    says = f"{output}   {row_count(file.row_count)}   {human_size(file.size)}   {label}   sha256 {file.sha256[:16]}…"
    console.print(says, markup=False, highlight=False)
    for warning in story.warnings:
        err.print(f"Note: {warning}", markup=False, highlight=False)
