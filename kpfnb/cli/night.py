"""The command that takes a whole night, from its raw files to its report."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app
from kpfnb.cli.pipelines import Jobs, Wait, carry_out

PIPELINE = "night"


@app.command()
def night(
    night: Annotated[
        str, typer.Argument(help="The night, YYYYMMDD (UT), or the directory of its L0 files.")
    ],
    version: Annotated[
        str, typer.Option(help="Products of an earlier DRP version are made anew.")
    ] = "",
    dry_run: DryRun = False,
    jobs: Jobs = 2,
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Make all of a night: products, quicklook, rows in the database, and its report.

    It is the pipeline `pipelines/night.yml`. Stop it at any moment; the same command goes on with
    what is lacking, and takes in what has come since.

    Example: kpfnb night 20240115
    """
    from kpfnb.kpf import rawnight

    carry_out(
        PIPELINE,
        {"night": rawnight.choose(night), "version": version},
        # The files tell what is done; the record of a stopped run knows less
        resume=False,
        dry_run=dry_run,
        jobs=jobs,
        wait=wait,
        as_json=as_json,
    )
