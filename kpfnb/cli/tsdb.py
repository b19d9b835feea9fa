"""Commands for the time-series database (TSDB) and its pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.nights import EndNight, StartNight, parse_night
from kpfnb.core.text import format_count

if TYPE_CHECKING:
    from kpfnb.kpf.tsdb.maintenance import DatabaseCheckResult, DatabaseStatus


@app.command()
def timeseries(
    interval: Annotated[
        str, typer.Option(help="day, month, year, decade or all; all with --start is a free range.")
    ] = "day",
    start: Annotated[
        str,
        typer.Option(
            help="Night as YYYYMMDD (UT) or last; by default the newest night of the database.",
            callback=parse_night,
        ),
    ] = "",
    end: Annotated[
        str,
        typer.Option(help="Last night; by default only the period of START.", callback=parse_night),
    ] = "",
    panel: Annotated[
        list[str] | None, typer.Option(help="Only this panel or group; may be repeated.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also render what has not changed.")
    ] = False,
    list_panels: Annotated[
        bool, typer.Option("--list", help="List the panels; render nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Render the pages of the time series with their standard panels.

    Example: kpfnb timeseries --interval month --start 20240101 --end 20240630
    """
    from kpfnb.core.errors import InvalidParameterError
    from kpfnb.kpf.timeseries.period import PeriodInterval

    if list_panels:
        _list_panels(panel or [], as_json=as_json)
        return
    if interval not in list(PeriodInterval):
        raise InvalidParameterError(
            f"no interval {interval!r}", f"known: {', '.join(PeriodInterval)}"
        )
    from kpfnb.kpf.timeseries.render import render_interval

    result = render_interval(interval, start, end, panels=panel or (), force=force)
    print_and_exit(result, as_json=as_json)


def _list_panels(names: list[str], *, as_json: bool) -> None:
    from kpfnb.kpf.tsdb.plots.panel import choose_panels

    panels = choose_panels(names)
    if as_json:
        rows = [panel.model_dump(include={"name", "group", "title"}) for panel in panels.values()]
        print_json(rows)
        return
    for panel in panels.values():
        print(f"{panel.group:<11} {panel.name:<28} {panel.title}")
    print(format_count(len(panels), "panel"))


tsdb_app = typer.Typer(
    cls=CommandGroup,
    help="The time-series database: keywords of every observation.",
    no_args_is_help=True,
)
app.add_typer(tsdb_app, name="tsdb")


@tsdb_app.callback()
def _group() -> None:
    """The time-series database: keywords of every observation."""


@app.command()
def ingest(
    start: StartNight,
    end: EndNight = "",
    force: Annotated[
        bool, typer.Option("--force", help="Read every file again, changed or not.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ingest new and changed files of a range of nights into the time-series database.

    Example: kpfnb ingest 20240101 20240131
    """
    from kpfnb.kpf.tsdb.ingest import ingest_nights

    print_and_exit(ingest_nights(start, end, force=force), as_json=as_json)


@tsdb_app.command()
def keywords(
    pattern: Annotated[
        str, typer.Argument(help="Regular expression for name, unit or description.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Search the catalogue of keywords.

    Example: kpfnb tsdb keywords 'etalon.*temp'
    """
    from kpfnb.kpf.tsdb import catalogue, database

    with database.read_transaction() as connection:
        entries = catalogue.search_keywords(connection, pattern)
    if as_json:
        print_json([entry.to_dict() for entry in entries])
        return
    levels: dict[str, list[str]] = {}
    for entry in entries:
        levels.setdefault(entry.keyword.name, []).append(entry.keyword.level)
    first = {entry.keyword.name: entry for entry in reversed(entries)}
    for name, name_levels in levels.items():
        unit = f"[{first[name].unit}] " if first[name].unit else ""
        description = f"{first[name].kind:<5}  {unit}{first[name].description}"
        print(f"{' '.join(name_levels):<11}  {name:<24} {description}")
    print(format_count(len(levels), "keyword"))


@tsdb_app.command()
def problems(as_json: Json = False) -> None:
    """Show the problems of files: refused files, warnings about ingested ones, and notes.

    Example: kpfnb tsdb problems
    """
    from kpfnb.kpf.tsdb import maintenance

    rows = maintenance.summarize_problems().to_dict("records")
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(f"{row['files']:>7} {row['state']:<7}  {row['problem']}")
        print(f"{'':17}{row['first']} to {row['last']}, such as {row['example']}")
    notes = sum(row["files"] for row in rows if row["state"] == "note")
    problem_count = sum(row["files"] for row in rows) - notes
    print(f"{format_count(problem_count, 'problem')}, {format_count(notes, 'note')}")


@tsdb_app.command()
def status(as_json: Json = False) -> None:
    """Show the status of the database: rows, nights, last change, problems, size.

    Example: kpfnb tsdb status
    """
    from kpfnb.kpf.tsdb import maintenance

    _print_and_exit(maintenance.read_status(), as_json=as_json)


@tsdb_app.command()
def check(
    start: Annotated[
        str,
        typer.Argument(
            help="Night as YYYYMMDD (UT) or last; by default all nights.", callback=parse_night
        ),
    ] = "",
    end: EndNight = "",
    as_json: Json = False,
) -> None:
    """Compare disk and database: report missing and changed files.

    Example: kpfnb tsdb check 20240101 20240131
    """
    from kpfnb.kpf.tsdb import maintenance

    _print_and_exit(maintenance.check_database(start, end or start), as_json=as_json)


@tsdb_app.command()
def delete(
    start: StartNight,
    end: EndNight = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete nights from the database; the files on disk are not touched.

    Example: kpfnb tsdb delete 20240101 20240131 --dry-run
    """
    from kpfnb.kpf.tsdb import maintenance

    nights = maintenance.delete_nights(start, end, dry_run=dry_run)
    if as_json:
        print_json({"nights": nights, "dry_run": dry_run})
    else:
        count = format_count(len(nights), "night")
        print(f"{count} {'would be ' if dry_run else ''}deleted", *nights)


@tsdb_app.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Write a snapshot of the whole database into one file; others may write at the same time.

    Example: kpfnb tsdb backup tsdb-20240131.backup
    """
    from kpfnb.kpf.tsdb.backup import write_backup

    print(write_backup(file))


@tsdb_app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="Backup file.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite the existing database.")
    ] = False,
) -> None:
    """Restore the database from a backup.

    Example: kpfnb tsdb restore tsdb-20240131.backup --replace
    """
    from kpfnb.kpf.tsdb.backup import restore_backup

    restore_backup(file, replace=replace)
    print(f"restored from {file}")


@tsdb_app.command("add-reader")
def add_reader(name: Annotated[str, typer.Argument(help="Name of the role.")]) -> None:
    """Create a read-only PostgreSQL role, or change its password.

    The command asks for the password, or takes it from the variable KPFNB_READER_PASSWORD.

    Example: kpfnb tsdb add-reader plots
    """
    from pydantic import SecretStr

    from kpfnb.kpf.tsdb.backup import create_reader_role

    password = os.environ.get("KPFNB_READER_PASSWORD") or typer.prompt("Password", hide_input=True)
    create_reader_role(name, SecretStr(password))
    print(f"role {name} may read the database")


def _print_and_exit(result: DatabaseStatus | DatabaseCheckResult, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json(result.to_dict())
    else:
        print(result)
    raise typer.Exit(result.outcome.exit_code)
