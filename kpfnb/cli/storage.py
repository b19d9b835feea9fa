"""`kpfnb dataset` and `kpfnb backup`: datasets between remotes and this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish
from kpfnb.cli.overview import Commands

dataset_app = typer.Typer(
    cls=Commands,
    help="Work with the datasets on the remote.\n\n"
    "Example: kpfnb dataset download 041615B1/1200G_8800_OG550/2015-10-16",
    rich_markup_mode=None,
    no_args_is_help=True,
)
backup_app = typer.Typer(
    cls=Commands,
    help="Keep the reductions safe on a second remote.\n\nExample: kpfnb backup sync",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(dataset_app, name="dataset")
app.add_typer(backup_app, name="backup")

Source = Annotated[str, typer.Option("--from", help="Where the datasets are: REMOTE: or a folder.")]


@dataset_app.command()
def download(
    name: Annotated[str, typer.Argument(help="Dataset as mask/config/date.")],
    dest: Annotated[Path, typer.Argument(help="Folder below which it is put.")] = Path(),
    logs: Annotated[bool, typer.Option("--logs", "-l", help="Only the logs.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The raw frames, too.")] = False,
    source: Source = "data:",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring the results of a dataset here, verified.

    Example: kpfnb dataset download 041615B1/1200G_8800_OG550/2015-10-16 results --logs
    """
    from kpfnb.adap import holdings

    result = holdings.download(
        name, dest, source=source, logs=logs, raw=raw, dry_run=dry_run, progress=not as_json
    )
    finish(result, as_json=as_json)


@backup_app.command()
def sync(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets as mask/config/date; all by default.")
    ] = None,
    source: Source = "data:",
    backup: Annotated[
        str, typer.Option("--to", help="Where the backup is: REMOTE: or a folder.")
    ] = "backup:",
    read_back: Annotated[
        bool, typer.Option("--read-back", help="Compare every byte, not only hashes.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make the backup of the reductions the same as the reductions, verified.

    Example: kpfnb backup sync 041615B1/1200G_8800_OG550/2015-10-16 --dry-run
    """
    from kpfnb.adap import holdings

    result = holdings.sync_backups(
        names or (),
        source=source,
        backup=backup,
        read_back=read_back,
        dry_run=dry_run,
        progress=not as_json,
    )
    finish(result, as_json=as_json)
