"""The items of a queue that failed or are set aside: their errors and logs, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from kpfnb.core.text import format_count
from kpfnb.notebook import links
from kpfnb.queue.client import Queue
from kpfnb.queue.results import MoveAction
from kpfnb.queue.status import QueueProblem, QueueStatus, describe_problem
from kpfnb.runs.actions import PageAction

if TYPE_CHECKING:
    from kpfnb.notebook.session import Session

NO_PROBLEMS = "No item has failed or is set aside."
ROW_ACTIONS: dict[str, MoveAction] = {"Retry": "requeue", "Set aside": "park"}
LOG_LINES = 40


@dataclass(frozen=True)
class ProblemList:
    """The problems of a queue, each with the end of its log: for reports."""

    queue: str
    problems: Sequence[QueueProblem]

    def __repr__(self) -> str:
        texts = (f"{item.item}: {item.error}\n{item.log_end}".rstrip() for item in self.problems)
        return "\n\n".join(texts) or NO_PROBLEMS

    def _repr_html_(self) -> str:
        """One line per item that opens to show the log; all text is escaped."""
        if not self.problems:
            return f"<p>{NO_PROBLEMS}</p>"
        return "".join(
            f"<details><summary>{escape(item.item)} ({item.state}, "
            f"{format_count(item.attempts, 'attempt')}): {escape(item.error)}</summary>"
            f"{render_log(item)}<p>Retry: {self._retry_html(item)}</p></details>"
            for item in self.problems
        )

    def _retry_html(self, problem: QueueProblem) -> str:
        parameters = {"queue": self.queue, "requeue": [problem.item]}
        return str(links.action_html(PageAction("open queue filled in", "queue", parameters)))


def show_problems(run: Session, status: QueueStatus) -> Any:
    """In JupyterLab a table whose rows show their logs and buttons; elsewhere a list."""
    problems = _problems_by_item(status)
    if not run.interactive:
        return ProblemList(status.queue, tuple(problems.values()))
    return run.table(
        status.problems(),
        lambda row: render_problem(problems[row["item"]]),
        row_actions={
            label: _move_action(status.queue, action) for label, action in ROW_ACTIONS.items()
        },
        nothing=NO_PROBLEMS,
    )


def render_problem(problem: QueueProblem) -> str:
    """The error and the end of the log as HTML; all text escaped."""
    head = Markup("<h4>{}</h4><p>{}, {}: {}</p>").format(
        problem.item, problem.state, format_count(problem.attempts, "attempt"), problem.error
    )
    return head + Markup(render_log(problem))  # noqa: S704


def render_log(problem: QueueProblem) -> str:
    """The end of the log of the last failed attempt, and where the whole of it is."""
    if not problem.log_end:
        return "<p>It has no log: no attempt on it failed.</p>"
    lines = problem.log_end.rstrip().splitlines()
    text = f"<pre tabindex='0'>{escape(chr(10).join(lines[-LOG_LINES:]))}</pre>"
    if problem.log_path is None:
        return text
    url = links.page_url(problem.log_path)
    whole = links.link_html(url, "whole log") if url else escape(str(problem.log_path))
    return f"{text}<p>{whole}</p>"


def _problems_by_item(status: QueueStatus) -> dict[str, QueueProblem]:
    names = status.problems()["item"]
    items = {item.name: item for items in status.items.values() for item in items}
    return {name: describe_problem(status.queue, items[name]) for name in names}


def _move_action(queue: str, action: MoveAction) -> Callable[[Mapping[str, Any]], str]:
    def move(row: Mapping[str, Any]) -> str:
        with Queue(queue) as client:
            return f"{row['item']}: {client.move(action, [row['item']])}"

    return move
