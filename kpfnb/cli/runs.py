"""`kpfnb run` and `kpfnb runs`: run a notebook; list, show and remove runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_and_exit, print_json
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome

if TYPE_CHECKING:
    from kpfnb.runs import RunRecord

LOG_LINES = 15
DEFAULT_LIMIT = 20

runs_app = typer.Typer(
    cls=CommandGroup,
    help="List runs, newest first, or show one of them.\n\nExample: kpfnb runs --outcome failed",
    rich_markup_mode=None,
)
app.add_typer(runs_app, name="runs")

NotebookFilter = Annotated[str, typer.Option("--notebook", help="Only runs of this notebook.")]
OutcomeFilter = Annotated[
    Outcome | None, typer.Option("--outcome", help="Only runs with this outcome.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Maximum number of runs.")]

Parameters = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", help="A parameter, as name=value.")
]
ParameterFiles = Annotated[
    list[Path] | None, typer.Option("-f", "--file", help="A parameter set, as YAML.")
]


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="Name or path of a notebook.")],
    parameter: Parameters = None,
    file: ParameterFiles = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Stop it after this time [s].")
    ] = None,
) -> None:
    """Run a notebook without a browser; the executed notebook, report, result and log are stored.

    Parameters given with -p override those in files. The exit code is that of the outcome.

    Example: kpfnb run progress -p start=20240101 -p end=20240131
    """
    from kpfnb.core import logs
    from kpfnb.notebook import runner

    logs.log_to_console()
    shows_progress = sys.stderr.isatty() and not as_json
    record = runner.run_notebook(
        name,
        parse_parameters(file, parameter),
        dry_run=dry_run,
        timeout_seconds=timeout,
        echo=_print_progress if shows_progress else None,
    )
    if shows_progress:
        # Clear the line
        _print_progress("")
    _print_run(record, as_json=as_json)
    raise typer.Exit((record.outcome or Outcome.CRASHED).exit_code)


@runs_app.callback(invoke_without_command=True)
def list_runs(
    context: typer.Context,
    notebook: NotebookFilter = "",
    outcome: OutcomeFilter = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand is None:
        _print_runs(notebook, outcome, limit, as_json)


@runs_app.command("list")
def list_command(
    notebook: NotebookFilter = "",
    outcome: OutcomeFilter = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: Json = False,
) -> None:
    """List runs, newest first.

    Example: kpfnb runs list --notebook progress --limit 5
    """
    _print_runs(notebook, outcome, limit, as_json)


@runs_app.command("show")
def show(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a run, or its first characters.")
    ],
    as_json: Json = False,
) -> None:
    """Show one run: its outcome, key figures, files, and the last lines of its log.

    Example: kpfnb runs show 3f9a
    """
    from kpfnb import runs

    record = runs.find_run(identity)
    _print_run(record, as_json=as_json)
    if not as_json:
        _print_details(record)


@runs_app.command("prune")
def prune(
    keep: Annotated[str, typer.Option(help="How long good runs stay: 90d, 12w or 1y.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove old runs. Failed, crashed and partial runs stay four times as long as good ones.

    These always stay: unfinished runs, the last run of each notebook and its last good one, and
    runs that the page of a remaining pipeline links to.

    Example: kpfnb runs prune --keep 90d --dry-run
    """
    from kpfnb.pipelines import run_record
    from kpfnb.runs import retention

    print_and_exit(
        retention.prune_runs(keep, references=run_record.referenced_runs, dry_run=dry_run),
        as_json=as_json,
    )


@runs_app.command("site")
def site() -> None:
    """Update the pages in runs/: runs, pipelines, nights and datasets.

    Each run updates the pages itself. Use this after runs were copied or removed by hand.

    Example: kpfnb runs site
    """
    from kpfnb.adap.pages import dataset_list
    from kpfnb.core.settings import load_settings
    from kpfnb.core.text import format_count
    from kpfnb.kpf.verdict import pages
    from kpfnb.runs.site import rebuild_stale

    settings = load_settings()
    pages.write_calendar_page(settings)
    dataset_list.write_dataset_pages()
    days = rebuild_stale(settings.runs_dir)
    print(f"{settings.runs_dir / 'index.html'}: {format_count(len(days), 'day')} rebuilt")


def parse_parameters(files: list[Path] | None, pairs: list[str] | None) -> dict[str, Any]:
    """The parameters in files and in name=value pairs; later ones override earlier ones."""
    from kpfnb.notebook.parameter_sets import load_parameter_file

    parameters: dict[str, Any] = {}
    for file in files or []:
        parameters |= load_parameter_file(file)
    return parameters | dict(_parse_pair(text) for text in pairs or [])


def _print_runs(notebook: str, outcome: Outcome | None, limit: int, as_json: bool) -> None:
    from kpfnb import runs
    from kpfnb.core.settings import load_settings

    records = runs.list_runs(
        load_settings().runs_dir, notebook=notebook, outcome=outcome, limit=limit
    )
    if as_json:
        print_json([_run_values(record) for record in records])
        return
    if not records:
        print("No runs.")
    for record in records:
        print(_format_run(record))


def _format_run(record: RunRecord) -> str:
    from kpfnb.core.settings import load_settings
    from kpfnb.runs import formatting

    context = formatting.run_context(record, load_settings().zone)
    columns = f"{context['sign']} {context['word']:<9}  {record.id}  {context['started']}"
    return f"{columns}  {context['duration']:>12}  {record.notebook}: {record.reason}".rstrip(": ")


def _print_run(record: RunRecord, *, as_json: bool) -> None:
    from kpfnb.runs import formatting

    if as_json:
        print_json(_run_values(record))
        return
    word = formatting.outcome_word(record)
    print(
        f"{formatting.OUTCOME_SIGNS[word]} {record.notebook} {word}: {record.reason}".rstrip(": ")
    )
    if message := formatting.remaining_error_text(record):
        print(message)
    for name, value in record.figures.items():
        print(f"  {name}: {formatting.format_value(value)}")
    if report := _run_file(record, "report.html"):
        print(f"report: {report}")


def _print_details(record: RunRecord) -> None:
    from kpfnb.runs import formatting

    print(f"took: {formatting.format_run_duration(record.seconds)}, from {record.started} (UTC)")
    for name, value in record.parameters.items():
        print(f"  {name} = {formatting.format_value(value)}")
    print(f"directory: {record.directory}")
    if file := _run_file(record, "log.txt"):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        print(f"log, the last {min(LOG_LINES, len(lines))} of {len(lines)} lines:")
        print("\n".join(f"  {line}" for line in lines[-LOG_LINES:]))


def _run_values(record: RunRecord) -> dict[str, Any]:
    paths = {
        "directory": str(record.directory),
        "report": str(_run_file(record, "report.html") or ""),
    }
    return {**record.to_dict(), **paths}


def _run_file(record: RunRecord, name: str) -> Path | None:
    file = record.directory / name
    return file if record.id and file.exists() else None


def _print_progress(text: str) -> None:
    print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


def _parse_pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidParameterError(f"-p {text!r} is not a parameter", "write it as -p name=value")
    return name.strip(), value
