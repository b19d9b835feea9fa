"""The command that runs the DRP again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish


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
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run the DRP over what is not done yet; an observation is judged by its products.

    Example: kpfnb reprocess 20240101:20240131 --version 2.9 --ncpus 50 --nice 10
    """
    from kpfnb.kpf import reprocess as work

    result = work.run(
        [*(targets or ()), *(lists or ())],
        start=start,
        end=end,
        version=version,
        ncpus=ncpus,
        force=force,
        delete=delete,
        order="forward" if forward else "newest",
        nice=nice,
        silence_seconds=silence,
        dry_run=dry_run,
    )
    finish(result, as_json=as_json)
