"""`kpfnb scorecard`: how good reductions are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish, print_json
from kpfnb.cli.overview import Commands

scorecard_app = typer.Typer(
    cls=Commands,
    help="How good reductions are: frame by frame, slit by slit.",
    no_args_is_help=True,
)
app.add_typer(scorecard_app, name="scorecard")

Folders = Annotated[
    list[Path],
    typer.Argument(help="Reductions (complete/reduce), datasets, or folders of datasets."),
]
LimitsFile = Annotated[str, typer.Option("--limits", help="YAML file of limits, and exceptions.")]


@scorecard_app.callback()
def _group() -> None:
    """How good reductions are: frame by frame, slit by slit."""


@scorecard_app.command()
def score(
    folders: Folders, limits: LimitsFile = "", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Write scorecard.csv and bad_slits.csv beside each reduction.

    Example: kpfnb scorecard score work/datasets --limits limits.yml
    """
    from kpfnb.adap.scoring import scorecards

    result = scorecards.run(folders, limits=limits, dry_run=dry_run, progress=not as_json)
    finish(result, as_json=as_json)


@scorecard_app.command()
def page(
    folders: Folders,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page; one file with all that is in it.")
    ] = Path("scorecard.html"),
    limits: LimitsFile = "",
    as_json: Json = False,
) -> None:
    """Score reductions, and write a page: tables, histograms, worst slits, trend.

    Example: kpfnb scorecard page work/datasets -o scorecard.html
    """
    from kpfnb.adap.scoring import scorecards

    scores = scorecards.run(folders, limits=limits, progress=not as_json)
    made = scores.page(output)
    if not as_json:
        print(f"page: {made}")
    finish(scores, as_json=as_json)


@scorecard_app.command()
def publish(
    folders: Folders,
    latest_days: Annotated[
        int, typer.Option(min=0, help="Days that a row of `latest` may be older than the new ones.")
    ] = 5,
    limits: LimitsFile = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Score reductions, and write them into the sheet: the setting sheet, or work/workbook.

    Example: kpfnb scorecard publish work/datasets --dry-run
    """

    from kpfnb.adap.scoring import scorecards, scoresheet

    scores = scorecards.run(folders, limits=limits, dry_run=dry_run, progress=not as_json)
    told = scoresheet.publish(scores.cards, latest_days=latest_days, dry_run=dry_run)
    if as_json:
        print_json({**scores.to_dict(), "sheet": told.to_dict()})
    else:
        print(scores, told, sep="\n\n")
    raise typer.Exit(scores.outcome.exit_code)
