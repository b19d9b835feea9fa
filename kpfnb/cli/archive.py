"""`kpfnb archive`: deliver to KOA, check a delivery, look at it."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish
from kpfnb.cli.overview import Commands

archive_app = typer.Typer(
    cls=Commands,
    help="Deliver reductions to the Keck Observatory Archive, and check what was delivered.\n\n"
    "Example: kpfnb archive status",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(archive_app, name="archive")

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATASET...]", help="As mask/config/date; mask/config for joint coadds; or all."
    ),
]
To = Annotated[
    str,
    typer.Option(
        "--to", help="Folder or REMOTE: of the delivery; empty: one in the work directory."
    ),
]
RulesFile = Annotated[
    str, typer.Option("--rules", help="YAML file of what is delivered; KOA's if empty.")
]


@archive_app.command()
def deliver(
    names: Names = None,
    source: Annotated[
        str,
        typer.Option(
            "--from", help="Folder or REMOTE: of the datasets; empty: the work directory's."
        ),
    ] = "",
    destination: To = "",
    rules: RulesFile = "",
    quota_gb: Annotated[
        float, typer.Option("--quota", min=0, help="GB that may be uploaded a day (UTC); 0: any.")
    ] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the next day where the quota is used up.")
    ] = False,
    read_back: Annotated[
        bool, typer.Option("--read-back", help="Verify by reading every byte there.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete there what a dataset has not any more.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--move", help="Delete at the source what is delivered.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Deliver datasets, each file verified, with tables, a README, sums and a report.

    Example: kpfnb archive deliver --from data: --to koa: --quota 700 --dry-run
    """
    from kpfnb.adap.archive import delivery

    result = delivery.deliver(
        names or (),
        source=source,
        destination=destination,
        rules_file=rules,
        quota_gb=quota_gb,
        wait=wait,
        read_back=read_back,
        prune=prune,
        move=move,
        dry_run=dry_run,
        progress=not as_json,
    )
    finish(result, as_json=as_json)


@archive_app.command()
def check(
    names: Names = None,
    destination: To = "",
    rules: RulesFile = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Trust the hashes that the storage tells.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every file of a delivery and compare it with its SHA-256.

    Example: kpfnb archive check --to koa:
    """
    from kpfnb.adap.archive import checking

    result = checking.check(
        names or (), destination=destination, rules_file=rules, quick=quick, progress=not as_json
    )
    finish(result, as_json=as_json)


@archive_app.command()
def status(destination: To = "", as_json: Json = False) -> None:
    """Show what is delivered, what is on its way, and what was uploaded today.

    Example: kpfnb archive status --to koa:
    """
    from kpfnb.adap.archive import standing

    finish(standing.look(destination), as_json=as_json)
