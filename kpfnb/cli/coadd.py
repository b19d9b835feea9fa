"""`kpfnb coadd`: spectra and images of reduced datasets."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish
from kpfnb.cli.adap import Config, Force, SilenceMinutes, TimeoutMinutes


@app.command()
def coadd(
    item: Annotated[
        str, typer.Argument(help="mask/config or mask/config/date, or the path of its folder.")
    ],
    root: Annotated[
        str, typer.Option(help="Folder of the datasets; by default that in the work directory.")
    ] = "",
    only: Annotated[str, typer.Option(help="1d: spectra only; 2d: images only.")] = "",
    output: Annotated[
        str, typer.Option(help="Folder of the coadds; by default the configuration or the date.")
    ] = "",
    flux: Annotated[
        str, typer.Option(help="Sensitivity function from: auto, archive, standard or none.")
    ] = "auto",
    config: Config = "",
    custom: Annotated[
        str, typer.Option(help="Folder of files named mask_config[_date].collate1d, .coadd2d.")
    ] = "",
    silence_minutes: SilenceMinutes = 30,
    timeout_minutes: TimeoutMinutes = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Calibrate and coadd the spectra of each object, and stack the images of each target.

    Example: kpfnb coadd 041615B1/1200G_8800_OG550 --root /data/adap --dry-run
    """
    from kpfnb.adap.coadding import coadds

    result = coadds.run(
        item,
        root,
        kinds=(only,) if only else ("1d", "2d"),
        output=output,
        flux=flux,
        config=config,
        custom=custom,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
        force=force,
        dry_run=dry_run,
        progress=not as_json,
    )
    finish(result, as_json=as_json)
