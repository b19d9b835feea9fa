"""`kpfnb queue mirror`, `requeue`, `park`, `cancel`, `drain` and `rebuild`: manage queues."""

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


@queue_app.command()
def mirror(
    name: QueueName,
    tab: Tab = "",
    add: Annotated[
        bool, typer.Option("--add", help="Create the tab, and a row for each item without one.")
    ] = False,
    watch: Annotated[
        float, typer.Option(min=0, help="Repeat at this interval [s], until Ctrl-C.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Write the statuses of a queue's items to the sheet in the settings, or to work/workbook.

    Rows are found by their names; only status and worker are changed. The tab is WorkQueue (for
    coadd1d and coadd2d: `coadd status`), unless --tab or the setting names another. With --watch it
    continues when the sheet or the queue does not answer, and catches up. For Google use an
    interval of at least 15 s, because of its quota.

    Example: kpfnb queue mirror reduce --tab WorkQueue@B --watch 15
    """
    from kpfnb.core import logs
    from kpfnb.queue import sheet_mirror
    from kpfnb.queue.client import Queue
    from kpfnb.queue.sheet_status import SheetStatus, StatusTab, item_statuses
    from kpfnb.storage.sheets import open_workbook
    from kpfnb.storage.sheets.google import RETRY_SECONDS

    # With --watch the next update is the retry
    book = open_workbook(retry_seconds=0 if watch else RETRY_SECONDS)
    status_tab = StatusTab.for_queue(name, tab or book.tab)
    sheet = sheet_mirror.SheetMirror(book, status_tab, add=add)

    def read_statuses() -> dict[str, SheetStatus]:
        with Queue(name) as queue:
            return item_statuses(queue)

    if not watch:
        print_and_exit(sheet.update(read_statuses()), as_json=as_json)
    logs.log_to_console()
    with suppress(KeyboardInterrupt):
        for result in sheet_mirror.run_mirror(sheet, read_statuses, watch):
            print(result, flush=True)


InState = Annotated[str, typer.Option("--state", help="All items in this state.")]


MOVE_HELP: dict[MoveAction, str] = {
    "requeue": """Let failed, parked, cancelled or done items wait again, as if new.

    Example: kpfnb queue requeue reduce --state parked""",
    "park": """Set items aside until they are requeued; a running one stops at its next heartbeat.

    Example: kpfnb queue park reduce Q0123/G600/2024-01-15""",
    "cancel": """Take items off the queue for good; a running one stops at its next heartbeat.

    Example: kpfnb queue cancel reduce --state waiting""",
}


def _add_move_command(action: MoveAction) -> None:
    """Add the command of this action; the commands differ only in the action."""

    @queue_app.command(action, help=MOVE_HELP[action])
    def move(
        name: QueueName,
        items: Items = None,
        file: ItemsFile = None,
        state: InState = "",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        status = _parse_state(state) if state else None
        names = [] if status and not (items or file) else collect_items(items, file)
        with open_queue(name) as queue:
            names += queue.names(status) if status else []
            result = queue.move(action, names, dry_run=dry_run)
        _print_moves_and_exit(name, result, dry_run=dry_run, as_json=as_json)


for _action in MOVE_HELP:
    _add_move_command(_action)


@queue_app.command()
def drain(
    name: QueueName,
    off: Annotated[bool, typer.Option("--off", help="Give out items again.")] = False,
) -> None:
    """Give out no more items: workers finish what they hold, and leave. Waiting items stay.

    Example: kpfnb queue drain reduce
    """
    with open_queue(name) as queue:
        queue.drain(not off)
    text = "gives out items again" if off else "gives out no more items; workers leave"
    print(f"queue {name} {text}")


@queue_app.command()
def rebuild(
    name: QueueName,
    task: Annotated[str, typer.Option(help="Task that scans the disk.")] = "",
    items: Annotated[
        Path | None, typer.Option("--items", help="File with all items, one per line.")
    ] = None,
    done: Annotated[
        Path | None, typer.Option("--done", help="File with the items that are done.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a queue agree with what is on disk, after the server or the disk lost data.

    Example: kpfnb queue rebuild reduce --items all.txt --done done.txt
    """
    from kpfnb.queue import records, tasks

    if not (task or items or done):
        raise InvalidParameterError(
            "no source for what is on disk", "give --task, --items or --done"
        )
    truth = dict.fromkeys(records.read_items((), items), False)
    truth |= tasks.scan_task_items(task, name) if task else {}
    truth |= dict.fromkeys(records.read_items((), done), True)
    with open_queue(name) as queue:
        result = queue.rebuild(truth, dry_run=dry_run)
    _print_moves_and_exit(name, result, dry_run=dry_run, as_json=as_json)


def _parse_state(text: str) -> QueueItemStatus:
    from kpfnb.queue.records import QueueItemStatus

    if text not in list(QueueItemStatus):
        raise InvalidParameterError(
            f"--state {text}: no such state", f"states are: {', '.join(QueueItemStatus)}"
        )
    return QueueItemStatus(text)


def _print_moves_and_exit(
    name: str, result: MoveResult, *, dry_run: bool, as_json: bool
) -> NoReturn:
    if as_json:
        changes = {item: {"from": b, "to": a} for item, (b, a) in result.changes.items()}
        print_json({"queue": name, "dry_run": dry_run, "items": changes})
    else:
        print(f"queue {name}: {result}" + (" (dry run: nothing was changed)" if dry_run else ""))
    raise typer.Exit(result.outcome.exit_code)
