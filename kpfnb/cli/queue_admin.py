"""`kpfnb queue requeue`, `park`, `cancel`, `drain` and `rebuild`: mend queues."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kpfnb.cli.app import DryRun, Json, print_and_exit, print_json
from kpfnb.cli.queue import Items, ItemsFile, QueueName, Tab, collect_items, open_queue, queue_app
from kpfnb.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from kpfnb.queue.records import QueueItemStatus
    from kpfnb.queue.results import MoveAction, MoveResult


# `kpfnb queue mirror`: show in a sheet how the items of a queue stand.


@queue_app.command()
def mirror(
    name: QueueName,
    tab: Tab = "",
    add: Annotated[
        bool, typer.Option("--add", help="Make the tab, and a row for each item without one.")
    ] = False,
    watch: Annotated[float, typer.Option(min=0, help="Again every so often [s], till Ctrl-C.")] = 0,
    as_json: Json = False,
) -> None:
    """Write the statuses of a queue's items into the sheet: the setting sheet, or work/workbook.

    Rows are found by their names; nothing but status and worker is touched. The tab is WorkQueue
    (of coadd1d and coadd2d: `coadd status`), if neither --tab nor the setting says else. With
    --watch it goes on when the sheet or the queue does not answer, and catches up. Quota: 15 s or
    more for Google.

    Example: kpfnb queue mirror reduce --tab WorkQueue@B --watch 15
    """
    from kpfnb.core import logs
    from kpfnb.queue import sheet_mirror
    from kpfnb.queue.client import Queue
    from kpfnb.storage import sheets
    from kpfnb.storage.sheets.google import RETRY_SECONDS

    # Who comes again need not be patient
    book = sheets.open_workbook(patience_seconds=0 if watch else RETRY_SECONDS)
    kept = sheets.SheetMirror(book, sheets.StatusTab.for_queue(name, tab or book.tab), add=add)

    def truth() -> dict[str, sheets.SheetStatus]:
        with Queue(name) as queue:
            return sheets.item_statuses(queue)

    if not watch:
        print_and_exit(kept.update(truth()), as_json=as_json)
    logs.log_to_console()
    with suppress(KeyboardInterrupt):
        for one in sheet_mirror.run_mirror(kept, truth, watch):
            print(one, flush=True)


InState = Annotated[str, typer.Option("--state", help="All items in this state.")]


MOVE_HELP: dict[MoveAction, str] = {
    "requeue": """Let failed, parked, cancelled or done items wait again, as if new.

    Example: kpfnb queue requeue reduce --state parked""",
    "park": """Put items aside until they are requeued; a running one stops at its next heartbeat.

    Example: kpfnb queue park reduce Q0123/G600/2024-01-15""",
    "cancel": """Take items off the queue for good; a running one stops at its next heartbeat.

    Example: kpfnb queue cancel reduce --state waiting""",
}


def _add_move_command(action: MoveAction) -> None:
    """Add the command that moves items so; but for the name they are all alike."""

    @queue_app.command(action, help=MOVE_HELP[action])
    def move(
        name: QueueName,
        items: Items = None,
        file: ItemsFile = None,
        state: InState = "",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        chosen = _parse_state(state) if state else None
        wanted = [] if chosen and not (items or file) else collect_items(items, file)
        with open_queue(name) as queue:
            wanted += queue.names(chosen) if chosen else []
            moved = queue.move(action, wanted, dry_run=dry_run)
        _print_moves_and_exit(name, moved, dry_run=dry_run, as_json=as_json)


for _action in MOVE_HELP:
    _add_move_command(_action)


@queue_app.command()
def drain(
    name: QueueName,
    off: Annotated[bool, typer.Option("--off", help="Give out items again.")] = False,
) -> None:
    """Give out no more: workers finish what they hold, and leave. What waits stays.

    Example: kpfnb queue drain reduce
    """
    with open_queue(name) as queue:
        queue.drain(not off)
    told = "gives out items again" if off else "gives out no more items; workers leave"
    print(f"queue {name} {told}")


@queue_app.command()
def rebuild(
    name: QueueName,
    task: Annotated[str, typer.Option(help="Let this task look at the disk.")] = "",
    items: Annotated[
        Path | None, typer.Option("--items", help="File with all items, one a line.")
    ] = None,
    done: Annotated[
        Path | None, typer.Option("--done", help="File with the items that are done.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a queue agree with what is on disk, after the server lost its data or files were lost.

    Example: kpfnb queue rebuild reduce --items all.txt --done done.txt
    """
    from kpfnb.queue import records, tasks

    if not (task or items or done):
        raise InvalidParameterError(
            "nothing tells what is on disk", "give --task, --items or --done"
        )
    truth = dict.fromkeys(records.read_items((), items), False)
    truth |= tasks.scan_task_items(task, name) if task else {}
    truth |= dict.fromkeys(records.read_items((), done), True)
    with open_queue(name) as queue:
        moved = queue.rebuild(truth, dry_run=dry_run)
    _print_moves_and_exit(name, moved, dry_run=dry_run, as_json=as_json)


def _parse_state(text: str) -> QueueItemStatus:
    from kpfnb.queue.records import QueueItemStatus

    if text not in list(QueueItemStatus):
        raise InvalidParameterError(
            f"--state {text}: no such state", f"states are: {', '.join(QueueItemStatus)}"
        )
    return QueueItemStatus(text)


def _print_moves_and_exit(
    name: str, moved: MoveResult, *, dry_run: bool, as_json: bool
) -> NoReturn:
    if as_json:
        changes = {item: {"from": b, "to": a} for item, (b, a) in moved.changes.items()}
        print_json({"queue": name, "dry_run": dry_run, "items": changes})
    else:
        print(f"queue {name}: {moved}" + (" (dry run: nothing was changed)" if dry_run else ""))
    raise typer.Exit(moved.outcome.exit_code)
