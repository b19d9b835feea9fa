"""Commands for PypeIt's bulk reductions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish
from kpfnb.errors import BadParameter

Config = Annotated[str, typer.Option(help="File with PypeIt parameters, or the lines themselves.")]
SilenceMinutes = Annotated[
    float, typer.Option(min=0, help="Stop PypeIt when its log is silent so long; 0: never.")
]
TimeoutMinutes = Annotated[
    float, typer.Option(min=0, help="Stop a command that takes longer; 0: never.")
]
Force = Annotated[bool, typer.Option("--force", help="Also where there is nothing to do.")]


@app.command()
def run_pypeit(
    root: Annotated[str, typer.Argument(help="Folder that has .pypeit files at any depth.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="So many at a time; else as the settings say.")
    ] = None,
    silence_minutes: SilenceMinutes = 30,
    timeout_minutes: TimeoutMinutes = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run PypeIt on every .pypeit file below a folder, where it lies; several at a time.

    Example: kpfnb run-pypeit /data/adap --workers 4
    """
    from kpfnb.adap.reducing import pypeitfiles

    result = pypeitfiles.run(
        root,
        workers=workers,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
        force=force,
        dry_run=dry_run,
        progress=not as_json,
    )
    finish(result, as_json=as_json)


@app.command()
def reduce(
    raw: Annotated[
        str,
        typer.Argument(
            help="Folder of raw frames, or a dataset on the remote (mask/config/date); "
            "without it, the Kast example frames."
        ),
    ] = "",
    output: Annotated[
        str, typer.Argument(help="Folder of the reduction; without it, one in the work directory.")
    ] = "",
    spectrograph: Annotated[
        str, typer.Option("--spectrograph", "-s", help="PypeIt's name of it, as keck_deimos.")
    ] = "",
    setup: Annotated[str, typer.Option(help="Setup to reduce: A, or A,B, or all.")] = "all",
    config: Config = "",
    silence_minutes: SilenceMinutes = 30,
    timeout_minutes: TimeoutMinutes = 0,
    force: Force = False,
    custom: Annotated[
        str, typer.Option(help="Dataset: folder of datasets' own parameter and reduction files.")
    ] = "",
    exclude: Annotated[
        str, typer.Option(help="Dataset: file that names frames not to be used.")
    ] = "",
    keep: Annotated[bool, typer.Option(help="Dataset: leave the local copy.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Reduce one dataset with PypeIt and judge its products.

    A folder is reduced where it is. A dataset is brought here, trimmed, reduced, scored and put
    onto the remote and its backup, as `kpfnb worker reduce` does with those of a queue.

    Example: kpfnb reduce /data/night1/raw --spectrograph shane_kast_blue
    """
    from kpfnb.adap import dataset
    from kpfnb.adap.reducing import chain, reduction

    if dataset.names_of([raw]) and not Path(raw).exists():
        if output or setup != "all" or config:
            raise BadParameter(
                "output, setup and config are for folders",
                "a dataset's own parameters are in a file of the folder that custom names",
            )
        wanted = chain.order(
            spectrograph or "keck_deimos",
            custom=custom,
            exclude=exclude,
            keep=keep,
            silence_minutes=silence_minutes,
            timeout_minutes=timeout_minutes,
            force=force,
        )
        made = chain.run(raw, wanted, dry_run=dry_run, progress=not as_json)
        finish(made, as_json=as_json)
    result = reduction.run(
        raw,
        output,
        spectrograph=spectrograph,
        setup=setup,
        config=config,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
        force=force,
        dry_run=dry_run,
        progress=not as_json,
    )
    finish(result, as_json=as_json)
