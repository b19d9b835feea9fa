"""Commands for the time-series database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.commands import CommandGroup

if TYPE_CHECKING:
    from kpfnb.kpf.tsdb.maintenance import DatabaseCheckResult, DatabaseStatus


# `kpfnb timeseries`: the pages of the time series.


@app.command()
def timeseries(
    interval: Annotated[
        str, typer.Option(help="day, month, year, decade or all; all with --start: a free range.")
    ] = "day",
    start: Annotated[
        str, typer.Option(help="Night as YYYYMMDD (UT); if none, that of the newest data.")
    ] = "",
    end: Annotated[str, typer.Option(help="Last night; if none, only the period of START.")] = "",
    panel: Annotated[
        list[str] | None, typer.Option(help="Only this panel, or this group; may be repeated.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Draw also where nothing has changed since.")
    ] = False,
    list_panels: Annotated[
        bool, typer.Option("--list", help="List the panels, and draw nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw the standard panels of the time series, and their pages.

    Example: kpfnb timeseries --interval month --start 20240101 --end 20240630
    """
    from kpfnb.core.errors import InvalidParameterError
    from kpfnb.kpf.timeseries.period import PeriodInterval

    if list_panels:
        _list_panels(panel or [], as_json=as_json)
        return
    if interval not in list(PeriodInterval):
        raise InvalidParameterError(f"interval {interval!r}", f"known: {', '.join(PeriodInterval)}")
    from kpfnb.kpf.timeseries import render

    done = render.render_interval(interval, start, end, panels=panel or (), force=force)
    print_and_exit(done, as_json=as_json)


def _list_panels(names: list[str], *, as_json: bool) -> None:
    from kpfnb.kpf.tsdb.plots import panel as definitions

    panels = definitions.choose_panels(names)
    if as_json:
        rows = [one.model_dump(include={"name", "group", "title"}) for one in panels.values()]
        print_json(rows)
        return
    for one in panels.values():
        print(f"{one.group:<11} {one.name:<28} {one.title}")
    print(f"{len(panels)} panels")


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
    start: Annotated[str, typer.Argument(help="Night as YYYYMMDD (UT).")],
    end: Annotated[
        str,
        typer.Argument(help="Last night; earlier than START: newest first.", show_default=False),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Read every file again, changed or not.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ingest a night or a range of nights into the time-series database: only what has changed.

    Example: kpfnb ingest 20240101 20240131
    """
    from kpfnb.kpf.tsdb import ingest as work

    print_and_exit(work.ingest_nights(start, end, force=force), as_json=as_json)


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
        found = catalogue.search_keywords(connection, pattern)
    if as_json:
        print_json([entry.to_dict() for entry in found])
        return
    levels: dict[str, list[str]] = {}
    for entry in found:
        levels.setdefault(entry.keyword.name, []).append(entry.keyword.level)
    first = {entry.keyword.name: entry for entry in reversed(found)}
    for name, where in levels.items():
        unit = f"[{first[name].unit}] " if first[name].unit else ""
        described = f"{first[name].kind:<5}  {unit}{first[name].description}"
        print(f"{' '.join(where):<11}  {name:<24} {described}")
    print(f"{len(levels)} keywords")


@tsdb_app.command()
def problems(as_json: Json = False) -> None:
    """Show what is wrong with files: those refused, and what was odd in those taken.

    Example: kpfnb tsdb problems
    """
    from kpfnb.kpf.tsdb import maintenance

    rows = maintenance.summarize_problems().to_dict("records")
    if as_json:
        print_json(rows)
        return
    for row in rows:
        verdict = "refused" if row["refused"] else "taken"
        print(f"{row['files']:>7} {verdict:<7}  {row['reason']}: {row['detail']}".rstrip(": "))
        print(f"{'':17}{row['first']} to {row['last']}, such as {row['example']}")
    print(f"{sum(row['files'] for row in rows)} problems")


@tsdb_app.command()
def status(as_json: Json = False) -> None:
    """Show how the database stands: rows, nights, last change, problems, size.

    Example: kpfnb tsdb status
    """
    from kpfnb.kpf.tsdb import maintenance

    _print_and_exit(maintenance.read_status(), as_json=as_json)


@tsdb_app.command()
def check(
    start: Annotated[str, typer.Argument(help="Night as YYYYMMDD (UT); all if none.")] = "",
    end: Annotated[str, typer.Argument(help="Last night.")] = "",
    as_json: Json = False,
) -> None:
    """Compare disk and database: what is missing or stale.

    Example: kpfnb tsdb check 20240101 20240131
    """
    from kpfnb.kpf.tsdb import maintenance

    _print_and_exit(maintenance.check_database(start, end or start), as_json=as_json)


@tsdb_app.command()
def delete(
    start: Annotated[str, typer.Argument(help="Night as YYYYMMDD (UT).")],
    end: Annotated[str, typer.Argument(help="Last night.")] = "",
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
        print(f"{len(nights)} nights {'would be ' if dry_run else ''}deleted", *nights)


@tsdb_app.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Write the whole database into one file; others may go on writing.

    Example: kpfnb tsdb backup tsdb-20240131.backup
    """
    from kpfnb.kpf.tsdb import backup as backups

    print(backups.write_backup(file))


@tsdb_app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="What the database holds now may be lost.")
    ] = False,
) -> None:
    """Make the database what it was when it was backed up.

    Example: kpfnb tsdb restore tsdb-20240131.backup --replace
    """
    from kpfnb.kpf.tsdb import backup as backups

    backups.restore_backup(file, replace=replace)
    print(f"restored from {file}")


@tsdb_app.command("add-reader")
def add_reader(name: Annotated[str, typer.Argument(help="Name of the role.")]) -> None:
    """Make a PostgreSQL role that may read all and change nothing, or change its password.

    The password is asked for, or taken from the environment (KPFNB_READER_PASSWORD).

    Example: kpfnb tsdb add-reader plots
    """
    from pydantic import SecretStr

    from kpfnb.kpf.tsdb import backup as backups

    password = os.environ.get("KPFNB_READER_PASSWORD") or typer.prompt("Password", hide_input=True)
    backups.add_reader(name, SecretStr(password))
    print(f"{name} may read")


def _print_and_exit(found: DatabaseStatus | DatabaseCheckResult, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json(found.to_dict())
    else:
        print(found)
    raise typer.Exit(found.outcome.exit_code)
