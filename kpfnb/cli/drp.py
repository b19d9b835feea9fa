"""Commands for KPF: progress and touch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish, print_json
from kpfnb.kpf.obsid import KPF


@app.command()
def progress(
    start: Annotated[str, typer.Argument(help="Night as YYYYMMDD (UT).")],
    end: Annotated[
        str,
        typer.Argument(help="Last night; earlier than START: newest first.", show_default=False),
    ] = "",
    print_files: Annotated[
        bool, typer.Option("--print-files", help="List the L0 files that lack a level.")
    ] = False,
    print_files_2d: Annotated[
        bool, typer.Option("--print-files-2d", help="List the missing 2D files and why.")
    ] = False,
    print_files_l1: Annotated[
        bool, typer.Option("--print-files-l1", help="List the missing L1 files and why.")
    ] = False,
    print_files_l2: Annotated[
        bool, typer.Option("--print-files-l2", help="List the missing L2 files and why.")
    ] = False,
    touch_files: Annotated[
        bool, typer.Option("--touch-files", help="Touch the L0 files that lack a level.")
    ] = False,
    check_version: Annotated[
        bool, typer.Option("--check-version", help="Ask for the newest DRPTAG in the range.")
    ] = False,
    current_version: Annotated[
        str, typer.Option(help="Ask for this DRP version or a later one, such as 2.5.")
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Look at every file, whatever the index knows.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show how far the processing of a night or a range of nights is.

    Example: kpfnb progress 20231231 20230101 --current-version 2.5 --print-files
    """
    from kpfnb.kpf import progress as progresses
    from kpfnb.kpf import progresstable

    found = progresses.assess(
        start, end, version=current_version, check_version=check_version, fresh=fresh
    )
    if as_json:
        touched = progresses.touch_missing(found, dry_run=dry_run) if touch_files else None
        extra = {"touch": touched.to_dict()} if touched else {}
        print_json({**found.to_dict(), **extra})
        raise typer.Exit((touched or found).outcome.exit_code)
    print(found)
    wanted = dict(zip(KPF.products, (print_files_2d, print_files_l1, print_files_l2), strict=True))
    for level in filter(wanted.get, wanted):
        _print_list(f"{level} files", progresstable.missing_lines(found, level))
    if print_files:
        _print_list("L0 files that lack a level", list(map(str, found.missing_l0)))
    if touch_files:
        print()
        finish(progresses.touch_missing(found, dry_run=dry_run))


@app.command()
def touch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Observations, of any level, with or without .fits."),
    ] = None,
    file: Annotated[
        list[Path] | None, typer.Option("-f", "--file", help="CSV with names in column one.")
    ] = None,
    directory: Annotated[
        list[Path] | None, typer.Option("-d", "--directory", help="Every observation in it.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option("-p", "--path", help="L0 path, if not the one in the data root."),
    ] = None,
    interval: Annotated[
        float, typer.Option("-s", "--interval", help="Seconds between two touches.")
    ] = 0.2,
    echo: Annotated[bool, typer.Option("-e", "--echo", help="The same as --dry-run.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Touch files slowly, so that a watching DRP processes them again; nothing is ever made.

    Example: kpfnb touch KP.20230623.12345.67.fits -f filenames.csv -s 0.5
    """
    from kpfnb.errors import BadParameter
    from kpfnb.kpf import touch as touches

    if not (names or file or directory):
        raise BadParameter("nothing to touch is named", "give names, -f LIST.csv or -d DIRECTORY")
    result = touches.run(
        names or (),
        files=file or (),
        directories=directory or (),
        path=path,
        interval_seconds=interval,
        dry_run=dry_run or echo,
    )
    finish(result, as_json=as_json)


def _print_list(title: str, lines: list[str]) -> None:
    print(f"\n{title}:", *lines or ["none"], sep="\n")
