"""A mirror that falls behind, and catches up."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest

from kpfnb import sheets
from kpfnb.errors import ServiceUnavailable
from kpfnb.outcomes import Outcome
from kpfnb.sheets import Book, Mirror, Standing, StatusTab, standing
from kpfnb.sheets import mirror as mirrors
from kpfnb.workqueue.records import Item, State
from tests.sheets.conftest import Local, Remote
from tests.sheets.emulator import Emulator

Behind = Local | Remote
TITLES = ["dataset", "status", "pod", "notes"]
RUNNING = Standing("In Progress", "w1")
DONE = Standing("COMPLETE", "w1")


def test_rows_are_found_by_name_wherever_they_are_now(book: Book, behind: Behind) -> None:
    behind.put("WorkQueue", [TITLES, ["A", "", "", "x"], ["B", "", "", "y"]])
    mirror = Mirror(book)
    assert mirror.update({"A": RUNNING}).outcome is Outcome.SUCCEEDED
    # A person sorts the rows, adds one, and sees A twice
    behind.put("WorkQueue", [TITLES, ["N", "", "", ""], ["B", "", "", "y"], [" A", "", "", "x"]])
    mirror.update({"A": DONE, "B": RUNNING})
    assert behind.raw("WorkQueue") == [
        TITLES,
        ["N", "", "", ""],
        ["B", "In Progress", "w1", "y"],
        [" A", "COMPLETE", "w1", "x"],
    ]


def test_items_without_a_row_are_told_or_added(book: Book, behind: Behind) -> None:
    behind.put("WorkQueue", [TITLES, ["A", "", "", "x"]])
    done = Mirror(book).update({"A": DONE, "B": DONE})
    assert done.missing == ("B",)
    assert done.outcome is Outcome.SUCCEEDED
    assert "not in the sheet: 1" in str(done)
    assert len(behind.raw("WorkQueue")) == 2
    Mirror(book, add=True).update({"A": DONE, "B": DONE})
    assert behind.raw("WorkQueue")[2] == ["B", "COMPLETE", "w1", ""]


def test_a_new_tab(book: Book, behind: Behind) -> None:
    assert Mirror(book).update({"A": DONE}).outcome is Outcome.FAILED
    done = Mirror(book, add=True).update({"A": DONE})
    assert done.to_dict()["added"] == 1
    assert behind.raw("WorkQueue") == [["dataset", "status", "pod"], ["A", "COMPLETE", "w1"]]
    assert sheets.blank_items(book) == []


def test_two_queues_share_the_tab_of_coadds(book: Book, behind: Behind) -> None:
    for queue in ("coadd2d", "coadd1d"):
        Mirror(book, StatusTab.of_queue(queue), add=True).update({"A": DONE})
    rows = behind.raw("coadd status")
    assert rows[0] == ["dataset", "Coadd 2D", "pod", "Coadd 1D", "pod"]
    assert rows[1:] == [["A", "COMPLETE", "w1", "COMPLETE", "w1"]]


def test_an_outage_is_survived_told_and_caught_up_with(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(mirrors.time, "monotonic", lambda: clock[0])
    remote = Remote(emulator)
    remote.put("WorkQueue", [TITLES, ["A"], ["B"], ["C"]])
    mirror = Mirror(sheets.open(patience_seconds=0))
    emulator.faults.extend([500, 0])
    first = mirror.update({"A": RUNNING})
    assert (first.outcome, first.owed) == (Outcome.FAILED, 1)
    assert "500" in first.error
    calls = len(emulator.calls)
    rested = mirror.update({"A": DONE, "B": RUNNING})
    assert len(emulator.calls) == calls, "it rests"
    assert (rested.owed, rested.behind_since) == (2, first.behind_since)
    assert "2 items behind since 2" in str(rested)
    clock[0] += mirrors.FIRST_REST_SECONDS
    last = mirror.update({"C": RUNNING})
    assert last.outcome is Outcome.SUCCEEDED
    assert [row[1] for row in remote.raw("WorkQueue")[1:]] == [
        *("COMPLETE", "In Progress", "In Progress")
    ]
    assert mirror.update({}).to_dict()["behind_since"] is None


def test_rests_grow_and_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(mirrors.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv("KPFNB_SHEET", "key=KEY")
    mirror, tried = Mirror(sheets.open()), []
    monkeypatch.setattr(mirror._book, "revise", lambda *_, **__: tried.append(clock[0]) or 1 / 0)
    for second in range(2000):
        clock[0] = second
        told = mirror.update({"A": DONE})
    assert "ZeroDivisionError" in told.error
    rests = [after - before for before, after in pairwise(tried)]
    assert rests[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert max(rests) == mirrors.LONGEST_REST_SECONDS


def test_follow_goes_on_when_the_truth_cannot_be_read(book: Book, behind: Behind) -> None:
    behind.put("WorkQueue", [TITLES, ["A"]])
    answers = iter([ServiceUnavailable("no queue"), {"A": DONE}])

    def truth() -> dict[str, Standing]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    slept: list[float] = []
    told = list(islice(mirrors.follow(Mirror(book), truth, 15, slept.append), 2))
    assert isinstance(told[0], ServiceUnavailable)
    assert isinstance(told[1], mirrors.Mirrored)
    assert told[1].outcome is Outcome.SUCCEEDED
    assert slept == [15]


def test_every_state_has_a_status() -> None:
    assert set(standing.STATUSES) == set(State)
    assert "" not in standing.STATUSES.values(), "what is blank would be loaded again"


@pytest.mark.parametrize(
    ("state", "result", "status"),
    [
        (State.DONE, None, "COMPLETE"),
        (State.DONE, {"outcome": "partial"}, "WARNING"),
        (State.DONE, ["partial"], "COMPLETE"),
        (State.PARKED, {"outcome": "partial"}, "FAILED"),
        (State.FAILED, None, "IN QUEUE"),
    ],
)
def test_statuses(state: State, result: object, status: str) -> None:
    item = Item("A", state, worker="w1", since=datetime.now(UTC), result=result)
    assert standing.of_item(item) == Standing(status, "w1")
