from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from matplotlib.dates import date2num, num2date

from kpfnb.core.result import Outcome, Result
from kpfnb.notebook.display import figures
from kpfnb.queue import attempt_logs
from kpfnb.queue.client import Queue
from kpfnb.queue.records import (
    AttemptEvent,
    AttemptOutcome,
    AttemptReport,
    QueueItem,
    QueueItemStatus,
)
from kpfnb.queue.status import QueueStatus, done_rate, list_problems, load_status
from kpfnb.queue.timeline import WorkerTimeline

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)


def event(
    item: str, ending: AttemptOutcome, started: float, ended: float, worker: str = "w"
) -> AttemptEvent:
    """started, ended : seconds before now"""
    times = [NOW - timedelta(seconds=seconds) for seconds in (started, ended)]
    return AttemptEvent(item, ending, worker, 1, 1, *times, "")


def item(name: str, state: QueueItemStatus, **more) -> QueueItem:
    return QueueItem(name, state, since=NOW - timedelta(seconds=90), **more)


def status(**more) -> QueueStatus:
    items = {state: [] for state in QueueItemStatus} | {
        QueueItemStatus.RUNNING: [
            item("<run>", QueueItemStatus.RUNNING, worker="host/7", attempts=1)
        ],
        QueueItemStatus.FAILED: [
            item("f", QueueItemStatus.FAILED, attempts=2, error="oops\nagain", until=NOW)
        ],
        QueueItemStatus.PARKED: [
            item("p", QueueItemStatus.PARKED, attempts=3, error="<b>", log="<i>words</i>")
        ],
    }
    counts = {state: len(items[state]) for state in QueueItemStatus} | {
        QueueItemStatus.WAITING: 28,
        QueueItemStatus.DONE: 60,
    }
    events = tuple(event(f"i{n}", AttemptOutcome.DONE, 60 - n, 60 - n - 1) for n in range(60))
    return QueueStatus(
        "trial", counts, items, events, False, NOW, ZoneInfo("Pacific/Honolulu"), **more
    )


def test_it_is_a_result():
    result = status()
    assert isinstance(result, Result)
    assert result.reason == "1 parked, 1 failed, 1 running, 28 waiting, 60 done; p: <b>"
    assert result.key_figures()["parked"] == 1
    assert repr(result) == f"<QueueStatus: {result.reason}>"


def test_a_queue_with_parked_items_is_partial():
    assert status().outcome is Outcome.PARTIAL


def test_open_items_make_it_partial_only_if_all_had_to_be_done():
    parked = {QueueItemStatus.PARKED: 0}
    one = status()
    assert replace(one, counts=one.counts | parked).outcome is Outcome.SUCCEEDED
    waited = replace(one, counts=one.counts | parked, require_done=True)
    assert waited.outcome is Outcome.PARTIAL


def test_the_text_shows_workers_and_local_times():
    assert str(status()).splitlines() == [
        "queue trial: 1 parked, 1 failed, 1 running, 28 waiting, 60 done; p: <b>",
        "60 done per minute, 30 s left",
        "  parked   p  since 2024-01-15 01:58, 3 attempts: <b>",
        "  failed   f  2 attempts, next at 2024-01-15 02:00: oops again",
        "  running  <run>  on host/7 since 2024-01-15 01:58, attempt 1",
    ]


def test_all_text_is_escaped():
    page = status()._repr_html_()
    assert "&lt;run&gt;" in page and "&lt;b&gt;" in page
    for tag in ("<run>", "<b>", "<i>"):
        assert tag not in page


def test_the_page_says_who_has_what_since_when_and_how_far_it_is():
    page = status()._repr_html_()
    assert 'value="61" max="91"' in page and "60 done per minute, 30 s left" in page
    cells = ("host/7", "2024-01-15 01:58", "1 min 30 s", "1")
    assert "".join(f"<td>{cell}</td>" for cell in cells) in page


def test_the_problems_are_a_table_with_parked_items_first():
    frame = status().problems()
    assert frame["item"].tolist() == ["p", "f"]
    assert frame.columns[3] == "since (Pacific/Honolulu)"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([event("a", AttemptOutcome.FAILED, 10, 5)], None),
        ([event("a", AttemptOutcome.DONE, 10, 5), event("b", AttemptOutcome.DONE, 5, 0)], 0.2),
        ([event("old", AttemptOutcome.DONE, 5000, 4000)], None),
        ([event("long", AttemptOutcome.DONE, 5000, 0)], 1 / 600),
    ],
)
def test_the_rate_is_that_of_the_last_ten_minutes(events, expected):
    assert done_rate(tuple(events), NOW) == (expected and pytest.approx(expected))


def test_the_frame_has_one_row_per_item():
    frame = status().to_frame()
    assert frame["item"].tolist() == ["<run>", "f", "p"]
    assert frame["state"].tolist() == ["running", "failed", "parked"]


def test_bars_show_the_counts():
    axes = figures.plot(status()).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [28, 1, 1, 1, 60, 0]
    assert axes.get_xlabel() == "items"


def test_the_tooltip_of_a_bar_has_its_items():
    plot = figures.hover_plot(status())
    [axes] = plot.figure.axes
    texts = {n: plot.tooltips[axes](SimpleNamespace(xdata=0.5, ydata=n)) for n in range(6)}
    assert texts[1].startswith("1 running\n<run>")
    assert [texts[n].splitlines()[1] for n in (2, 3)] == ["f: oops", "p: <b>"]


def test_the_time_line_has_one_row_per_worker_and_one_bar_per_attempt():
    events = [
        event("a", AttemptOutcome.DONE, 60, 30, "one"),
        event("b", AttemptOutcome.LOST, 50, 20, "two"),
        event("b", AttemptOutcome.DONE, 20, 10, "one"),
    ]
    running = [item("c", QueueItemStatus.RUNNING, worker="three")]
    timeline = WorkerTimeline(events, running, NOW, ZoneInfo("Pacific/Honolulu"))
    axes = figures.plot(timeline).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["three", "one", "two"]
    assert len(axes.patches) == 4
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "done",
        "lost",
        "running",
    ]
    first = axes.patches[0]
    assert num2date(first.get_x()) == NOW - timedelta(seconds=60)
    assert axes.get_xlabel() == "time (Pacific/Honolulu)"


def test_the_tooltip_of_a_bar_has_its_attempt():
    events = [
        event("a", AttemptOutcome.DONE, 60, 30, "one"),
        event("b", AttemptOutcome.LOST, 50, 20, "two"),
    ]
    plot = figures.hover_plot(WorkerTimeline(events, [], NOW, UTC))
    [(axes, tooltip)] = plot.tooltips.items()

    def at(seconds_ago, row):
        x = date2num(NOW - timedelta(seconds=seconds_ago))
        return tooltip(SimpleNamespace(inaxes=axes, xdata=x, ydata=row))

    assert at(40, 0.2).startswith("a\ndone, attempt 1, 30.0 s")
    assert at(40, 1).startswith("b\nlost, attempt ")
    assert (at(55, 1), at(40, 0.45), at(40, 7)) == ("", "", "")


def test_of_many_workers_the_latest_are_shown():
    events = [event(f"i{n}", AttemptOutcome.DONE, 200 - n, 199 - n, f"w{n}") for n in range(100)]
    axes = figures.plot(WorkerTimeline(events, [], NOW, UTC)).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"w{n}" for n in range(60, 100)]


def test_plots_of_an_empty_queue(embedded):
    with Queue("trial") as queue:
        empty = load_status(queue)
    assert empty.reason == "no items" and empty.rate is None and empty.seconds_left is None
    assert figures.plot(empty).axes
    assert figures.plot(empty.timeline()).axes[0].texts[0].get_text() == "no attempts"
    assert len(empty.problems()) == 0 and "<progress" not in empty._repr_html_()


def test_of_a_real_queue(embedded):
    with Queue("trial") as queue:
        queue.load(["a", "b"])
        [claim] = queue.report_and_claim("host/1", "r1").claims
        queue.report_and_claim(
            "host/1", "r2", [AttemptReport(claim, AttemptOutcome.FAILED, error="oops")], want=0
        )
        queue.drain()
        result = load_status(queue)
    assert result.reason == "1 failed, 1 waiting (draining)"
    assert result.to_dict()["failed"][0]["error"] == "oops"
    assert [event.ending for event in result.events] == [AttemptOutcome.FAILED]


def test_a_problem_has_its_log_and_the_file_of_it_if_it_is_of_that_attempt(embedded, monkeypatch):
    with Queue("trial") as queue:
        queue.load(["a/b", "c"])
        for request, log in (("r1", "first\nlast words"), ("r2", "")):
            [claim] = queue.report_and_claim("host/1", request).claims
            report = AttemptReport(claim, AttemptOutcome.FAILED, error="oops", log=log, final=True)
            queue.report_and_claim("host/1", f"{request}-end", [report], want=0)
        [first, second] = list_problems(queue)
        assert (first.item, first.state, first.attempts) == ("a/b", QueueItemStatus.PARKED, 1)
        assert (first.error, first.log_end) == ("oops", "first\nlast words")
        assert first.log_path is None and second.log_path is None
        attempt_logs.store_log("trial", "a/b", "much before\nfirst\nlast words")
        attempt_logs.store_log("trial", "c", "")
        [first, _] = list_problems(queue)
        assert first.log_path and first.log_path.read_text().startswith("much before")
        assert first.to_dict()["log_path"] == str(first.log_path)
        # An earlier attempt on this machine; the last one was made on another
        attempt_logs.store_log("trial", "a/b", "something else")
        assert list_problems(queue)[0].log_path is None
