"""Commands that prepare raw frames for PypeIt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_and_exit

prepare_app = typer.Typer(
    cls=CommandGroup,
    help="Prepare raw frames for PypeIt: sort them, fix headers, trim setups.",
    no_args_is_help=True,
)
app.add_typer(prepare_app, name="prepare")

Spectrograph = Annotated[
    str, typer.Option("--spectrograph", "-s", help="Name of a profile, or the path of one.")
]


@prepare_app.command()
def frames(
    raw: Annotated[list[Path], typer.Argument(help="Directories of raw frames, at any depth.")],
    root: Annotated[Path, typer.Argument(help="The directory of the datasets.")],
    spectrograph: Spectrograph,
    how: Annotated[str, typer.Option("--mode", "--how", help="copy, move or symlink.")] = "copy",
    date_window: Annotated[
        float, typer.Option(help="Nights with a gap up to this [days] belong together.")
    ] = 3.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sort raw frames into mask/config/date[_date]/{complete,incomplete}/raw.

    Example: kpfnb prepare frames /data/incoming /data/adap -s keck_deimos --mode move --dry-run
    """
    from kpfnb.adap.prepare import sort_frames

    result = sort_frames.sort_frames(
        raw,
        root,
        spectrograph=spectrograph,
        how=how,
        window_days=date_window,
        dry_run=dry_run,
        progress=not as_json,
    )
    print_and_exit(result, as_json=as_json)


@prepare_app.command()
def headers(
    fixes: Annotated[Path, typer.Argument(help="YAML list of files with their new values.")],
    folder: Annotated[
        str, typer.Option(help="Directory of the files, instead of that in the list.")
    ] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fix headers from a list; originals are kept, a COMMENT card records each change.

    A list is: folder: raw, and files: {DE.20030401.36154.fits: {RA: 189.142, TARGNAME: goods1}}

    Example: kpfnb prepare headers fixes.yml --dry-run
    """
    from kpfnb.adap.prepare import header_fixes

    result = header_fixes.fix_headers(fixes, folder=folder, dry_run=dry_run, progress=not as_json)
    print_and_exit(result, as_json=as_json)


@prepare_app.command()
def trim(
    root: Annotated[Path, typer.Argument(help="The directory of the datasets.")],
    spectrograph: Spectrograph,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(help="Datasets, mask/config/date; default: all complete ones."),
    ] = None,
    custom: Annotated[
        str,
        typer.Option(help="Directory of <mask>_<config>_<date>_<reduce...>.ini or .pypeit files."),
    ] = "",
    exclude: Annotated[
        str, typer.Option(help="File with names of frames not to use, one a line.")
    ] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write trimmed .pypeit files, with the latest of the best calibrations.

    Example: kpfnb prepare trim /data/adap -s keck_deimos --custom config --exclude bad.txt
    """
    from kpfnb.adap.prepare import trim_many

    result = trim_many.trim_datasets(
        root,
        datasets or (),
        spectrograph=spectrograph,
        custom=custom,
        exclude=exclude,
        dry_run=dry_run,
        progress=not as_json,
    )
    print_and_exit(result, as_json=as_json)
