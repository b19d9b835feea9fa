"""Failed items, where a person sees them: with their logs, and a way to try again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kpfnb.notebook.display import tables
from kpfnb.notebook.links import LAB_URL_VARIABLE
from kpfnb.queue import attempt_logs, problems
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome, AttemptReport, QueueItemStatus
from kpfnb.queue.status import QueueStatus, load_status

pytestmark = pytest.mark.usefixtures("embedded")

LOG = "".join(f"line {n}\n" for n in range(99)) + "<last>"


class Interactive:
    """A session in JupyterLab, as far as a table needs one."""

    interactive = True

    def table(self, frame: Any, row_details: Any, **options: Any) -> Any:
        return tables.interactive_table(frame, row_details=row_details, **options)


@pytest.fixture
def failed() -> QueueStatus:
    """A queue with an item that failed for good, one that is retried and one set aside."""
    with Queue("trial") as queue:
        queue.load(["<a>", "b", "c"])
        queue.move("park", ["c"])
        for name, final in (("<a>", True), ("b", False)):
            [claim] = queue.report_and_claim("host/1", name).claims
            report = AttemptReport(
                claim, AttemptOutcome.FAILED, error=f"no {name}", log=LOG, final=final
            )
            queue.report_and_claim("host/1", f"{name}-end", [report], want=0)
        return load_status(queue)


def test_a_row_shows_the_end_of_its_log(failed: QueueStatus) -> None:
    attempt_logs.store_log("trial", "<a>", LOG)
    table, panel = problems.show_problems(Interactive(), failed).children  # type: ignore[arg-type]
    names = failed.problems()["item"].tolist()
    assert sorted(names[:2]) == ["<a>", "c"] and names[2] == "b"
    table.selected_rows = [names.index("<a>")]
    page = panel.children[1].value
    assert "<h4>&lt;a&gt;</h4><p>parked, 1 attempt: no &lt;a&gt;</p>" in page
    assert "line 98\n&lt;last&gt;</pre>" in page and "line 1\n" not in page
    assert str(attempt_logs.log_path("trial", "<a>")) in page
    table.selected_rows = [names.index("c")]
    assert "It has no log" in panel.children[1].value


def test_the_whole_log_is_a_link_in_jupyterlab(
    failed: QueueStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAB_URL_VARIABLE, "/kpfnb/")
    attempt_logs.store_log("trial", "b", LOG)
    table, panel = problems.show_problems(Interactive(), failed).children  # type: ignore[arg-type]
    table.selected_rows = [2]
    assert 'href="/kpfnb/files/' in panel.children[1].value and "b.log" in panel.children[1].value


def test_retry_and_set_aside_are_beside_the_log(failed: QueueStatus) -> None:
    table, panel = problems.show_problems(Interactive(), failed).children  # type: ignore[arg-type]
    retry, park, message = panel.children[0].children
    assert (retry.description, park.description) == ("Retry", "Set aside")
    names = failed.problems()["item"].tolist()
    table.selected_rows = [names.index("<a>")]
    retry.click()
    assert message.value == "&lt;a&gt;: 1 parked → waiting"
    table.selected_rows = [names.index("b")]
    park.click()
    assert message.value == "b: 1 failed → parked"
    with Queue("trial") as queue:
        assert queue.item("<a>").state is QueueItemStatus.WAITING
        assert queue.item("b").state is QueueItemStatus.PARKED


def test_a_report_lists_them_with_their_logs(failed: QueueStatus) -> None:
    shown = problems.show_problems(SimpleNamespace(interactive=False), failed)  # type: ignore[arg-type]
    page = shown._repr_html_()
    assert "<summary>&lt;a&gt; (parked, 1 attempt): no &lt;a&gt;</summary>" in page
    assert "&lt;last&gt;</pre>" in page and "<last>" not in page
    assert "kpfnb run queue -p queue=trial -p &#39;requeue=&lt;a&gt;&#39;" in page
    assert "<a>: no <a>\nline 0" in repr(shown)


def test_a_queue_without_problems_says_so() -> None:
    with Queue("trial") as queue:
        status = load_status(queue)
    shown = problems.show_problems(SimpleNamespace(interactive=False), status)  # type: ignore[arg-type]
    assert repr(shown) == problems.NO_PROBLEMS
    widget = problems.show_problems(Interactive(), status)  # type: ignore[arg-type]
    assert problems.NO_PROBLEMS in widget.value
