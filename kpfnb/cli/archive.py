"""`kpfnb archive` (deliveries to the Keck Observatory Archive, KOA), `dataset` and `backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_and_exit

dataset_app = typer.Typer(
    cls=CommandGroup,
    help="Work with the datasets on the remote.\n\n"
    "Example: kpfnb dataset download 041615B1/1200G_8800_OG550/2015-10-16",
    rich_markup_mode=None,
    no_args_is_help=True,
)
backup_app = typer.Typer(
    cls=CommandGroup,
    help="Back up the reductions to a second remote.\n\nExample: kpfnb backup sync",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(dataset_app, name="dataset")
app.add_typer(backup_app, name="backup")

SourceOption = Annotated[
    str, typer.Option("--from", help="Where the datasets are: REMOTE: or a folder.")
]


@dataset_app.command()
def download(
    name: Annotated[str, typer.Argument(help="Dataset as mask/config/date.")],
    dest: Annotated[Path, typer.Argument(help="Folder to download it to.")] = Path(),
    logs: Annotated[bool, typer.Option("--logs", "-l", help="Only the logs.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The raw frames, too.")] = False,
    source: SourceOption = "data:",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Download the results of a dataset, and verify every file.

    Example: kpfnb dataset download 041615B1/1200G_8800_OG550/2015-10-16 results --logs
    """
    from kpfnb.adap.products import remote_datasets

    result = remote_datasets.download_dataset(
        name, dest, source=source, logs=logs, raw=raw, dry_run=dry_run, progress=not as_json
    )
    print_and_exit(result, as_json=as_json)


@backup_app.command()
def sync(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets as mask/config/date; all by default.")
    ] = None,
    source: SourceOption = "data:",
    backup: Annotated[
        str, typer.Option("--to", help="Where the backup is: REMOTE: or a folder.")
    ] = "backup:",
    read_back: Annotated[
        bool,
        typer.Option(
            "--verify-by-reading", "--read-back", help="Compare every byte, not only hashes."
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Mirror the reductions to the backup, and verify every file.

    Example: kpfnb backup sync 041615B1/1200G_8800_OG550/2015-10-16 --dry-run
    """
    from kpfnb.adap.products import remote_datasets

    result = remote_datasets.sync_backups(
        names or (),
        source=source,
        backup=backup,
        read_back=read_back,
        dry_run=dry_run,
        progress=not as_json,
    )
    print_and_exit(result, as_json=as_json)


archive_app = typer.Typer(
    cls=CommandGroup,
    help="Deliver reductions to the Keck Observatory Archive, and check what was delivered.\n\n"
    "Example: kpfnb archive status",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(archive_app, name="archive")

DatasetNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATASET...]", help="As mask/config/date; mask/config for joint coadds; or all."
    ),
]
DestinationOption = Annotated[
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
    names: DatasetNames = None,
    source: Annotated[
        str,
        typer.Option(
            "--from", help="Folder or REMOTE: of the datasets; empty: the work directory's."
        ),
    ] = "",
    destination: DestinationOption = "",
    rules: RulesFile = "",
    quota_gb: Annotated[
        float, typer.Option("--quota", min=0, help="GB that may be uploaded a day (UTC); 0: any.")
    ] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the next day when the quota is used up.")
    ] = False,
    read_back: Annotated[
        bool,
        typer.Option(
            "--verify-by-reading", "--read-back", help="Verify by reading every byte there."
        ),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete there what a dataset no longer has.")
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
    from kpfnb.adap.archive.delivery import deliver_datasets
    from kpfnb.adap.archive.locations import DeliveryConfig

    config = DeliveryConfig(
        source=source,
        destination=destination,
        rules_file=rules,
        quota_gb=quota_gb,
        wait=wait,
        read_back=read_back,
        prune=prune,
        move=move,
    )
    result = deliver_datasets(names or (), config, dry_run=dry_run, progress=not as_json)
    print_and_exit(result, as_json=as_json)


@archive_app.command()
def check(
    names: DatasetNames = None,
    destination: DestinationOption = "",
    rules: RulesFile = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Trust the hashes of the storage.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every file of a delivery and compare it with its SHA-256.

    Example: kpfnb archive check --to koa:
    """
    from kpfnb.adap.archive import verification

    result = verification.verify_delivery(
        names or (), destination=destination, rules_file=rules, quick=quick, progress=not as_json
    )
    print_and_exit(result, as_json=as_json)


@archive_app.command()
def status(destination: DestinationOption = "", as_json: Json = False) -> None:
    """Show what is delivered, what is on its way, and what was uploaded today.

    Example: kpfnb archive status --to koa:
    """
    from kpfnb.adap.archive.status import read_status

    print_and_exit(read_status(destination), as_json=as_json)
