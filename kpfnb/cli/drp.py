"""Commands for KPF: progress and touch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.kpf.files.obsid import KPF

# The command that runs the DRP again.


@app.command()
def reprocess(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Nights (20240101), ranges (20240101:20240131), observations, lists, directories."
        ),
    ] = None,
    start: Annotated[str, typer.Option(help="First night of a range, YYYYMMDD (UT).")] = "",
    end: Annotated[str, typer.Option(help="Last night of the range.")] = "",
    lists: Annotated[
        list[Path] | None,
        typer.Option("--list", help="Text or CSV file with observations in column one."),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option("--object", help="Only of this OBJECT or TARGNAME; HD* is all of HD."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Only of this kind: Star, Sun, Etalon, Bias, Arclamp, ..."),
    ] = None,
    masters: Annotated[
        bool, typer.Option("--masters", help="Make the nights' masters instead of 2D, L1, L2.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the nights that the last run left.")
    ] = False,
    log: Annotated[
        bool, typer.Option("--log", help="Only show the night log (from --start to --end).")
    ] = False,
    version: Annotated[
        str, typer.Option(help="Products of an earlier DRP version are made anew.")
    ] = "",
    ncpus: Annotated[int | None, typer.Option(help="Processes of the DRP.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Process what is done too.")] = False,
    delete: Annotated[
        bool,
        typer.Option("--delete", help="Remove old products, once the new ones are there and good."),
    ] = False,
    forward: Annotated[
        bool, typer.Option("--forward", help="Oldest first, instead of newest first.")
    ] = False,
    nice: Annotated[int, typer.Option(help="Niceness to add to the DRP's, 0 to 19.")] = 0,
    silence: Annotated[
        float, typer.Option(help="Stop a DRP that made nothing new for so many seconds.")
    ] = 1800,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Wait so long [s] for another run, or the watcher, to give way."),
    ] = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run the DRP over what is not done yet; an observation is judged by its products.

    Example: kpfnb reprocess 20240101:20240131 --object "HD 10700" --version 2.9 --ncpus 50
    """
    if log:
        from kpfnb.kpf.reprocess import night_log

        found = night_log.load_night_log(start, end)
        if as_json:
            print_json(found.to_dict())
        else:
            print(found)
        return
    from kpfnb.kpf.masters import run

    result = run.reprocess_products(
        "masters" if masters else "science",
        [*(targets or ()), *(lists or ())],
        objects=objects or (),
        sources=sources or (),
        start=start,
        end=end,
        resume=resume,
        version=version,
        ncpus=ncpus,
        force=force,
        delete=delete,
        order="forward" if forward else "newest",
        nice=nice,
        silence_seconds=silence,
        wait_seconds=wait,
        dry_run=dry_run,
    )
    print_and_exit(result, as_json=as_json)


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
    from kpfnb.kpf.progress import result as progresses
    from kpfnb.kpf.progress import tables

    found = progresses.assess_progress(
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
        _print_lines(f"{level} files", tables.format_missing_lines(found.missing, level, found.root))
    if print_files:
        _print_lines("L0 files that lack a level", list(map(str, found.missing_l0)))
    if touch_files:
        print()
        print_and_exit(progresses.touch_missing(found, dry_run=dry_run))


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
    from kpfnb.core.errors import InvalidParameterError
    from kpfnb.kpf.progress import touch as touches

    if not (names or file or directory):
        raise InvalidParameterError(
            "nothing to touch is named", "give names, -f LIST.csv or -d DIRECTORY"
        )
    result = touches.touch_files(
        names or (),
        files=file or (),
        directories=directory or (),
        path=path,
        interval_seconds=interval,
        dry_run=dry_run or echo,
    )
    print_and_exit(result, as_json=as_json)


def _print_lines(title: str, lines: list[str]) -> None:
    print(f"\n{title}:", *lines or ["none"], sep="\n")
