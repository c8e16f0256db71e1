"""A progress line on a terminal's standard error: stage, rows, rows a second. Silent in a pipe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.output import err


class _RowsColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = f"   {task.speed:,.0f} rows/s" if task.speed else ""
        return Text(f"{task.completed:,.0f} rows{speed}")


@contextlib.contextmanager
def progress_line(is_shown: bool) -> Iterator[Callable[[str, int], None]]:
    """A function progress(stage, rows) that updates the line."""
    if not is_shown or not err.is_terminal:
        yield lambda _stage, _rows: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), _RowsColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda stage, rows: bar.update(task, description=stage, completed=max(rows, 0))
