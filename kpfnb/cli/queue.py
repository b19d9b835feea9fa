"""`kpfnb queue`: load queues and watch them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.commands import CommandGroup
from kpfnb.core.errors import InvalidParameterError
from kpfnb.queue.tasks import TASK_MODULES

if TYPE_CHECKING:
    from kpfnb.queue.client import Queue
    from kpfnb.queue.records import Priority, QueueItem


# `kpfnb worker`: work on a queue.


@app.command()
def worker(
    task: Annotated[
        str, typer.Argument(help=f"What to do with each item: {', '.join(TASK_MODULES)}.")
    ],
    queue: Annotated[str, typer.Option(help="The queue; by default that of the task.")] = "",
    count: Annotated[int, typer.Option(min=1, help="So many workers side by side.")] = 1,
    idle: Annotated[
        float, typer.Option(min=0, help="Leave when there was no work for so long [s].")
    ] = 60,
    grace: Annotated[
        float, typer.Option(min=0, help="On SIGTERM, finish within so long [s], or hand back.")
    ] = 20,
    sleep: Annotated[
        float | None, typer.Option(min=0, help="Task test: how long each item takes [s].")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="Option of the task: name=value.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Work on a queue: claim its items one by one, do the task with each, report.

    Example: kpfnb worker test --queue trial --count 2 --sleep 0.5 --idle 10
    """
    from kpfnb.cli.runs import parse_parameters
    from kpfnb.core import logs
    from kpfnb.queue import worker_pool

    logs.log_to_console()
    options: dict[str, Any] = parse_parameters(None, parameter)
    if sleep is not None:
        options["sleep"] = sleep
    worked = worker_pool.run_worker_pool(
        task, queue, options=options, count=count, idle_seconds=idle, grace_seconds=grace
    )
    print_and_exit(worked, as_json=as_json)


queue_app = typer.Typer(
    cls=CommandGroup,
    help="Load, watch and mend work queues.\n\nExample: kpfnb queue status reduce",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(queue_app, name="queue")

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.")]
Items = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM...]", help="Items; - reads standard input.")
]
ItemsFile = Annotated[
    Path | None, typer.Option("-f", "--file", help="File with one item a line; # begins a comment.")
]
Tab = Annotated[
    str, typer.Option(help="Of the sheet: WORKSHEET@COLUMN of the statuses; WorkQueue@B if empty.")
]
PriorityOption = Annotated[str, typer.Option("--priority", help="high, normal or low.")]


@queue_app.command("list")
def list_queues(as_json: Json = False) -> None:
    """List the queues on the server.

    Example: kpfnb queue list
    """
    from kpfnb.queue import client

    names = client.list_queues()
    if as_json:
        print_json(names)
    else:
        print("\n".join(names) or "No queues.")


@queue_app.command()
def load(
    name: QueueName,
    items: Items = None,
    file: ItemsFile = None,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="The items of the sheet that have no status yet.")
    ] = False,
    tab: Tab = "",
    priority: PriorityOption = "normal",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put items onto a queue, each once; what it knows already is left as it is.

    Example: kpfnb queue load reduce Q0123/G600/2024-01-15 Q0456/G600/2024-01-16
    """
    rank = _parse_priority(priority)
    in_sheet = _unqueued_in_sheet(name, tab) if sheet or tab else None
    wanted = collect_items(items, file) if items or file or in_sheet is None else []
    wanted += in_sheet or []
    with open_queue(name) as queue:
        loaded = queue.load(wanted, priority=rank, dry_run=dry_run)
    if as_json:
        print_json({"queue": name, "new": loaded.new, "known": loaded.known})
    else:
        print(f"queue {name}: {loaded}" + (" (dry run: nothing was loaded)" if dry_run else ""))


@queue_app.command()
def status(
    name: QueueName,
    watch: Annotated[float, typer.Option(min=0, help="Look again after [s], until Ctrl-C.")] = 0,
    require_done: Annotated[
        bool, typer.Option("--require-done", help="Exit with 3 while items are open or parked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what waits, runs (where and since when), failed and is parked; the rate, the time left.

    Example: kpfnb queue status reduce --watch 2
    """
    from kpfnb.queue import status

    if watch and as_json:
        raise InvalidParameterError(
            "--watch is for people, --json for programs", "give one of them"
        )
    with open_queue(name) as queue:
        if watch:
            _watch_status(queue, watch)
        print_and_exit(status.load_status(queue, require_done=require_done), as_json=as_json)


@queue_app.command()
def show(
    name: QueueName,
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


def _all_items(queue: Queue) -> list[QueueItem]:
    from kpfnb.queue.records import QueueItemStatus

    found = [item for state in QueueItemStatus for item in queue.items(state)]
    return sorted(found, key=lambda item: item.name)


def open_queue(name: str) -> Queue:
    """The queue of that name."""
    from kpfnb.queue.client import Queue

    return Queue(name)


def _unqueued_in_sheet(name: str, tab: str) -> list[str]:
    from kpfnb.storage import sheets

    book = sheets.open_workbook()
    return sheets.unqueued_items(book, sheets.StatusTab.for_queue(name, tab or book.tab))


def collect_items(items: list[str] | None, file: Path | None) -> list[str]:
    """The items that arguments, standard input and a file name; at least one must."""
    from kpfnb.queue import records

    if not items and not file:
        raise InvalidParameterError(
            "no item is named", "give items, - for standard input, -f FILE or --sheet"
        )
    return records.read_items(items or (), file)


def _parse_priority(text: str) -> Priority:
    from kpfnb.queue.records import Priority

    if text not in list(Priority):
        raise InvalidParameterError(f"--priority {text}: no such priority", ", ".join(Priority))
    return Priority(text)


def _watch_status(queue: Queue, seconds: float) -> None:
    """Show how it stands again and again, in place."""
    from rich.live import Live
    from rich.text import Text

    from kpfnb.queue import status

    with suppress(KeyboardInterrupt), Live(auto_refresh=False) as screen:
        while True:
            screen.update(Text(str(status.load_status(queue))), refresh=True)
            time.sleep(seconds)


def _print_item(item: QueueItem) -> None:
    from kpfnb.queue.records import to_iso

    print(f"{item.name}: {item.state}")
    told = {
        "priority": item.priority,
        "attempts": item.attempts,
        "worker": item.worker,
        "note": item.note,
        "loaded": to_iso(item.loaded),
        "since": to_iso(item.since),
        "lease or rest until": to_iso(item.until),
        "seconds": item.seconds,
        "result": json.dumps(item.result, ensure_ascii=False) if item.result else "",
        "error": item.error,
    }
    for name, value in told.items():
        if value not in ("", None):
            print(f"  {name}: {value}")
    if item.log:
        print("log, its end:", *(f"  {line}" for line in item.log.splitlines()), sep="\n")
