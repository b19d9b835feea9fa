"""Commands for reductions with PypeIt: reduce, run-pypeit, scorecard and coadd."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_and_exit, print_json
from kpfnb.core.errors import InvalidParameterError

scorecard_app = typer.Typer(
    cls=CommandGroup,
    help="How good reductions are: frame by frame, slit by slit.",
    no_args_is_help=True,
)
app.add_typer(scorecard_app, name="scorecard")

ReductionFolders = Annotated[
    list[Path],
    typer.Argument(help="Reductions (complete/reduce), datasets, or directories of datasets."),
]
LimitsFile = Annotated[str, typer.Option("--limits", help="YAML file of limits.")]


@scorecard_app.callback()
def _scorecard_group() -> None:
    """How good reductions are: frame by frame, slit by slit."""


@scorecard_app.command()
def score(
    folders: ReductionFolders,
    limits: LimitsFile = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write scorecard.csv and bad_slits.csv beside each reduction.

    Example: kpfnb scorecard score work/datasets --limits limits.yml
    """
    from kpfnb.adap.score.run import score_reductions

    result = score_reductions(folders, limits=limits, dry_run=dry_run, progress=not as_json)
    print_and_exit(result, as_json=as_json)


@scorecard_app.command()
def page(
    folders: ReductionFolders,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page: one file with its pictures.")
    ] = Path("scorecard.html"),
    limits: LimitsFile = "",
    as_json: Json = False,
) -> None:
    """Score reductions, and write a page: tables, histograms, worst slits, trend.

    Example: kpfnb scorecard page work/datasets -o scorecard.html
    """
    from kpfnb.adap.score.page import write_page
    from kpfnb.adap.score.run import score_reductions

    result = score_reductions(folders, limits=limits, progress=not as_json)
    path = write_page(result, output)
    if not as_json:
        print(f"page: {path}")
    print_and_exit(result, as_json=as_json)


@scorecard_app.command()
def publish(
    folders: ReductionFolders,
    latest_days: Annotated[
        int,
        typer.Option(
            min=0,
            help="Drop rows of tab `latest` this many days older than new rows.",
        ),
    ] = 5,
    limits: LimitsFile = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Score reductions, and update the sheet (setting `sheet`, else work/workbook).

    Example: kpfnb scorecard publish work/datasets --dry-run
    """
    from kpfnb.adap.score.run import publish_scorecards, score_reductions

    result = score_reductions(folders, limits=limits, dry_run=dry_run, progress=not as_json)
    update = publish_scorecards(result.cards, latest_days=latest_days, dry_run=dry_run)
    if as_json:
        print_json({**result.to_dict(), "sheet": update.to_dict()})
    else:
        print(result, update, sep="\n\n")
    raise typer.Exit(result.outcome.exit_code)


Config = Annotated[str, typer.Option(help="File with PypeIt parameters, or the lines themselves.")]
SilenceMinutes = Annotated[
    float, typer.Option(min=0, help="Stop PypeIt when its log is silent for longer; 0: never.")
]
TimeoutMinutes = Annotated[
    float, typer.Option(min=0, help="Stop a command that takes longer; 0: never.")
]
Force = Annotated[bool, typer.Option("--force", help="Run even if there is nothing to do.")]


@app.command()
def run_pypeit(
    root: Annotated[str, typer.Argument(help="Folder with .pypeit files at any depth.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files in parallel (default: the setting workers).")
    ] = None,
    silence_minutes: SilenceMinutes = 30,
    timeout_minutes: TimeoutMinutes = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run PypeIt on every .pypeit file below a folder, several at a time.

    Example: kpfnb run-pypeit /data/adap --workers 4
    """
    from kpfnb.adap.reduce import pypeit_files
    from kpfnb.adap.reduce.job import ReductionConfig

    config = ReductionConfig(
        silence_minutes=silence_minutes, timeout_minutes=timeout_minutes, force=force
    )
    result = pypeit_files.run_pypeit_files(
        root,
        config,
        workers=workers,
        dry_run=dry_run,
        progress=not as_json,
    )
    print_and_exit(result, as_json=as_json)


@app.command()
def reduce(
    raw: Annotated[
        str,
        typer.Argument(
            help="Folder of raw frames, or a dataset on the remote (mask/config/date); "
            "default: the Kast example frames."
        ),
    ] = "",
    output: Annotated[
        str, typer.Argument(help="Folder of the reduction; default: one in the work directory.")
    ] = "",
    spectrograph: Annotated[
        str, typer.Option("--spectrograph", "-s", help="PypeIt's name of it, such as keck_deimos.")
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
        str, typer.Option(help="Dataset: file with the names of frames not to use.")
    ] = "",
    keep: Annotated[
        bool, typer.Option("--keep-local", "--keep", help="Dataset: keep the local copy.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Reduce one dataset with PypeIt and evaluate its products.

    A folder of raw frames is reduced as it is. A dataset is downloaded, trimmed, reduced, scored,
    and uploaded to the remote and its backup, as by `kpfnb worker reduce` for queued datasets.

    Example: kpfnb reduce /data/night1/raw --spectrograph shane_kast_blue
    """
    from kpfnb.adap.products import dataset
    from kpfnb.adap.reduce import dataset_pipeline, run
    from kpfnb.adap.reduce.job import ReductionConfig

    is_dataset = bool(dataset.select_dataset_names([raw])) and not Path(raw).exists()
    if is_dataset and (output or setup != "all" or config):
        raise InvalidParameterError(
            "a dataset takes no OUTPUT, --setup or --config",
            "put its parameters into a file of the folder that --custom names",
        )
    reduction_config = ReductionConfig(
        spectrograph=spectrograph or ("keck_deimos" if is_dataset else ""),
        setup=setup,
        parameters=config,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
        force=force,
        custom=custom,
        exclude=exclude,
        keep=keep,
    )
    if is_dataset:
        batch = dataset_pipeline.process_dataset(
            raw, reduction_config, dry_run=dry_run, progress=not as_json
        )
        print_and_exit(batch, as_json=as_json)
    result = run.reduce_folder(raw, output, reduction_config, dry_run=dry_run, progress=not as_json)
    print_and_exit(result, as_json=as_json)


@app.command()
def coadd(
    item: Annotated[
        str, typer.Argument(help="mask/config or mask/config/date, or the path of its folder.")
    ],
    root: Annotated[
        str, typer.Option(help="Folder of the datasets; default: in the work directory.")
    ] = "",
    only: Annotated[str, typer.Option(help="1d: spectra only; 2d: images only.")] = "",
    output: Annotated[
        str, typer.Option(help="Folder of the coadds; default: the configuration or the date.")
    ] = "",
    flux: Annotated[
        str, typer.Option(help="Source of the sensitivity function: auto, archive, standard, none.")
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
    from kpfnb.adap.coadd import run
    from kpfnb.adap.coadd.task import CoaddConfig

    coadd_config = CoaddConfig(
        flux=flux,
        parameters=config,
        custom=custom,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
        force=force,
    )
    result = run.coadd_item(
        item,
        root,
        coadd_config,
        kinds=(only,) if only else ("1d", "2d"),
        output=output,
        dry_run=dry_run,
        progress=not as_json,
    )
    print_and_exit(result, as_json=as_json)
