"""Actions of the notebook `queue`: change a queue, watch it, and offer buttons to a person."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError, ServiceUnavailableError
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItemStatus
from kpfnb.queue.results import MoveAction
from kpfnb.queue.status import QueueStatus, load_status
from kpfnb.queue.tasks import find_task

if TYPE_CHECKING:
    import ipywidgets

    from kpfnb.notebook.session import Session

REFRESH_SECONDS = 2.0
MAX_CHOICES = 200
LAST_LINES = 4
BUTTONS: dict[MoveAction, str] = {"requeue": "Retry selected", "park": "Set selected aside"}
_CHOICE_STATUSES = (
    QueueItemStatus.PARKED,
    QueueItemStatus.FAILED,
    QueueItemStatus.RUNNING,
    QueueItemStatus.WAITING,
)


@dataclass(frozen=True, repr=False)
class ActionLog:
    """The actions on a queue, one line each."""

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
    lines = []
    with Queue(name) as queue:
        if load:
            lines.append(f"load: {queue.load(load, dry_run=dry_run)}")
        moves: list[tuple[MoveAction, Sequence[str]]] = [("requeue", requeue), ("park", park)]
        for action, items in moves:
            if items:
                lines.append(f"{action}: {queue.move(action, items, dry_run=dry_run)}")
    return ActionLog(tuple(lines))


def queue_status(name: str, *, require_done: bool = False) -> QueueStatus:
    """The current status of a queue."""
    with Queue(name) as queue:
        return load_status(queue, require_done=require_done)


def run_test_workers(name: str, workers: int, *, sleep_seconds: float, fail: str = "") -> ActionLog:
    """Run a few workers that do the task `test` with the queue, and wait for them.

    fail : items with this text in their name fail
    """
    return run_task_workers(
        "test", name, workers, parameters={"sleep": sleep_seconds, "fail": fail}
    )


def run_task_workers(
    task: str, name: str, workers: int, *, parameters: Mapping[str, Any]
) -> ActionLog:
    """Run a few workers that do a task with the queue until no item is left, and wait for them.

    parameters : options of the task

    Raises
    ------
    InvalidParameterError : the task or an option is wrong
    ServiceUnavailableError : the workers failed; with their last messages
    """
    if not workers:
        return ActionLog(())
    # Checked here, so that the error appears in the notebook
    find_task(task).check_options(parameters)
    # A separate program: a notebook's kernel has threads, and can't be forked
    arguments = ["worker", task, f"--queue={name}", f"--count={workers}", "--idle=0"]
    arguments += [f"--parameter={key}={value}" for key, value in parameters.items()]
    program = [sys.executable, "-c", "from kpfnb.cli import main; main()"]
    with subprocess.Popen(
        [*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = _wait_for_output(process, name)
        except BaseException:
            process.terminate()
            raise
    # Failed items set the exit code, too: then there is output
    if process.returncode and not output.strip():
        last = " ".join(errors.split("\n")[-LAST_LINES:]).strip()
        raise ServiceUnavailableError(
            f"{workers} {task} workers ended with code {process.returncode}: {last}",
            f"try one in a terminal: kpfnb worker {task} --queue {name}",
        )
    return ActionLog((f"{workers} {task} workers: {output.strip()}",))


def _wait_for_output(process: subprocess.Popen[str], name: str) -> tuple[str, str]:
    """Wait for the end of workers; returns their output and messages. Shows what they do."""
    with Queue(name) as queue, _live_status(queue) as show:
        due = 0.0
        while True:
            try:
                return process.communicate(timeout=progress.ANSWER_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                progress.sleep_responsive(0)
            if time.monotonic() >= due:
                # A display only: the workers themselves wait for a server that does not answer
                with suppress(ServiceUnavailableError):
                    show()
                due = time.monotonic() + REFRESH_SECONDS


def show_live(name: str, seconds: float) -> None:
    """In JupyterLab, show the status live until no item is open; elsewhere do nothing."""
    if not progress.in_notebook():
        return
    deadline = time.monotonic() + seconds
    with Queue(name) as queue, _live_status(queue) as show:
        while any(count for state, count in queue.counts().items() if state.is_open):
            show()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            progress.sleep_responsive(min(remaining, REFRESH_SECONDS))


@contextmanager
def _live_status(queue: Queue) -> Iterator[Callable[[], None]]:
    """Gives a function that shows the queue as it is now: a page in JupyterLab, else a bar."""
    if progress.in_notebook():
        with progress.live_html() as show:
            yield lambda: show(load_status(queue)._repr_html_())
        return
    with progress.show_progress(None, f"queue {queue.name}") as bar:

        def update() -> None:
            counts = queue.counts()
            running = [item.name for item in queue.items(QueueItemStatus.RUNNING, limit=3)]
            bar.state.total = sum(counts.values())
            bar.update(
                done=sum(count for state, count in counts.items() if not state.is_open),
                failed=counts[QueueItemStatus.PARKED],
                note=", ".join(running),
            )

        yield update


def show_action_buttons(run: Session, status: QueueStatus) -> None:
    """In JupyterLab, show a list of items, and buttons that requeue or park the selected ones."""
    if not run.interactive or not any(status.items[state] for state in _CHOICE_STATUSES):
        return
    import ipywidgets
    from IPython.display import display

    chooser = ipywidgets.SelectMultiple(
        options=_item_choices(status), rows=10, description="items", layout={"width": "40em"}
    )
    display(chooser)
    for action in BUTTONS:
        _show_button(status.queue, action, chooser)


def _show_button(name: str, action: MoveAction, chooser: ipywidgets.SelectMultiple) -> None:
    import ipywidgets
    from IPython.display import display

    button = ipywidgets.Button(description=BUTTONS[action], button_style="warning")
    button.layout.width = "auto"
    message = ipywidgets.HTML()

    def move_selected(_: object) -> None:
        try:
            with Queue(name) as queue:
                result = queue.move(action, chooser.value)
                chooser.options = _item_choices(load_status(queue))
        except KpfnbError as error:
            message.value = f"<span role='alert'>✗ {escape(str(error))}</span>"
        else:
            message.value = escape(f"{action}: {result}")

    button.on_click(move_selected)
    display(ipywidgets.HBox([button, message]))


def _item_choices(status: QueueStatus) -> Iterable[tuple[str, str]]:
    return [
        (f"{item.name} ({item.state})", item.name)
        for state in _CHOICE_STATUSES
        for item in status.items[state]
    ][:MAX_CHOICES]
