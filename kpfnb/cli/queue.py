"""`kpfnb queue` and `kpfnb worker`: load queues, watch and mend them, and work on them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from kpfnb.cli import DryRun, Json, app, finish
from kpfnb.errors import BadParameter

if TYPE_CHECKING:
    from kpfnb.workqueue.queue import Moved, Queue
    from kpfnb.workqueue.records import Item, Priority, State

queue_app = typer.Typer(
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
InState = Annotated[str, typer.Option("--state", help="All items in this state.")]
Rank = Annotated[str, typer.Option("--priority", help="high, normal or low.")]


@queue_app.command("list")
def list_queues(as_json: Json = False) -> None:
    """List the queues on the server.

    Example: kpfnb queue list
    """
    from kpfnb.workqueue import queue

    names = queue.queues()
    if as_json:
        _print_json(names)
    else:
        print("\n".join(names) or "No queues.")


@queue_app.command()
def load(
    name: Name,
    items: Items = None,
    file: File = None,
    priority: Rank = "normal",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put items onto a queue, each once; what it knows already is left as it is.

    Example: kpfnb queue load reduce Q0123/G600/2024-01-15 Q0456/G600/2024-01-16
    """
    rank = _priority(priority)
    wanted = _wanted(items, file)
    with _open(name) as queue:
        loaded = queue.load(wanted, priority=rank, dry_run=dry_run)
    if as_json:
        _print_json({"queue": name, "new": loaded.new, "known": loaded.known})
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

    with _open(name) as queue:
        if watch:
            _watch(queue, watch)
        finish(status.look(queue, require_done=require_done), as_json=as_json)


@queue_app.command()
def show(
    name: Name,
    item: Annotated[str, typer.Argument(help="The item.")],
    as_json: Json = False,
) -> None:
    """Show all that is known of one item: its state, result, timing, error and log.

    Example: kpfnb queue show reduce Q0123/G600/2024-01-15
    """
    with _open(name) as queue:
        found = queue.item(item)
    if as_json:
        _print_json(found.to_dict())
    else:
        _print_item(found)


@queue_app.command()
def requeue(
    name: Name,
    items: Items = None,
    file: File = None,
    state: InState = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let failed, parked, cancelled or done items wait again, as if new.

    Example: kpfnb queue requeue reduce --state parked
    """
    _move("requeue", name, items, file, state, dry_run=dry_run, as_json=as_json)


@queue_app.command()
def park(
    name: Name,
    items: Items = None,
    file: File = None,
    state: InState = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put items aside until they are requeued; a running one is stopped at its next heartbeat.

    Example: kpfnb queue park reduce Q0123/G600/2024-01-15
    """
    _move("park", name, items, file, state, dry_run=dry_run, as_json=as_json)


@queue_app.command()
def cancel(
    name: Name,
    items: Items = None,
    file: File = None,
    state: InState = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take items off the queue for good; a running one is stopped at its next heartbeat.

    Example: kpfnb queue cancel reduce --state waiting
    """
    _move("cancel", name, items, file, state, dry_run=dry_run, as_json=as_json)


@queue_app.command()
def drain(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="Give out items again.")] = False,
) -> None:
    """Give out no more: workers finish what they hold, and leave. What waits stays.

    Example: kpfnb queue drain reduce
    """
    with _open(name) as queue:
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
    with _open(name) as queue:
        moved = queue.rebuild(truth, dry_run=dry_run)
    _finish_moved(name, moved, dry_run=dry_run, as_json=as_json)


@app.command()
def worker(
    task: Annotated[str, typer.Argument(help="What to do with each item: test.")],
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
    from kpfnb import crew, log
    from kpfnb.cli.runs import given_parameters

    log.console()
    options: dict[str, Any] = given_parameters(None, parameter)
    if sleep is not None:
        options["sleep"] = sleep
    worked = crew.run(
        task, queue, options=options, count=count, idle_seconds=idle, grace_seconds=grace
    )
    print(json.dumps(worked.to_dict(), indent=1) if as_json else worked)
    raise typer.Exit(worked.outcome.exit_code)


def _open(name: str) -> Queue:
    from kpfnb.workqueue.queue import Queue

    return Queue(name)


def _move(
    action: Any,
    name: str,
    items: list[str] | None,
    file: Path | None,
    state: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    chosen = _state(state) if state else None
    wanted = [] if chosen and not (items or file) else _wanted(items, file)
    with _open(name) as queue:
        wanted += queue.names(chosen) if chosen else []
        moved = queue.move(action, wanted, dry_run=dry_run)
    _finish_moved(name, moved, dry_run=dry_run, as_json=as_json)


def _wanted(items: list[str] | None, file: Path | None) -> list[str]:
    from kpfnb.workqueue import itemlist

    if not items and not file:
        raise BadParameter("no item is named", "give items, - for standard input, or -f FILE")
    return itemlist.read(items or (), file)


def _state(text: str) -> State:
    from kpfnb.workqueue.records import State

    if text not in list(State):
        raise BadParameter(f"--state {text}: no such state", f"states are: {', '.join(State)}")
    return State(text)


def _priority(text: str) -> Priority:
    from kpfnb.workqueue.records import Priority

    if text not in list(Priority):
        raise BadParameter(f"--priority {text}: no such priority", ", ".join(Priority))
    return Priority(text)


def _finish_moved(name: str, moved: Moved, *, dry_run: bool, as_json: bool) -> NoReturn:
    if as_json:
        changes = {item: {"from": b, "to": a} for item, (b, a) in moved.changes.items()}
        _print_json({"queue": name, "dry_run": dry_run, "items": changes})
    else:
        print(f"queue {name}: {moved}" + (" (dry run: nothing was changed)" if dry_run else ""))
    raise typer.Exit(moved.outcome.exit_code)


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


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
