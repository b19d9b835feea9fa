"""`kpfnb queue requeue`, `park`, `cancel`, `drain` and `rebuild`: mend queues."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kpfnb.cli import DryRun, Json, print_json
from kpfnb.cli.queue import File, Items, Name, open_queue, queue_app, wanted_items
from kpfnb.errors import BadParameter

if TYPE_CHECKING:
    from kpfnb.workqueue.changes import Action, Moved
    from kpfnb.workqueue.records import State

InState = Annotated[str, typer.Option("--state", help="All items in this state.")]


HELP: dict[Action, str] = {
    "requeue": """Let failed, parked, cancelled or done items wait again, as if new.

    Example: kpfnb queue requeue reduce --state parked""",
    "park": """Put items aside until they are requeued; a running one stops at its next heartbeat.

    Example: kpfnb queue park reduce Q0123/G600/2024-01-15""",
    "cancel": """Take items off the queue for good; a running one stops at its next heartbeat.

    Example: kpfnb queue cancel reduce --state waiting""",
}


def _add(action: Action) -> None:
    """Add the command that moves items so; but for the name they are all alike."""

    @queue_app.command(action, help=HELP[action])
    def move(
        name: Name,
        items: Items = None,
        file: File = None,
        state: InState = "",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        chosen = _state(state) if state else None
        wanted = [] if chosen and not (items or file) else wanted_items(items, file)
        with open_queue(name) as queue:
            wanted += queue.names(chosen) if chosen else []
            moved = queue.move(action, wanted, dry_run=dry_run)
        _finish_moved(name, moved, dry_run=dry_run, as_json=as_json)


for _action in HELP:
    _add(_action)


@queue_app.command()
def drain(
    name: Name,
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
    name: Name,
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
    from kpfnb.workqueue import itemlist, tasks

    if not (task or items or done):
        raise BadParameter("nothing tells what is on disk", "give --task, --items or --done")
    truth = dict.fromkeys(itemlist.read((), items), False)
    truth |= tasks.survey(task, name) if task else {}
    truth |= dict.fromkeys(itemlist.read((), done), True)
    with open_queue(name) as queue:
        moved = queue.rebuild(truth, dry_run=dry_run)
    _finish_moved(name, moved, dry_run=dry_run, as_json=as_json)


def _state(text: str) -> State:
    from kpfnb.workqueue.records import State

    if text not in list(State):
        raise BadParameter(f"--state {text}: no such state", f"states are: {', '.join(State)}")
    return State(text)


def _finish_moved(name: str, moved: Moved, *, dry_run: bool, as_json: bool) -> NoReturn:
    if as_json:
        changes = {item: {"from": b, "to": a} for item, (b, a) in moved.changes.items()}
        print_json({"queue": name, "dry_run": dry_run, "items": changes})
    else:
        print(f"queue {name}: {moved}" + (" (dry run: nothing was changed)" if dry_run else ""))
    raise typer.Exit(moved.outcome.exit_code)
