"""What the notebook `queue` does: load and mend a queue, watch it, offer buttons to a person."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError, ServiceUnavailableError
from kpfnb.queue import status, tasks
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItemStatus
from kpfnb.queue.results import MoveAction
from kpfnb.queue.status import QueueStatus

if TYPE_CHECKING:
    import ipywidgets

    from kpfnb.notebook.session import Session

REFRESH_SECONDS = 2.0
MAX_CHOICES = 200
LAST_LINES = 4
_CHOICE_STATUSES = (
    QueueItemStatus.PARKED,
    QueueItemStatus.FAILED,
    QueueItemStatus.RUNNING,
    QueueItemStatus.WAITING,
)


@dataclass(frozen=True, repr=False)
class ActionLog:
    """What was done with a queue, in words."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines) or "nothing was changed"


def apply_changes(
    name: str,
    *,
    load: Sequence[str] = (),
    requeue: Sequence[str] = (),
    park: Sequence[str] = (),
    dry_run: bool = False,
) -> ActionLog:
    """Load, requeue and park items, in this order."""
    told = []
    with Queue(name) as queue:
        if load:
            told.append(f"load: {queue.load(load, dry_run=dry_run)}")
        moves: list[tuple[MoveAction, Sequence[str]]] = [("requeue", requeue), ("park", park)]
        for action, items in moves:
            if items:
                told.append(f"{action}: {queue.move(action, items, dry_run=dry_run)}")
    return ActionLog(tuple(told))


def queue_status(name: str, *, require_done: bool = False) -> QueueStatus:
    """How the queue stands now."""
    with Queue(name) as queue:
        return status.load_status(queue, require_done=require_done)


def run_test_workers(name: str, workers: int, *, sleep_seconds: float, fail: str = "") -> ActionLog:
    """Let a few workers do the task `test` with the queue, and wait for them.

    fail : items that have this text in their name fail
    """
    return run_task_workers(
        "test", name, workers, parameters={"sleep": sleep_seconds, "fail": fail}
    )


def run_task_workers(
    task: str, name: str, workers: int, *, parameters: Mapping[str, Any]
) -> ActionLog:
    """Let a few workers do a task with the queue until nothing is left, and wait for them.

    parameters : options of the task

    Raises
    ------
    InvalidParameterError : the task or an option is wrong
    ServiceUnavailableError : the workers could not work; says what they said last
    """
    if not workers:
        return ActionLog(())
    # Refused here, where it is read
    tasks.find_task(task).check_options(parameters)
    # A program of its own: a notebook's kernel has threads, and can't be forked
    arguments = ["worker", task, f"--queue={name}", f"--count={workers}", "--idle=0"]
    arguments += [f"--parameter={key}={value}" for key, value in parameters.items()]
    program = [sys.executable, "-c", "from kpfnb.cli.app import main; main()"]
    with subprocess.Popen(
        [*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            told, errors = _wait_for_output(process)
        except BaseException:
            process.terminate()
            raise
    # How the items ended, its exit code tells too
    if process.returncode and not told.strip():
        last = " ".join(errors.split("\n")[-LAST_LINES:]).strip()
        raise ServiceUnavailableError(
            f"{workers} {task} workers ended with code {process.returncode}: {last}",
            f"try one in a terminal: kpfnb worker {task} --queue {name}",
        )
    return ActionLog((f"{workers} {task} workers: {told.strip()}",))


def _wait_for_output(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it prints until its end, and its messages."""
    while True:
        try:
            return process.communicate(timeout=progress.ANSWER_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            progress.sleep_responsive(0)


def show_live(name: str, seconds: float) -> None:
    """In JupyterLab, show how the queue stands, live, until nothing is open; else nothing."""
    if not progress.in_notebook():
        return
    deadline = time.monotonic() + seconds
    with Queue(name) as queue, progress.live_html() as show:
        while any(count for state, count in queue.counts().items() if state.is_open):
            show(status.load_status(queue)._repr_html_())
            left = deadline - time.monotonic()
            if left <= 0:
                return
            progress.sleep_responsive(min(left, REFRESH_SECONDS))


def show_action_buttons(run: Session, found: QueueStatus) -> None:
    """In JupyterLab, a list of items, and buttons that requeue or park those chosen."""
    if not run.interactive:
        return
    import ipywidgets
    from IPython.display import display

    chooser = ipywidgets.SelectMultiple(
        options=_item_choices(found), rows=10, description="items", layout={"width": "40em"}
    )
    display(chooser)
    for action in ("requeue", "park"):
        _show_button(found.queue, action, chooser)


def _show_button(name: str, action: MoveAction, chooser: ipywidgets.SelectMultiple) -> None:
    import ipywidgets
    from IPython.display import display

    button = ipywidgets.Button(description=f"{action} those chosen", button_style="warning")
    button.layout.width = "auto"
    message = ipywidgets.HTML()

    def act(_: object) -> None:
        try:
            with Queue(name) as queue:
                moved = queue.move(action, chooser.value)
                chooser.options = _item_choices(status.load_status(queue))
        except KpfnbError as error:
            message.value = f"<span role='alert'>✗ {escape(str(error))}</span>"
        else:
            message.value = escape(f"{action}: {moved}")

    button.on_click(act)
    display(ipywidgets.HBox([button, message]))


def _item_choices(found: QueueStatus) -> Iterable[tuple[str, str]]:
    return [
        (f"{item.name} ({item.state})", item.name)
        for state in _CHOICE_STATUSES
        for item in found.items[state]
    ][:MAX_CHOICES]
