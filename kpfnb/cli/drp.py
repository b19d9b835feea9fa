"""Commands for KPF and its data reduction pipeline (DRP): reprocess, progress and touch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.nights import EndNight, StartNight, parse_night, parse_targets
from kpfnb.kpf.files.obsid import KPF

if TYPE_CHECKING:
    from kpfnb.kpf.progress.result import ProgressResult
    from kpfnb.kpf.progress.touch import TouchResult


@app.command()
def reprocess(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Nights (20240101, last), ranges (20240101:20240131), observations, lists, "
            "directories.",
            callback=parse_targets,
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(help="First night of a range, YYYYMMDD (UT) or last.", callback=parse_night),
    ] = "",
    end: Annotated[str, typer.Option(help="Last night of the range.", callback=parse_night)] = "",
    lists: Annotated[
        list[Path] | None,
        typer.Option("--list", help="Text or CSV file with observations in column one."),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option("--object", help="Only this OBJECT or TARGNAME; HD* is every HD star."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source", help="Only this source type: Star, Sun, Etalon, Bias, Arclamp, ..."
        ),
    ] = None,
    masters: Annotated[
        bool, typer.Option("--masters", help="Make the nights' masters instead of 2D, L1, L2.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue with the nights that the last run did not finish."),
    ] = False,
    log: Annotated[
        bool, typer.Option("--log", help="Only show the night log, from --start to --end.")
    ] = False,
    version: Annotated[
        str, typer.Option(help="Make products of an earlier DRP version again.")
    ] = "",
    ncpus: Annotated[int | None, typer.Option(help="Processes of the DRP.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Process finished observations too.")
    ] = False,
    delete: Annotated[
        bool,
        typer.Option("--delete", help="Remove old products once the new ones are good."),
    ] = False,
    oldest_first: Annotated[
        bool,
        typer.Option("--oldest-first", "--forward", help="Oldest first, instead of newest first."),
    ] = False,
    nice: Annotated[int, typer.Option(help="Niceness to add to the DRP's, 0 to 19.")] = 0,
    stall_timeout: Annotated[
        float,
        typer.Option(
            "--stall-timeout", "--silence", help="Stop a DRP without new products after this [s]."
        ),
    ] = 1800,
    lock_timeout: Annotated[
        float,
        typer.Option(
            "--lock-timeout",
            "--wait",
            min=0,
            help="Wait this long [s] for another run, or the watcher, to finish.",
        ),
    ] = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run the DRP over all observations that are not done, and check their products.

    Example: kpfnb reprocess 20240101:20240131 --object "HD 10700" --version 2.9 --ncpus 50
    """
    if log:
        from kpfnb.kpf.reprocess.night_log import load_night_log

        nights = load_night_log(start, end)
        if as_json:
            print_json(nights.to_dict())
        else:
            print(nights)
        return
    from kpfnb.kpf.reprocess.plan import ReprocessOptions

    options = ReprocessOptions(
        targets=[*(targets or ()), *(lists or ())],
        objects=objects or (),
        sources=sources or (),
        start=start,
        end=end,
        resume=resume,
        version=version,
        ncpus=ncpus,
        force=force,
        delete=delete,
        order="forward" if oldest_first else "newest",
        nice=nice,
        silence_seconds=stall_timeout,
        wait_seconds=lock_timeout,
        dry_run=dry_run,
    )
    if masters:
        from kpfnb.kpf.masters.run import make_masters

        result = make_masters(options)
    else:
        from kpfnb.kpf.reprocess.run import reprocess_observations

        result = reprocess_observations(options)
    print_and_exit(result, as_json=as_json)


@app.command()
def progress(
    start: StartNight,
    end: EndNight = "",
    print_files: Annotated[
        bool, typer.Option("--print-files", help="List the L0 files of incomplete observations.")
    ] = False,
    print_files_2d: Annotated[
        bool, typer.Option("--print-files-2d", help="List missing 2D files and reasons.")
    ] = False,
    print_files_l1: Annotated[
        bool, typer.Option("--print-files-l1", help="List missing L1 files and reasons.")
    ] = False,
    print_files_l2: Annotated[
        bool, typer.Option("--print-files-l2", help="List missing L2 files and reasons.")
    ] = False,
    touch_files: Annotated[
        bool, typer.Option("--touch-files", help="Touch the L0 files of incomplete observations.")
    ] = False,
    check_version: Annotated[
        bool, typer.Option("--check-version", help="Require the newest DRPTAG in the range.")
    ] = False,
    current_version: Annotated[
        str, typer.Option(help="Require this DRP version or a later one, such as 2.5.")
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Scan every file, without the index.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show how far the processing of a night or a range of nights is.

    Example: kpfnb progress 20231231 20230101 --current-version 2.5 --print-files
    """
    from kpfnb.kpf.progress.result import assess_progress
    from kpfnb.kpf.progress.tables import format_missing_lines

    result = assess_progress(
        start, end, version=current_version, check_version=check_version, fresh=fresh
    )
    if as_json:
        touch_result = _touch_missing(result, dry_run=dry_run) if touch_files else None
        extra = {"touch": touch_result.to_dict()} if touch_result else {}
        print_json({**result.to_dict(), **extra})
        raise typer.Exit((touch_result or result).outcome.exit_code)
    print(result)
    requested_levels = dict(
        zip(KPF.products, (print_files_2d, print_files_l1, print_files_l2), strict=True)
    )
    for level in filter(requested_levels.get, requested_levels):
        _print_lines(f"{level} files", format_missing_lines(result.missing, level, result.root))
    if print_files:
        _print_lines("L0 files of incomplete observations", list(map(str, result.missing_l0)))
    if touch_files:
        print()
        print_and_exit(_touch_missing(result, dry_run=dry_run))
    raise typer.Exit(result.outcome.exit_code)


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
        list[Path] | None,
        typer.Option("-d", "--directory", help="Directory: all observations in it."),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option("-p", "--path", help="L0 directory, if not that of the data root."),
    ] = None,
    interval: Annotated[
        float, typer.Option("-s", "--interval", help="Seconds between two touches.")
    ] = 0.2,
    echo: Annotated[bool, typer.Option("-e", "--echo", help="The same as --dry-run.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Touch files slowly, so that a watching DRP processes them again; none is created.

    Example: kpfnb touch KP.20230623.12345.67.fits -f filenames.csv -s 0.5
    """
    from kpfnb.core.errors import InvalidParameterError
    from kpfnb.kpf.progress.touch import touch_files

    if not (names or file or directory):
        raise InvalidParameterError(
            "no files to touch are given", "give names, -f LIST.csv or -d DIRECTORY"
        )
    result = touch_files(
        names or (),
        files=file or (),
        directories=directory or (),
        path=path,
        interval_seconds=interval,
        dry_run=dry_run or echo,
    )
    print_and_exit(result, as_json=as_json)


def _touch_missing(result: ProgressResult, *, dry_run: bool) -> TouchResult:
    from kpfnb.kpf.progress.touch import touch_missing

    return touch_missing(result, dry_run=dry_run)


def _print_lines(title: str, lines: list[str]) -> None:
    print(f"\n{title}:", *lines or ["none"], sep="\n")
