"""The command that runs the DRP again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish, print_json


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
        from kpfnb.kpf import nightlogtable

        found = nightlogtable.look(start, end)
        if as_json:
            print_json(found.to_dict())
        else:
            print(found)
        return
    from kpfnb.kpf import processing

    result = processing.run(
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
    finish(result, as_json=as_json)
