"""Scorecards of synthetic reductions: several detectors, many slits, every kind of fault."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from kpfnb.adap.score import limits, scorecard, scored_slits
from kpfnb.adap.score.limits import ScoreCriteria, ScoreLimits
from kpfnb.adap.score.row import SCORECARD_COLUMNS, FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.demo import reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedSlit

DATASET = "mask/1200G/2015-10-16"
FILE = "DE.20151016.20000.fits"
ADAP = """\
dataset science_file date status bad_slit_count det_count slit_count slit_std_chi_out_of_range
slit_wv_cov_under_thresh slit_rms_over_thresh slit_spec_flex_over_thresh total_bad_flags
bad_wv_count bad_tilt_count bad_flat_count skip_flat_count bad_skysub_count bad_extract_count
object_count obj_rms_over_thresh object_flex_shift_over_thresh object_without_opt_with_box
object_without_opt_wo_box maskdef_extract_count exec_time mem_usage git_commit reduce_dir"""


def reduced(folder: Path, detectors: dict[str, list[SimulatedSlit]], **options: object) -> Path:
    """A reduction of one frame."""
    place = folder / "complete/reduce"
    reduced_datasets.write_reduction(place, {FILE: detectors}, **options)
    return place


def scored(
    folder: Path, *slits: SimulatedSlit, **options: object
) -> tuple[Scorecard, ScorecardRow]:
    card = scorecard.score_reduction(reduced(folder, {"DET01": list(slits)}), DATASET, **options)
    (row,) = card.rows
    return card, row


def test_there_are_28_columns_in_the_order_of_adap() -> None:
    assert list(SCORECARD_COLUMNS) == ADAP.split()
    assert len(SCORECARD_COLUMNS) == 28


@pytest.mark.parametrize(
    ("slit", "column"),
    [
        (SimulatedSlit(100, rms=0.41), "slit_rms_over_thresh"),
        (SimulatedSlit(100, coverage=59.9), "slit_wv_cov_under_thresh"),
        (SimulatedSlit(100, std_chi=1.61), "slit_std_chi_out_of_range"),
        (SimulatedSlit(100, std_chi=0.59), "slit_std_chi_out_of_range"),
        (SimulatedSlit(100, flags=("BADWVCALIB",)), "bad_wv_count"),
        (SimulatedSlit(100, flags=("BADTILTCALIB",)), "bad_tilt_count"),
        (SimulatedSlit(100, flags=("BADFLATCALIB",)), "bad_flat_count"),
        (SimulatedSlit(100, flags=("BADSKYSUB",)), "bad_skysub_count"),
        (SimulatedSlit(100, flags=("BADEXTRACT",)), "bad_extract_count"),
    ],
)
def test_each_fault_makes_a_slit_bad(slit: SimulatedSlit, column: str, tmp_path: Path) -> None:
    card, row = scored(tmp_path, slit, SimulatedSlit(300))
    assert (row.bad_slit_count, row.slit_count, getattr(row, column)) == (1, 2, 1)
    assert row.total_bad_flags == bool(slit.flags)
    assert [item.slit_id for item in card.bad_slits] == ["DET01:100"]
    assert card.bad_slits[0].spec2d.startswith("spec2d_DE.20151016.20000-mask_")


@pytest.mark.parametrize(
    ("slit", "column"),
    [
        (SimulatedSlit(100, flexure=-10.0), "slit_spec_flex_over_thresh"),
        (SimulatedSlit(100, flags=("SKIPFLATCALIB",)), "skip_flat_count"),
    ],
)
def test_what_is_reported_but_is_not_bad(slit: SimulatedSlit, column: str, tmp_path: Path) -> None:
    card, row = scored(tmp_path, slit)
    assert (getattr(row, column), row.bad_slit_count, card.bad_slits) == (1, 0, [])


@pytest.mark.parametrize(
    "slit",
    [
        SimulatedSlit(100, rms=0.4, coverage=60.0, std_chi=1.6, flexure=9.99),
        SimulatedSlit(100, std_chi=0.6),
        SimulatedSlit(100, rms=0.0, coverage=0.0),
        SimulatedSlit(100, std_chi=0.0, median_chi=0.0),
        SimulatedSlit(
            100, rms=float("nan"), coverage=float("nan"), std_chi=float("nan"), objects=()
        ),
        SimulatedSlit(100, flags=("SHORTSLIT", "BOXSLIT", "USERIGNORE", "BADREDUCE")),
    ],
)
def test_what_is_on_a_limit_or_was_not_measured_is_not_bad(
    slit: SimulatedSlit, tmp_path: Path
) -> None:
    _, row = scored(tmp_path, slit)
    assert (row.slit_count, row.bad_slit_count, row.slit_spec_flex_over_thresh) == (1, 0, 0)


def test_a_slit_with_many_faults_counts_once(tmp_path: Path) -> None:
    worst = SimulatedSlit(
        100, rms=1, coverage=3, std_chi=9, flexure=20, flags=("BADSKYSUB", "BADEXTRACT")
    )
    card, row = scored(tmp_path, worst)
    assert (row.bad_slit_count, row.total_bad_flags) == (1, 1)
    assert (row.bad_skysub_count, row.bad_extract_count, row.slit_rms_over_thresh) == (1, 1, 1)
    assert len(card.bad_slits) == 1


def test_the_same_number_on_two_detectors_is_two_slits(tmp_path: Path) -> None:
    slits = {
        "MSC01": [SimulatedSlit(100, rms=1), SimulatedSlit(200)],
        "MSC02": [SimulatedSlit(100, rms=1)],
    }
    card = scorecard.score_reduction(reduced(tmp_path, slits), DATASET)
    (row,) = card.rows
    assert (row.det_count, row.slit_count, row.bad_slit_count) == (2, 3, 2)
    assert {item.slit_id for item in card.bad_slits} == {"MSC01:100", "MSC02:100"}


def test_objects_are_counted_by_how_they_were_extracted(tmp_path: Path) -> None:
    _, row = scored(
        tmp_path,
        SimulatedSlit(100, rms=0.5, objects=("optimal", "box:mask", "none")),
        SimulatedSlit(300, flexure=-10.5, objects=("optimal:mask", "box")),
    )
    assert (row.object_count, row.maskdef_extract_count) == (5, 2)
    assert (row.object_without_opt_with_box, row.object_without_opt_wo_box) == (2, 1)
    assert (row.obj_rms_over_thresh, row.object_flex_shift_over_thresh) == (3, 2)


def test_bits_are_those_that_the_header_names(tmp_path: Path, monkeypatch) -> None:
    """An earlier PypeIt had other numbers for its flags."""
    names = ("SHORTSLIT", "BOXSLIT", "BADWVCALIB", "BADROTCALIB", "BADTILTCALIB")
    monkeypatch.setattr(reduced_datasets, "SLIT_FLAGS", names)
    slit = SimulatedSlit(100, flags=("USERIGNORE", "BADTILTCALIB"))
    _, row = scored(tmp_path, slit)
    assert slit.mask == 0b10100
    assert (row.bad_wv_count, row.bad_tilt_count, row.total_bad_flags) == (1, 1, 1)


def test_values_from_the_record_of_the_run(tmp_path: Path) -> None:
    _, row = scored(tmp_path, SimulatedSlit(100))
    assert (row.dataset, row.science_file, row.reduce_dir) == (DATASET, FILE, "reduce")
    assert (row.status, row.date, row.exec_time) == (FrameStatus.COMPLETE, "2015-10-16", 3724)
    assert (row.mem_usage, row.git_commit) == (21_000_000_000, "2.0.1")


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("1.16.1.dev3+g1a2b3c4d5", "1a2b3c4d5"),
        ("1.17.0+12.gabcdef0.dirty", "abcdef0"),
        ("", "2.0.1"),
    ],
)
def test_the_commit_of_pypeit(version: str, commit: str, tmp_path: Path) -> None:
    folder = reduced(tmp_path, {"DET01": [SimulatedSlit(100)]})
    record = atomic.read_json(folder / "reduction.json")
    record["inputs"]["pypeit"] = version
    atomic.write_json(folder / "reduction.json", record)
    assert scorecard.score_reduction(folder, DATASET).rows[0].git_commit == commit


def test_without_a_record_values_come_from_the_products(tmp_path: Path) -> None:
    folder = reduced(tmp_path, {"DET01": [SimulatedSlit(100)]})
    (folder / "reduction.json").unlink()
    (row,) = scorecard.score_reduction(folder, DATASET).rows
    assert (row.mem_usage, row.git_commit, row.exec_time) == (0, "2.0.1", 3724)
    assert row.date > "2026"


def test_a_missing_spec2d_is_failed_with_any_status(tmp_path: Path) -> None:
    """ADAP's scorecard called it COMPLETE."""
    folder = reduced(tmp_path, {"DET01": [SimulatedSlit(100, rms=1)]}, lost={"DE.2.fits"})
    card = scorecard.score_reduction(folder, DATASET, status="WARNING")
    assert [(row.science_file, row.status) for row in card.rows] == [
        ("DE.2.fits", "FAILED"),
        (FILE, "WARNING"),
    ]
    assert card.rows[0].slit_count == 0
    assert card.reasons == {"DE.2.fits": "PypeIt wrote no spec2d for it"}


@pytest.mark.parametrize("kind", ["spec1d", "spec2d"])
def test_a_damaged_product_is_failed(kind: str, tmp_path: Path) -> None:
    folder = reduced(tmp_path, {"DET01": [SimulatedSlit(100)]})
    (path,) = folder.glob(f"*/Science/{kind}_*.fits")
    path.write_bytes(path.read_bytes()[:-3000])
    card = scorecard.score_reduction(folder, DATASET)
    assert card.rows[0].status == FrameStatus.FAILED
    assert f"{kind} is truncated" in card.reasons[FILE]


def test_a_detector_that_is_missing_is_failed(tmp_path: Path) -> None:
    folder = reduced(tmp_path, {"MSC01": [SimulatedSlit(100)], "MSC02": [SimulatedSlit(100)]})
    (log,) = folder.glob("*/*.log")
    log.write_text(log.read_text().replace("[1, 2]", "[1, 2, 3]"))
    card = scorecard.score_reduction(folder, DATASET)
    assert card.rows[0].status == FrameStatus.FAILED
    assert card.reasons[FILE] == "only 2 of 3 detectors are in its spec2d"


def test_limits_of_one_dataset(tmp_path: Path) -> None:
    criteria = ScoreCriteria(datasets={DATASET: ScoreLimits(rms_thresh=0.6)})
    folder = reduced(tmp_path, {"DET01": [SimulatedSlit(100, rms=0.5)]})
    assert scorecard.score_reduction(folder, DATASET, criteria=criteria).rows[0].bad_slit_count == 0
    assert (
        scorecard.score_reduction(folder, "x/y/2015-10-16", criteria=criteria)
        .rows[0]
        .bad_slit_count
        == 1
    )


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    card, _ = scored(
        tmp_path, SimulatedSlit(100, rms=0.0, flags=("BADWVCALIB",)), SimulatedSlit(200, rms=0.7)
    )
    assert [path.name for path in card.write()] == [
        *("scorecard.csv", "bad_slits.csv", "scorecard_slits.csv")
    ]
    again = scorecard.read_scorecard(card.folder)
    assert (again.rows, again.slits, again.dataset) == (card.rows, card.slits, DATASET)
    assert scored_slits.read_bad_slits(card.folder) == card.bad_slits
    first = (card.folder / "bad_slits.csv").read_text().splitlines()
    assert first[0] == "slit_id,spec2d"
    assert first[1].startswith("DET01:100,spec2d_DE.")


def test_the_second_time_nothing_is_written(tmp_path: Path) -> None:
    card, _ = scored(tmp_path, SimulatedSlit(100))
    card.write()
    assert scorecard.score_reduction(card.folder, DATASET).write() == []


def test_what_an_earlier_scorecard_knows_is_kept(tmp_path: Path) -> None:
    folder = reduced(tmp_path, {"DET01": [SimulatedSlit(100)]}, lost={"DE.2.fits"})
    lost, good = scorecard.score_reduction(folder, DATASET).rows
    kept = {"status": "WARNING", "date": "2020-02-02", "mem_usage": 7, "git_commit": "abc"}
    earlier = [replace(row, **kept, slit_count=99) for row in (lost, good)]
    rows = scorecard.score_reduction(folder, DATASET, earlier_rows=earlier).rows
    assert rows[1] == replace(good, **kept)
    assert rows[0].status == FrameStatus.FAILED


def test_what_is_no_reduction(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no reduction in"):
        scorecard.score_reduction(tmp_path, DATASET)
    with pytest.raises(InvalidInputError, match=r"no scorecard\.csv in"):
        scorecard.read_scorecard(tmp_path)
    with pytest.raises(InvalidInputError, match="'DONE' is not a status"):
        scorecard.score_reduction(tmp_path, DATASET, status="DONE")


def test_a_damaged_scorecard_is_named(tmp_path: Path) -> None:
    (tmp_path / "scorecard.csv").write_text("dataset,date\nx,y\n")
    with pytest.raises(
        InvalidInputError, match=r"scorecard\.csv has no column science_file, status"
    ):
        scorecard.read_scorecard(tmp_path)


def test_bad_slits_of_old_lists_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "scorecard_bad_slits.csv").write_text("slit_id,spec2d\nMSC01:12,a.fits\n")
    assert {item.slit_id for item in scored_slits.read_bad_slits(tmp_path)} == {"MSC01:12"}
    (tmp_path / "bad_slits.csv").write_text("slit_id,spec2d\nsome slit,a.fits\n")
    with pytest.raises(InvalidInputError, match="'some slit' is not a slit"):
        scored_slits.read_bad_slits(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits:\n  rms: 1", "line 2: limits.rms: unknown key 'rms'; known: rms_thresh"),
        ("limits: {rms_thresh: high}", "line 1: limits.rms_thresh: Input should be a valid number"),
        ("limits: {rms_thresh: -1}", "rms_thresh: Input should be greater than or equal to 0"),
        ("limits: {rms_thresh: true}", "rms_thresh: Input should be a valid number"),
        ("\ndatasets: {x: {rms_thresh: 1}}", "line 2: datasets.x: 'x' has 1 parts, not 3"),
        ("[1]", "a file of limits is a mapping"),
        ("a: [", "line 2: did not find expected node content"),
        ("thresholds: {}", "unknown key 'thresholds'"),
        ("limits: {rms_thresh: 1, rms_thresh: 2}", "'rms_thresh' is repeated"),
    ],
)
def test_limits_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "limits.yml").write_text(text)
    with pytest.raises(InvalidInputError, match=re.escape(words)):
        limits.load_criteria(tmp_path / "limits.yml")


def test_limits_of_a_file(tmp_path: Path) -> None:
    text = (
        f"limits: {{rms_thresh: 0.3}}\ndatasets: {{{DATASET}: {{wave_cov_thresh: 5, notes: few}}}}"
    )
    (tmp_path / "limits.yml").write_text(text)
    result = limits.load_criteria(tmp_path / "limits.yml")
    assert result.for_dataset(DATASET) == ScoreLimits(rms_thresh=0.3, wave_cov_thresh=5.0)
    assert result.for_dataset("a/b/2015-10-16") == ScoreLimits(rms_thresh=0.3)
    assert limits.load_criteria() == ScoreCriteria(datasets={})
