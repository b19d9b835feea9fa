"""`kpfnb queue`: load queues and watch them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish, print_json
from kpfnb.cli.overview import Commands
from kpfnb.errors import BadParameter

if TYPE_CHECKING:
    from kpfnb.workqueue.queue import Queue
    from kpfnb.workqueue.records import Item, Priority

queue_app = typer.Typer(
    cls=Commands,
    help="Load, watch and mend work queues.\n\nExample: kpfnb queue status reduce",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(queue_app, name="queue")

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.")]
Items = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM...]", help="Items; - reads standard input.")
]
File = Annotated[
    Path | None, typer.Option("-f", "--file", help="File with one item a line; # begins a comment.")
]
Tab = Annotated[
    str, typer.Option(help="Of the sheet: WORKSHEET@COLUMN of the statuses; WorkQueue@B if empty.")
]
Rank = Annotated[str, typer.Option("--priority", help="high, normal or low.")]


@queue_app.command("list")
def list_queues(as_json: Json = False) -> None:
    """List the queues on the server.

    Example: kpfnb queue list
    """
    from kpfnb.workqueue import queue

    names = queue.queues()
    if as_json:
        print_json(names)
    else:
        print("\n".join(names) or "No queues.")


@queue_app.command()
def load(
    name: Name,
    items: Items = None,
    file: File = None,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="The items of the sheet that have no status yet.")
    ] = False,
    tab: Tab = "",
    priority: Rank = "normal",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put items onto a queue, each once; what it knows already is left as it is.

    Example: kpfnb queue load reduce Q0123/G600/2024-01-15 Q0456/G600/2024-01-16
    """
    rank = _priority(priority)
    in_sheet = _blank_in_sheet(name, tab) if sheet or tab else None
    wanted = wanted_items(items, file) if items or file or in_sheet is None else []
    wanted += in_sheet or []
    with open_queue(name) as queue:
        loaded = queue.load(wanted, priority=rank, dry_run=dry_run)
    if as_json:
        print_json({"queue": name, "new": loaded.new, "known": loaded.known})
    else:
        print(f"queue {name}: {loaded}" + (" (dry run: nothing was loaded)" if dry_run else ""))


@queue_app.command()
def status(
    name: Name,
    watch: Annotated[float, typer.Option(min=0, help="Look again after [s], until Ctrl-C.")] = 0,
    require_done: Annotated[
        bool, typer.Option("--require-done", help="Exit with 3 while items are open or parked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what waits, runs (where and since when), failed and is parked; the rate, the time left.

    Example: kpfnb queue status reduce --watch 2
    """
    from kpfnb.workqueue import status

    if watch and as_json:
        raise BadParameter("--watch is for people, --json for programs", "give one of them")
    with open_queue(name) as queue:
        if watch:
            _watch(queue, watch)
        finish(status.look(queue, require_done=require_done), as_json=as_json)


@queue_app.command()
def show(
    name: Name,
    item: Annotated[str, typer.Argument(help="The item; without it, a line for each.")] = "",
    as_json: Json = False,
) -> None:
    """Show all that is known of one item: its state, result, timing, error and log.

    Example: kpfnb queue show reduce Q0123/G600/2024-01-15
    """
    with open_queue(name) as queue:
        found = [queue.item(item)] if item else _all_items(queue)
    if as_json:
        told = [one.to_dict() for one in found]
        print_json(told[0] if item else told)
    elif item:
        _print_item(found[0])
    else:
        print("\n".join(f"{one.state:<9} {one.name}  {one.note}".rstrip() for one in found))


def _all_items(queue: Queue) -> list[Item]:
    from kpfnb.workqueue.records import State

    found = [item for state in State for item in queue.items(state)]
    return sorted(found, key=lambda item: item.name)


def open_queue(name: str) -> Queue:
    """The queue of that name."""
    from kpfnb.workqueue.queue import Queue

    return Queue(name)


def _blank_in_sheet(name: str, tab: str) -> list[str]:
    from kpfnb import sheets

    book = sheets.open()
    return sheets.blank_items(book, sheets.StatusTab.of_queue(name, tab or book.tab))


def wanted_items(items: list[str] | None, file: Path | None) -> list[str]:
    """The items that arguments, standard input and a file name; at least one must."""
    from kpfnb.workqueue import itemlist

    if not items and not file:
        raise BadParameter(
            "no item is named", "give items, - for standard input, -f FILE or --sheet"
        )
    return itemlist.read(items or (), file)


def _priority(text: str) -> Priority:
    from kpfnb.workqueue.records import Priority

    if text not in list(Priority):
        raise BadParameter(f"--priority {text}: no such priority", ", ".join(Priority))
    return Priority(text)


def _watch(queue: Queue, seconds: float) -> None:
    """Show how it stands again and again, in place."""
    from rich.live import Live
    from rich.text import Text

    from kpfnb.workqueue import status

    with suppress(KeyboardInterrupt), Live(auto_refresh=False) as screen:
        while True:
            screen.update(Text(str(status.look(queue))), refresh=True)
            time.sleep(seconds)


def _print_item(item: Item) -> None:
    from kpfnb.workqueue.records import stamp

    print(f"{item.name}: {item.state}")
    told = {
        "priority": item.priority,
        "attempts": item.attempts,
        "worker": item.worker,
        "note": item.note,
        "loaded": stamp(item.loaded),
        "since": stamp(item.since),
        "lease or rest until": stamp(item.until),
        "seconds": item.seconds,
        "result": json.dumps(item.result, ensure_ascii=False) if item.result else "",
        "error": item.error,
    }
    for name, value in told.items():
        if value not in ("", None):
            print(f"  {name}: {value}")
    if item.log:
        print("log, its end:", *(f"  {line}" for line in item.log.splitlines()), sep="\n")
