"""A mirror that falls behind and catches up."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.queue import sheet_mirror
from kpfnb.queue.sheet_mirror import SheetMirror
from kpfnb.queue.sheet_status import SheetStatus, StatusTab, unqueued_items
from kpfnb.storage import sheets
from kpfnb.storage.sheets import Workbook
from tests.storage.sheets.conftest import Local, Remote
from tests.storage.sheets.emulator import Emulator

Behind = Local | Remote
TITLES = ["dataset", "status", "pod", "notes"]
RUNNING = SheetStatus("In Progress", "w1")
DONE = SheetStatus("COMPLETE", "w1")


def test_rows_are_found_by_name_after_they_moved(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [TITLES, ["A", "", "", "x"], ["B", "", "", "y"]])
    mirror = SheetMirror(book)
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


def test_items_without_a_row_are_reported_or_added(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [TITLES, ["A", "", "", "x"]])
    done = SheetMirror(book).update({"A": DONE, "B": DONE})
    assert done.missing == ("B",)
    assert done.outcome is Outcome.SUCCEEDED
    assert "not in the sheet: 1" in str(done)
    assert len(behind.raw("WorkQueue")) == 2
    SheetMirror(book, add=True).update({"A": DONE, "B": DONE})
    assert behind.raw("WorkQueue")[2] == ["B", "COMPLETE", "w1", ""]


def test_a_new_tab(book: Workbook, behind: Behind) -> None:
    assert SheetMirror(book).update({"A": DONE}).outcome is Outcome.FAILED
    done = SheetMirror(book, add=True).update({"A": DONE})
    assert done.to_dict()["added"] == 1
    assert behind.raw("WorkQueue") == [["dataset", "status", "pod"], ["A", "COMPLETE", "w1"]]
    assert unqueued_items(book) == []


def test_two_queues_share_the_tab_of_coadds(book: Workbook, behind: Behind) -> None:
    for queue in ("coadd2d", "coadd1d"):
        SheetMirror(book, StatusTab.for_queue(queue), add=True).update({"A": DONE})
    rows = behind.raw("coadd status")
    assert rows[0] == ["dataset", "Coadd 2D", "pod", "Coadd 1D", "pod"]
    assert rows[1:] == [["A", "COMPLETE", "w1", "COMPLETE", "w1"]]


def test_an_outage_is_survived_reported_and_caught_up_with(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(sheet_mirror.time, "monotonic", lambda: clock[0])
    remote = Remote(emulator)
    remote.put("WorkQueue", [TITLES, ["A"], ["B"], ["C"]])
    mirror = SheetMirror(sheets.open_workbook(retry_seconds=0))
    emulator.faults.extend([500, 0])
    first = mirror.update({"A": RUNNING})
    assert (first.outcome, first.owed) == (Outcome.FAILED, 1)
    assert "500" in first.error
    calls = len(emulator.calls)
    pending = mirror.update({"A": DONE, "B": RUNNING})
    assert len(emulator.calls) == calls, "it waits"
    assert (pending.owed, pending.behind_since) == (2, first.behind_since)
    assert "2 items behind since 2" in str(pending)
    clock[0] += sheet_mirror.FIRST_DELAY_SECONDS
    last = mirror.update({"C": RUNNING})
    assert last.outcome is Outcome.SUCCEEDED
    assert [row[1] for row in remote.raw("WorkQueue")[1:]] == [
        *("COMPLETE", "In Progress", "In Progress")
    ]
    assert mirror.update({}).to_dict()["behind_since"] is None


def test_delays_grow_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(sheet_mirror.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv("KPFNB_SHEET", "key=KEY")
    book, attempts = sheets.open_workbook(), []
    monkeypatch.setattr(book, "update", lambda *_, **__: attempts.append(clock[0]) or 1 / 0)
    mirror = SheetMirror(book)
    for second in range(2000):
        clock[0] = second
        result = mirror.update({"A": DONE})
    assert "ZeroDivisionError" in result.error
    delays = [after - before for before, after in pairwise(attempts)]
    assert delays[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert max(delays) == sheet_mirror.MAX_DELAY_SECONDS


def test_the_mirror_goes_on_when_the_statuses_cannot_be_read(
    book: Workbook, behind: Behind
) -> None:
    behind.put("WorkQueue", [TITLES, ["A"]])
    answers = iter([ServiceUnavailableError("no queue"), {"A": DONE}])

    def read_statuses() -> dict[str, SheetStatus]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    slept: list[float] = []
    updates = sheet_mirror.run_mirror(SheetMirror(book), read_statuses, 15, slept.append)
    error, result = islice(updates, 2)
    assert isinstance(error, ServiceUnavailableError)
    assert isinstance(result, sheet_mirror.MirrorResult)
    assert result.outcome is Outcome.SUCCEEDED
    assert slept == [15]


def test_each_update_is_one_write(emulator: Emulator) -> None:
    remote = Remote(emulator)
    remote.put("T", [TITLES, ["A"], ["B"], ["C"]])
    mirror = SheetMirror(sheets.open_workbook(), StatusTab("T"))
    mirror.update({name: SheetStatus("COMPLETE", "w") for name in "ABC"})
    assert remote.server.writes() == ["/v4/spreadsheets/KEY:batchUpdate"]
    before = len(remote.server.calls)
    mirror.update({name: SheetStatus("COMPLETE", "w") for name in "ABC"})
    assert len(remote.server.writes()) == 1
    assert len(remote.server.calls) - before == 2
