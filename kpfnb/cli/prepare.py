"""Commands that prepare raw frames for PypeIt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish

prepare = typer.Typer(
    help="Prepare raw frames for PypeIt: places, headers, trimmed setups.", no_args_is_help=True
)
app.add_typer(prepare, name="prepare")

Spectrograph = Annotated[
    str, typer.Option("--spectrograph", "-s", help="Profile's name, or a profile file's path.")
]


@prepare.command()
def frames(
    raw: Annotated[list[Path], typer.Argument(help="Folders of raw frames, at any depth.")],
    root: Annotated[Path, typer.Argument(help="The folder of the datasets.")],
    spectrograph: Spectrograph,
    how: Annotated[str, typer.Option(help="copy, move or symlink.")] = "copy",
    date_window: Annotated[
        float, typer.Option(help="Nights so near (days) belong together.")
    ] = 3.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put raw frames into mask/config/date[_date]/{complete,incomplete}/raw.

    Example: kpfnb prepare frames /data/incoming /data/adap -s keck_deimos --how move --dry-run
    """
    from kpfnb.adap import reorganise

    result = reorganise.run(
        raw,
        root,
        spectrograph=spectrograph,
        how=how,
        window_days=date_window,
        dry_run=dry_run,
        progress=not as_json,
    )
    finish(result, as_json=as_json)
