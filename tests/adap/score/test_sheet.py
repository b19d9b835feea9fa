"""Scorecards in a sheet: the same for a local workbook and for Google's."""

# ruff: noqa: F811  (fixtures of the sheets' own tests)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.adap.score.row import SCORECARD_COLUMNS, FrameStatus, ScorecardRow
from kpfnb.adap.score.run import plan_tabs, publish_scorecards, tab_for
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.storage.sheets import SheetChanges, SheetTable, Workbook
from kpfnb.storage.sheets.local import apply_changes
from tests.storage.sheets.conftest import Local, Remote, behind, book, emulator, private_key  # noqa: F401

Behind = Local | Remote
A, B, ONE = "Abell/600ZD/2012-12-16", "b7/600ZD/2012-12-17", "22_1b/830G/2002-09-13"


def row(
    dataset: str, file: str, date: str = "2026-06-10", status: str = "COMPLETE"
) -> ScorecardRow:
    return ScorecardRow(
        dataset, file, date, status, slit_count=20, git_commit="2.0.1", reduce_dir="reduce"
    )


def card(*rows: ScorecardRow, dataset: str = "") -> Scorecard:
    return Scorecard(Path("reduce"), dataset or rows[0].dataset, rows)


def names(behind: Behind, tab: str) -> list[tuple[str, str]]:
    titles, *rows = behind.raw(tab)
    place = titles.index("science_file")
    return [(result[0], result[place]) for result in rows]


def sheet(*rows: ScorecardRow, note: str = "mine") -> list[list[str | int]]:
    """A tab with a column of somebody's own at its end."""
    return [[*SCORECARD_COLUMNS, "notes"], *([*item.to_dict().values(), note] for item in rows)]


def test_each_dataset_goes_to_the_tab_of_its_letter(book: Workbook, behind: Behind) -> None:
    cards = [card(row(A, "a1"), row(A, "a2")), card(row(B, "b1")), card(row(ONE, "c1"))]
    result = publish_scorecards(cards, book)
    assert sorted(book.tabs()) == ["0-9", "A-B", "latest"]
    assert names(behind, "A-B") == [(A, "a1"), (A, "a2"), (B, "b1")]
    assert names(behind, "0-9") == [(ONE, "c1")]
    assert len(names(behind, "latest")) == 4
    assert behind.raw("A-B")[0] == list(SCORECARD_COLUMNS)
    assert "0-9: 1 row changed, 1 row added" in result.reason
    assert publish_scorecards(cards, book).reason.endswith("; nothing changed")


@pytest.mark.parametrize("odd", ["", "Jan 5, 2024", "2024-13-45"])
def test_an_invalid_date_does_not_stop_the_others(book: Workbook, behind: Behind, odd: str) -> None:
    """As in a scorecard that another program wrote, or a person edited."""
    behind.put("latest", sheet(row(B, "b1", "2024-01-01"), row(B, "b2", "2026-06-09")))
    publish_scorecards([card(row(A, "a1", odd), row(A, "a2", "2026-06-10"))], book)
    assert names(behind, "latest") == [(B, "b2"), (A, "a1"), (A, "a2")]


@pytest.mark.parametrize(
    ("name", "tab"),
    [
        *(("9x", "0-9"), ("a", "A-B"), ("B", "A-B"), ("c-b-30C", "C"), ("Dusty", "D-F")),
        *(("h", "G-H"), ("I", "I-L"), ("miki", "M"), ("r", "N-R"), ("S", "S"), ("tuck", "T-V")),
        *(("z", "W-Z"), ("_x", "0-9"), ("+1", "0-9")),
    ],
)
def test_tabs(name: str, tab: str) -> None:
    assert tab_for(f"{name}/c/2012-12-16") == tab


def test_rows_are_replaced_and_others_never_touched(book: Workbook, behind: Behind) -> None:
    old = [row(A, "a1"), row(B, "b1"), row(A, "a2"), row(A, "a3")]
    behind.put("A-B", sheet(*old))
    publish_scorecards([card(row(A, "a2", "2026-06-20"), row(A, "a4", "2026-06-20"))], book)
    titles, *rows = behind.raw("A-B")
    assert titles == [*SCORECARD_COLUMNS, "notes"]
    result = {(item[0], item[1]): (item[2], item[-1]) for item in rows}
    assert result == {
        (B, "b1"): ("2026-06-10", "mine"),
        (A, "a2"): ("2026-06-20", "mine"),
        (A, "a4"): ("2026-06-20", ""),
    }
    assert len(rows) == 3


def test_fewer_rows_than_before_leave_no_stale_one(book: Workbook, behind: Behind) -> None:
    """ADAP's script kept the stale row of three, and deleted a fresh one."""
    behind.put("A-B", sheet(row(A, "a1"), row(A, "a2"), row(A, "a3")))
    publish_scorecards([card(row(A, "a3", "2026-06-20"))], book)
    assert [item[1:3] for item in behind.raw("A-B")[1:]] == [["a3", "2026-06-20"]]


def test_the_latest_leave_those_that_are_old(book: Workbook, behind: Behind) -> None:
    old = [row(B, "b1", "2026-06-04"), row(B, "b2", "2026-06-05"), row(A, "a1", "2026-05-01")]
    unreadable = row(ONE, "c1", "some day")
    behind.put("latest", sheet(*old, unreadable))
    new = [row(A, "a1", "2026-06-10"), row("M/c/2020-01-01", "m1", "2026-06-30")]
    publish_scorecards([card(item) for item in new], book, latest_days=5)
    assert names(behind, "latest") == [
        *((B, "b2"), (A, "a1"), (ONE, "c1"), ("M/c/2020-01-01", "m1"))
    ]


def test_old_rows_are_dropped_from_the_latest_alone(book: Workbook, behind: Behind) -> None:
    behind.put("A-B", sheet(row(B, "b1", "2001-01-01")))
    behind.put("Failed", sheet(row(B, "b1", "2001-01-01", "FAILED")))
    publish_scorecards([card(row(A, "a1"))], book)
    assert names(behind, "A-B") == [(B, "b1"), (A, "a1")]
    assert names(behind, "Failed") == [(B, "b1")]


def test_failed_is_cleared_of_what_succeeded_since(book: Workbook, behind: Behind) -> None:
    failed = [row(A, "a1", status=FrameStatus.FAILED), row(A, "a2", status=FrameStatus.FAILED)]
    publish_scorecards([card(*failed), card(row(B, "b1", status=FrameStatus.FAILED))], book)
    assert names(behind, "Failed") == [(A, "a1"), (A, "a2"), (B, "b1")]
    publish_scorecards([card(row(A, "a1"), failed[1])], book)
    assert names(behind, "Failed") == [(A, "a2"), (B, "b1")]
    publish_scorecards([card(row(A, "a1"), row(A, "a2"))], book)
    assert names(behind, "Failed") == [(B, "b1")]


def test_a_dataset_without_science_has_no_rows_any_more(book: Workbook, behind: Behind) -> None:
    behind.put("A-B", sheet(row(A, "a1"), row(B, "b1")))
    publish_scorecards([card(dataset=A)], book)
    assert names(behind, "A-B") == [(B, "b1")]
    assert book.tabs() == ["A-B"], "no tab is made to stay empty"


def test_it_is_one_batch(emulator, book: Workbook, behind: Behind) -> None:
    if isinstance(behind, Local):
        return
    for tab in ("latest", "A-B", "Failed"):
        behind.put(tab, [list(SCORECARD_COLUMNS)])
    publish_scorecards([card(row(A, "a1", status="FAILED"))], book)
    assert len(emulator.writes()) == 1


def test_a_dry_run_reports_and_changes_nothing(book: Workbook, behind: Behind) -> None:
    behind.put("A-B", sheet(row(A, "a1"), row(A, "a2")))
    result = publish_scorecards([card(row(A, "a1", "2026-06-20"))], book, dry_run=True)
    assert "would update 1 dataset" in result.reason
    assert "A-B: 1 row changed, 1 row removed" in result.reason
    assert (behind.raw("A-B")[1][2], book.tabs()) == ("2026-06-10", ["A-B"])


def test_nothing_to_publish(book: Workbook) -> None:
    assert publish_scorecards([], book).to_dict()["tabs"] == {}
    assert book.tabs() == []


DATASETS = st.sampled_from([A, B, "Ac/600ZD/2012-12-16"])
ROWS = st.lists(
    st.builds(
        row, DATASETS, st.sampled_from(["1", "2", "3", "4"]), status=st.sampled_from(FrameStatus)
    ),
    max_size=8,
    unique_by=lambda row: (row.dataset, row.science_file),
)


@given(before=ROWS, after=ROWS)
def test_afterwards_a_tab_says_of_a_dataset_what_its_scorecard_says(
    before: Sequence[ScorecardRow], after: Sequence[ScorecardRow]
) -> None:
    cards = [card(*(o for o in after if o.dataset == n)) for n in {o.dataset for o in after}]
    table = SheetTable.from_rows([[str(item) for item in line] for line in sheet(*before)])
    plans = plan_tabs(cards)
    failed = [item for item in after if item.status == FrameStatus.FAILED]
    for tab, wanted in {"A-B": after, "Failed": failed}.items():
        changes = plans[tab](table) if tab in plans else SheetChanges()
        messages = [tuple(map(str, line[:28])) for line in apply_changes(table.rows, changes)[1:]]
        new = {item.dataset for item in after}
        expected = [*wanted, *(item for item in before if item.dataset not in new)]
        assert sorted(messages) == sorted(
            tuple(map(str, item.to_dict().values())) for item in expected
        )
