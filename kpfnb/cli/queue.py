"""`kpfnb worker` and `kpfnb queue`: work on queues, load and watch them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_and_exit, print_json
from kpfnb.core.errors import InvalidParameterError
from kpfnb.queue.tasks import TASK_MODULES

if TYPE_CHECKING:
    from kpfnb.queue.client import Queue
    from kpfnb.queue.records import Priority, QueueItem


@app.command()
def worker(
    task: Annotated[
        str, typer.Argument(help=f"What to do with each item: {', '.join(TASK_MODULES)}.")
    ],
    queue: Annotated[
        str, typer.Option(help="Queue; by default the one with the name of the task.")
    ] = "",
    count: Annotated[int, typer.Option(min=1, help="Number of workers side by side.")] = 1,
    idle: Annotated[
        float, typer.Option(min=0, help="Leave after this time without work [s].")
    ] = 60,
    grace: Annotated[
        float, typer.Option(min=0, help="On SIGTERM, finish within this time [s], or hand back.")
    ] = 20,
    sleep: Annotated[
        float | None, typer.Option(min=0, help="Task test: duration of each item [s].")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="Option of the task: name=value.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Work on a queue: claim its items one by one, do the task with each, and report.

    Example: kpfnb worker test --queue trial --count 2 --sleep 0.5 --idle 10
    """
    from kpfnb.cli.runs import parse_parameters
    from kpfnb.core import logs
    from kpfnb.queue import worker_pool

    logs.log_to_console()
    options: dict[str, Any] = parse_parameters(None, parameter)
    if sleep is not None:
        options["sleep"] = sleep
    summary = worker_pool.run_worker_pool(
        task, queue, options=options, count=count, idle_seconds=idle, grace_seconds=grace
    )
    print_and_exit(summary, as_json=as_json)


queue_app = typer.Typer(
    cls=CommandGroup,
    help="Load, watch and correct work queues.\n\nExample: kpfnb queue status reduce",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(queue_app, name="queue")

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.")]
Items = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ITEM...]", help="Items; - reads them from standard input."),
]
ItemsFile = Annotated[
    Path | None,
    typer.Option("-f", "--file", help="File with one item per line; # begins a comment."),
]
Tab = Annotated[
    str,
    typer.Option(
        help="Tab of the sheet, as WORKSHEET@COLUMN of the statuses; default: WorkQueue@B."
    ),
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
        bool, typer.Option("--sheet", help="Load the items of the sheet that have no status yet.")
    ] = False,
    tab: Tab = "",
    priority: PriorityOption = "normal",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put items on a queue, each once; items that it knows already stay unchanged.

    Example: kpfnb queue load reduce Q0123/G600/2024-01-15 Q0456/G600/2024-01-16
    """
    rank = _parse_priority(priority)
    sheet_items = _unqueued_in_sheet(name, tab) if sheet or tab else None
    names = collect_items(items, file) if items or file or sheet_items is None else []
    names += sheet_items or []
    with open_queue(name) as queue:
        loaded = queue.load(names, priority=rank, dry_run=dry_run)
    if as_json:
        print_json({"queue": name, "new": loaded.new, "known": loaded.known})
    else:
        print(f"queue {name}: {loaded}" + (" (dry run: nothing was loaded)" if dry_run else ""))


@queue_app.command()
def status(
    name: QueueName,
    watch: Annotated[float, typer.Option(min=0, help="Refresh interval [s], until Ctrl-C.")] = 0,
    require_done: Annotated[
        bool, typer.Option("--require-done", help="Exit with 3 while items are open, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the counts, failures, running items with their workers, rate and time left.

    Exit code 3 if items are parked.

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
    item: Annotated[str, typer.Argument(help="The item; without it, one line per item.")] = "",
    as_json: Json = False,
) -> None:
    """Show one item: its state, result, timing, error and log.

    Example: kpfnb queue show reduce Q0123/G600/2024-01-15
    """
    with open_queue(name) as queue:
        items = [queue.item(item)] if item else _all_items(queue)
    if as_json:
        values = [record.to_dict() for record in items]
        print_json(values[0] if item else values)
    elif item:
        _print_item(items[0])
    else:
        print("\n".join(f"{row.state:<9} {row.name}  {row.note}".rstrip() for row in items))


def _all_items(queue: Queue) -> list[QueueItem]:
    from kpfnb.queue.records import QueueItemStatus

    items = [item for state in QueueItemStatus for item in queue.items(state)]
    return sorted(items, key=lambda item: item.name)


def open_queue(name: str) -> Queue:
    """The queue of that name."""
    from kpfnb.queue.client import Queue

    return Queue(name)


def _unqueued_in_sheet(name: str, tab: str) -> list[str]:
    from kpfnb.queue.sheet_status import StatusTab, unqueued_items
    from kpfnb.storage.sheets import open_workbook

    book = open_workbook()
    return unqueued_items(book, StatusTab.for_queue(name, tab or book.tab))


def collect_items(items: list[str] | None, file: Path | None) -> list[str]:
    """The items in arguments, standard input and a file; at least one must be named."""
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
    """Show the status repeatedly, in place."""
    from rich.live import Live
    from rich.text import Text

    from kpfnb.queue import status

    with suppress(KeyboardInterrupt), Live(auto_refresh=False) as screen:
        while True:
            screen.update(Text(str(status.load_status(queue))), refresh=True)
            time.sleep(seconds)


def _print_item(item: QueueItem) -> None:
    from kpfnb.core.clock import format_utc

    print(f"{item.name}: {item.state}")
    times = {
        name: format_utc(time) if time else None
        for name, time in (("loaded", item.loaded), ("since", item.since), ("until", item.until))
    }
    fields = {
        "priority": item.priority,
        "attempts": item.attempts,
        "worker": item.worker,
        "note": item.note,
        "loaded": times["loaded"],
        "since": times["since"],
        "lease or delay until": times["until"],
        "seconds": item.seconds,
        "result": json.dumps(item.result, ensure_ascii=False) if item.result else "",
        "error": item.error,
    }
    for name, value in fields.items():
        if value not in ("", None):
            print(f"  {name}: {value}")
    if item.log:
        print("end of the log:", *(f"  {line}" for line in item.log.splitlines()), sep="\n")
