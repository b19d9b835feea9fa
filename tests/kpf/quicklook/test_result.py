from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.result import Outcome
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult

NIGHT = "20240115"
MADE, CURRENT, FAILED = (
    QuicklookOutcome.MADE,
    QuicklookOutcome.CURRENT,
    QuicklookOutcome.FAILED,
)


def make_result(*outcomes: QuicklookOutcome) -> QuicklookResult:
    items = tuple(
        QuicklookItem("a.fits", "L0", NIGHT, outcome, verdict="" if outcome is FAILED else "PASS")
        for outcome in outcomes
    )
    return QuicklookResult(Path("/d"), items)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([], "no files"),
        ([MADE], "1 file processed: 1 PASS"),
        ([MADE, MADE], "2 files processed: 2 PASS"),
        ([CURRENT, MADE], "2 files: 1 processed, 1 up to date; 2 PASS"),
        ([FAILED], "1 file failed; first failure: a.fits: failed"),
    ],
)
def test_the_reason_counts_files_by_outcome_and_verdict(
    outcomes: list[QuicklookOutcome], reason: str
) -> None:
    assert make_result(*outcomes).reason == reason


def test_the_outcome_of_an_item_is_its_fate_in_json() -> None:
    [item] = make_result(MADE).to_dict()["items"]
    assert (item["fate"], item["remarks"]) == ("made", [])
    assert "outcome" not in item
    assert list(make_result(MADE).to_frame()["result"]) == ["made"]


def test_outdated_pages_are_in_the_result() -> None:
    good = QuicklookItem("a", "L0", NIGHT, QuicklookOutcome.MADE)
    result = QuicklookResult(Path("/d"), (good,), outdated_nights=(NIGHT,))
    assert result.outcome is Outcome.PARTIAL
    assert f"pages of {NIGHT} are locked by another process" in result.reason
    assert result.to_dict()["pages_behind"] == [NIGHT]


def test_nothing_to_do_is_skipped_and_says_why() -> None:
    result = QuicklookResult(Path("/d"), (), no_files="No files of 20350201 (nights present: none)")
    assert result.outcome is Outcome.SKIPPED
    assert result.reason == "No files of 20350201 (nights present: none)"
