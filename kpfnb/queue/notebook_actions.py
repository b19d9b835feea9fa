"""What the notebook `queue` does: load and mend a queue, watch it, offer buttons to a person."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb import live
from kpfnb.errors import KpfnbError, ServiceUnavailable
from kpfnb.workqueue import status, tasks
from kpfnb.workqueue.changes import Action
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import State
from kpfnb.workqueue.status import QueueStatus

if TYPE_CHECKING:
    import ipywidgets

    from kpfnb.session import Session

WATCH_EVERY_SECONDS = 2.0
MOST_CHOICES = 200
LAST_LINES = 4
_CHOICES = (State.PARKED, State.FAILED, State.RUNNING, State.WAITING)


@dataclass(frozen=True, repr=False)
class Done:
    """What was done with a queue, in words."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines) or "nothing was changed"


def tend(
    name: str,
    *,
    load: Sequence[str] = (),
    requeue: Sequence[str] = (),
    park: Sequence[str] = (),
    dry_run: bool = False,
) -> Done:
    """Load, requeue and park items, in this order."""
    told = []
    with Queue(name) as queue:
        if load:
            told.append(f"load: {queue.load(load, dry_run=dry_run)}")
        moves: list[tuple[Action, Sequence[str]]] = [("requeue", requeue), ("park", park)]
        for action, items in moves:
            if items:
                told.append(f"{action}: {queue.move(action, items, dry_run=dry_run)}")
    return Done(tuple(told))


def look(name: str, *, require_done: bool = False) -> QueueStatus:
    """How the queue stands now."""
    with Queue(name) as queue:
        return status.look(queue, require_done=require_done)


def try_out(name: str, workers: int, *, sleep_seconds: float, fail: str = "") -> Done:
    """Let a few workers do the task `test` with the queue, and wait for them.

    fail : items that have this text in their name fail
    """
    return work("test", name, workers, parameters={"sleep": sleep_seconds, "fail": fail})


def work(task: str, name: str, workers: int, *, parameters: Mapping[str, Any]) -> Done:
    """Let a few workers do a task with the queue until nothing is left, and wait for them.

    parameters : options of the task

    Raises
    ------
    BadParameter : the task or an option is wrong
    ServiceUnavailable : the workers could not work; says what they said last
    """
    if not workers:
        return Done(())
    # Refused here, where it is read
    tasks.find(task).options(parameters)
    # A program of its own: a notebook's kernel has threads, and can't be forked
    arguments = ["worker", task, f"--queue={name}", f"--count={workers}", "--idle=0"]
    arguments += [f"--parameter={key}={value}" for key, value in parameters.items()]
    program = [sys.executable, "-c", "from kpfnb.cli import main; main()"]
    with subprocess.Popen(
        [*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            told, errors = _wait_for(process)
        except BaseException:
            process.terminate()
            raise
    # How the items ended, its exit code tells too
    if process.returncode and not told.strip():
        last = " ".join(errors.split("\n")[-LAST_LINES:]).strip()
        raise ServiceUnavailable(
            f"{workers} {task} workers ended with code {process.returncode}: {last}",
            f"try one in a terminal: kpfnb worker {task} --queue {name}",
        )
    return Done((f"{workers} {task} workers: {told.strip()}",))


def _wait_for(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it prints until its end, and its messages."""
    while True:
        try:
            return process.communicate(timeout=live.ANSWER_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            live.pause(0)


def watch(name: str, seconds: float) -> None:
    """In JupyterLab, show how the queue stands, live, until nothing is open; else nothing."""
    if not live.in_notebook():
        return
    deadline = time.monotonic() + seconds
    with Queue(name) as queue, live.page() as show:
        while any(count for state, count in queue.counts().items() if state.is_open):
            show(status.look(queue)._repr_html_())
            left = deadline - time.monotonic()
            if left <= 0:
                return
            live.pause(min(left, WATCH_EVERY_SECONDS))


def buttons(run: Session, found: QueueStatus) -> None:
    """In JupyterLab, a list of items, and buttons that requeue or park those chosen."""
    if not run.interactive:
        return
    import ipywidgets
    from IPython.display import display

    chooser = ipywidgets.SelectMultiple(
        options=_choices(found), rows=10, description="items", layout={"width": "40em"}
    )
    display(chooser)
    for action in ("requeue", "park"):
        _button(found.queue, action, chooser)


def _button(name: str, action: Action, chooser: ipywidgets.SelectMultiple) -> None:
    import ipywidgets
    from IPython.display import display

    button = ipywidgets.Button(description=f"{action} those chosen", button_style="warning")
    button.layout.width = "auto"
    message = ipywidgets.HTML()

    def act(_: object) -> None:
        try:
            with Queue(name) as queue:
                moved = queue.move(action, chooser.value)
                chooser.options = _choices(status.look(queue))
        except KpfnbError as error:
            message.value = f"<span role='alert'>✗ {escape(str(error))}</span>"
        else:
            message.value = escape(f"{action}: {moved}")

    button.on_click(act)
    display(ipywidgets.HBox([button, message]))


def _choices(found: QueueStatus) -> Iterable[tuple[str, str]]:
    return [
        (f"{item.name} ({item.state})", item.name)
        for state in _CHOICES
        for item in found.items[state]
    ][:MOST_CHOICES]
