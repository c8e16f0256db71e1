"""`report-hub`: what an operator or a script does from a shell. Exit status: 0 good, 1 failed, 2 wrong usage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.output import FAILED, err, errors_as_sentences, human_size, out, print_json, row_count
from shared import __version__

app = typer.Typer(
    name="report-hub",
    help="Scheduled reports that arrive: whole, once, on time, and with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Params = Annotated[list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="May be repeated.")]
Url = Annotated[
    str | None, typer.Option("--url", help="The configuration API; default: this machine. Key: REPORT_HUB_API_KEY.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]


@app.command()
def run(
    report: Annotated[str, typer.Argument(help="Name or id.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; - is standard output.")],
    format_name: Annotated[str, typer.Option("--format", "-f", help="csv, xlsx, json, pdf …")] = "csv",
    param: Params = None,
    as_json: Json = False,
) -> None:
    """Execute a report here and now and write one file; status 0 only if it is complete."""
    from cli.foreground import run_report

    with errors_as_sentences(as_json):
        is_complete = run_report(report, format_name, param or [], output, as_json=as_json)
    raise typer.Exit(0 if is_complete else FAILED)


@app.command()
def execute(
    report: Annotated[str, typer.Argument(help="Name or id.")],
    param: Params = None,
    formats: Annotated[list[str] | None, typer.Option("--format", "-f", help="Instead of the report's.")] = None,
    deliver: Annotated[bool, typer.Option(help="Make the deliveries, too.")] = True,
    wait: Annotated[float | None, typer.Option(help="Follow it this many seconds and show how it ended.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Ask a running Report Hub for an execution."""
    from cli.remote import execute as ask
    from cli.remote import parameters_of

    with errors_as_sentences(as_json), _client(url) as client:
        body: dict[str, Any] = {"parameters": parameters_of(param or []), "deliver": deliver}
        if formats:
            body["formats"] = formats
        is_good = ask(client, report, body, wait=wait, as_json=as_json)
    raise typer.Exit(0 if is_good else FAILED)


@app.command()
def executions(
    execution: Annotated[str | None, typer.Argument(help="Show this one.")] = None,
    report: Annotated[str | None, typer.Option(help="Only of this report (name or id).")] = None,
    state: Annotated[str | None, typer.Option(help="COMPLETED, FAILED, PARTIAL …")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List executions, newest first, or show one with its files and deliveries."""
    from cli.remote import list_executions, show_execution

    with errors_as_sentences(as_json), _client(url) as client:
        if execution is not None:
            show_execution(client, execution, as_json=as_json)
            return
        config_id = None if report is None else client.id_of("reports", report)
        query = {"config_id": config_id, "state": state and state.upper(), "limit": limit}
        list_executions(client, query, as_json=as_json)


@app.command()
def migrate(
    revision: Annotated[str | None, typer.Argument(help="Default: the newest.")] = None,
    down: Annotated[bool, typer.Option("--down", help="Go back to REVISION; without one, remove everything.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the newest schema."""
    from cli.operations import migrate as work

    with errors_as_sentences(as_json):
        work(_settings(), revision, down=down, as_json=as_json)


@app.command()
def serve(
    service: Annotated[Literal["all", "config", "engine", "scheduler"], typer.Argument(help="Which one.")] = "all",
) -> None:
    """Run the services, or one of them, until SIGTERM or Ctrl-C."""
    if service == "all":
        from cli.run_all import run_all

        raise typer.Exit(run_all([]))
    from cli.operations import serve as become

    become(service)


@app.command()
def check(as_json: Json = False) -> None:
    """Look at settings, database, key, folders, drivers and services; status 1 when something is broken."""
    from cli.operations import check as look

    with errors_as_sentences(as_json):
        is_good = look(_settings(), as_json=as_json)
    raise typer.Exit(0 if is_good else FAILED)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .parquet or .arrow file.")],
    format_name: Annotated[str, typer.Option("--format", "-f", help="csv, xlsx, json, pdf …")],
    output: Output,
    options: Annotated[str, typer.Option(help="The format's options as JSON.")] = "{}",
    as_json: Json = False,
) -> None:
    """Write the rows of a file in another format: a converter alone."""
    from cli import data
    from cli.progress import progress_line

    with errors_as_sentences(as_json), progress_line(not as_json) as progress:
        written = data.convert(source, format_name, output, options, progress)
    _say_written(written, output, as_json)


@app.command()
def fetch(
    datasource: Annotated[str, typer.Argument(help="Name or id.")],
    query: Annotated[str, typer.Option("--query", "-q", help="One read-only statement; - reads standard input.")],
    output: Output,
    param: Params = None,
    as_json: Json = False,
) -> None:
    """Write the rows of a query to an Arrow file: a connector alone."""
    from cli import data
    from cli.foreground import opened
    from cli.progress import progress_line
    from cli.remote import parameters_of

    text = sys.stdin.read() if query == "-" else query
    with errors_as_sentences(as_json), opened(_settings()) as context, progress_line(not as_json) as progress:
        written = data.fetch(context, datasource, text, parameters_of(param or []), output, progress)
    _say_written(written, output, as_json)


@app.command("sql-check")
def sql_check(
    dialect: Annotated[str, typer.Option(help="mysql, postgresql, sqlite, duckdb …")] = "postgresql",
    as_json: Json = False,
    batch: Annotated[bool, typer.Option("--batch", help='Each line is {"id", "dialect", "sql"}.')] = False,
) -> None:
    """Is the SQL on standard input one read-only statement? Opens no connection."""
    from cli.sql_check import main_sql_check

    raise typer.Exit(main_sql_check(dialect, as_json, batch, sys.stdin, sys.stdout))


@app.command()
def version() -> None:
    """The version of this installation."""
    out.print(__version__, highlight=False)


def main() -> None:
    """The console script."""
    app()


def _client(url: str | None) -> Any:
    from cli.client import ApiClient

    return ApiClient(url or f"http://127.0.0.1:{_settings().config_port}")


def _settings() -> Any:
    from shared.settings import load_settings

    return load_settings()


def _say_written(written: Any, output: Path, as_json: bool) -> None:
    if as_json:
        print_json(
            {"rows": written.rows, "seconds": round(written.seconds, 3), "size": written.size}
            | {"warnings": list(written.warnings)}
        )
        return
    for warning in written.warnings:
        err.print(f"Note: {warning}", markup=False, highlight=False)
    rate = f"{written.rows / written.seconds:,.0f} rows/s" if written.seconds else ""
    says = f"{output}   {row_count(written.rows)}   {human_size(written.size)}   {written.seconds:.1f} s   {rate}"
    out.print(says, markup=False, highlight=False)
