"""`kpfnb run` and `kpfnb runs`: run a notebook; list and show what has run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.commands import CommandGroup
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

NotebookFilter = Annotated[str, typer.Option("--notebook", help="Only runs of that notebook.")]
OutcomeFilter = Annotated[
    Outcome | None, typer.Option("--outcome", help="Only runs that ended so.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]

Parameters = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", help="A parameter, as name=value.")
]
ParameterFiles = Annotated[
    list[Path] | None, typer.Option("-f", "--file", help="A parameter set, as YAML.")
]


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="Name of a notebook, or the path of one.")],
    parameter: Parameters = None,
    file: ParameterFiles = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Stop it after [s].")] = None,
) -> None:
    """Run a notebook without a screen: executed notebook, report, result and log are kept.

    Parameters given with -p win over those in files. The exit code is the outcome's.

    Example: kpfnb run progress -p start=20240101 -p end=20240131
    """
    from kpfnb.core import logs
    from kpfnb.notebook import runner

    logs.log_to_console()
    is_told = sys.stderr.isatty() and not as_json
    record = runner.run_notebook(
        name,
        parse_parameters(file, parameter),
        dry_run=dry_run,
        timeout_seconds=timeout,
        echo=_print_progress if is_told else None,
    )
    if is_told:
        # The line is free again
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
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of a run, or its beginning.")],
    as_json: Json = False,
) -> None:
    """Show one run: how it ended, its figures, its files, and the last lines of its log.

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
    """Remove old runs. Failed, crashed and partial ones stay four times as long as good ones.

    What always stays: what runs, the last run of each notebook and its last good one, and what the
    page of a pipeline that stays leads to.

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
    """Bring the pages below runs/ up to date: runs, pipelines, nights and datasets.

    What runs here does so by itself; after runs were copied or removed by hand, this does.

    Example: kpfnb runs site
    """
    from kpfnb.adap.pages import dataset_list
    from kpfnb.core import settings
    from kpfnb.kpf.verdict import pages
    from kpfnb.runs import site as index

    here = settings.load_settings()
    pages.write_calendar_page(here)
    dataset_list.write_dataset_pages()
    behind = index.rebuild_stale(here.runs_dir)
    print(f"{here.runs_dir / 'index.html'}: {len(behind)} days were behind")


def parse_parameters(files: list[Path] | None, pairs: list[str] | None) -> dict[str, Any]:
    """The parameters in files and in name=value pairs; a later one wins."""
    from kpfnb.notebook.parameter_sets import load_parameter_file

    given: dict[str, Any] = {}
    for file in files or []:
        given |= load_parameter_file(file)
    return given | dict(_parse_pair(text) for text in pairs or [])


def _print_runs(notebook: str, outcome: Outcome | None, limit: int, as_json: bool) -> None:
    from kpfnb import runs
    from kpfnb.core import settings

    records = runs.list_runs(
        settings.load_settings().runs_dir, notebook=notebook, outcome=outcome, limit=limit
    )
    if as_json:
        print_json([_run_values(one) for one in records])
        return
    if not records:
        print("No such run.")
    for record in records:
        print(_format_run(record))


def _format_run(record: RunRecord) -> str:
    from kpfnb.core import settings
    from kpfnb.runs import formatting

    seen = formatting.run_context(record, settings.load_settings().zone)
    columns = f"{seen['sign']} {seen['word']:<9}  {record.id}  {seen['started']}"
    return f"{columns}  {seen['duration']:>12}  {record.notebook}: {record.reason}".rstrip(": ")


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
    places = {
        "directory": str(record.directory),
        "report": str(_run_file(record, "report.html") or ""),
    }
    return {**record.to_dict(), **places}


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
