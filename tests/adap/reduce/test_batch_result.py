"""Several reductions as one result."""

from __future__ import annotations

import json
from pathlib import Path

from kpfnb.adap.products.reduction import FrameResult
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult, StageResult
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core.result import Outcome, Result


def part(
    name: str, *, reason: str = "", code: int | None = 0, stages: bool = False
) -> DatasetResult:
    spec2d = "" if reason else "spec2d_a.fits"
    verdict = FrameResult(
        "a.fits", "science", "M31", "A", reason, spec2d, spec2d and "spec1d_a.fits"
    )
    steps = (
        CommandResult("pypeit_setup", 5.0, 200, 0),
        CommandResult("run_pypeit A", 90.0, 3_000_000_000, code),
    )
    result = ReductionResult(Path("out"), {"frames": {"a.fits": [1, 2]}}, (verdict,), steps=steps)
    done = (StageResult("reduce", 95.0, "1 of 1"), StageResult("sheet", 1.0, "", "no <sheet>"))
    outcome = Outcome.FAILED if reason else Outcome.SUCCEEDED
    return DatasetResult(
        name, outcome, reason or "1 of 1 reduced", (result,), done if stages else ()
    )


def test_of_one_its_own_word_counts() -> None:
    result = ReductionBatchResult((part("m/c/2015-10-16", stages=True),))
    assert isinstance(result, Result)
    assert (result.outcome, result.reason) == (Outcome.SUCCEEDED, "m/c/2015-10-16: 1 of 1 reduced")
    assert result.key_figures() == {
        "reduced": "1 of 1",
        "products": 2,
        "minutes": 1.6,
        "peak memory (GB)": 3.0,
    }
    assert list(result.timing()["step"]) == ["reduce", "sheet", "pypeit_setup", "run_pypeit A"]
    assert "no <sheet>" in str(result)


def test_of_several_those_that_failed_are_named_and_the_rest_is_counted() -> None:
    bad = [part(f"bad{number}", reason="no arc", code=1) for number in range(5)]
    result = ReductionBatchResult((part("good"), *bad))
    assert result.outcome is Outcome.PARTIAL
    text = "1 of 6 reduced: bad0: no arc; bad1: no arc; bad2: no arc and 2 more"
    assert result.reason == text
    assert list(result.to_frame()["exit code"]) == ["0", "1", "1", "1", "1", "1"]
    assert ReductionBatchResult(tuple(bad)).outcome is Outcome.FAILED


def test_a_run_that_was_stopped_has_no_exit_code() -> None:
    result = ReductionBatchResult((part("a", reason="stopped", code=None),))
    assert list(result.to_frame()["exit code"]) == ["stopped"]
    assert json.loads(json.dumps(result.to_dict()))["parts"][0]["exit_codes"] == [None]


def test_frames_and_warnings_have_the_name_of_their_part() -> None:
    result = ReductionBatchResult((part("a"), part("b")))
    assert list(result.frames().columns)[:2] == ["name", "file"]
    assert list(result.warnings().columns)[:2] == ["name", "setup"]
    assert list(ReductionBatchResult(()).frames().columns) == ["name"]


def test_nothing_to_reduce_says_so() -> None:
    result = ReductionBatchResult((), "dry run: would reduce 3 datasets")
    assert result.reason == "dry run: would reduce 3 datasets"
    assert result.to_dict()["parts"] == []


def test_all_text_is_escaped() -> None:
    page = ReductionBatchResult((part("<b>", reason="a <script> of"),))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
