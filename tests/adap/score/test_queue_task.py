"""The task that scores a dataset on the remote again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kpfnb.adap.score import queue_task, scorecard
from kpfnb.adap.score.row import read_rows, rows_to_csv
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.demo import reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedSlit
from kpfnb.queue.lease import Lease, LeaseLostError
from kpfnb.storage import sheets

DATASET = "Mask/1200G/2015-10-16"
BELOW = "complete/reduce"
KEPT = {"status": "WARNING", "date": "2020-02-02", "mem_usage": 7, "git_commit": "abc"}


@pytest.fixture
def remote(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A remote with one dataset, scored long ago, and one for backups."""
    places = {name: str(isolated / name) for name in ("data", "backup")}
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps(places))
    folder = isolated / "data" / DATASET / BELOW
    reduced_datasets.write_reduction(
        folder, {"DE.1.fits": {"DET01": [SimulatedSlit(100, rms=0.7), SimulatedSlit(300)]}}
    )
    (row,) = scorecard.score_reduction(folder, DATASET).rows
    old = replace(row, **KEPT, bad_slit_count=77)
    (folder / "scorecard.csv").write_text(rows_to_csv([old]))
    (isolated / "backup").mkdir()
    return folder


def lease(*, lost: bool = False) -> Lease:
    return Lease("scorecard", DATASET, 1, 1, lambda: not lost)


def run(**options: Any) -> queue_task.RescoreResult:
    return queue_task.rescore_item(DATASET, lease(), **options)


def test_it_is_scored_again_and_keeps_what_the_reduction_knew(remote: Path, isolated: Path) -> None:
    result = run()
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    (row,) = read_rows(remote / "scorecard.csv")
    assert {name: getattr(row, name) for name in KEPT} == KEPT
    assert (row.bad_slit_count, row.slit_count) == (1, 2)
    backup = isolated / "backup" / DATASET / BELOW
    for name in queue_task.SCORE_FILES:
        assert (backup / name).read_bytes() == (remote / name).read_bytes()
    table = sheets.open_workbook().read("M")
    assert table.rows[1][:4] == (DATASET, "DE.1.fits", "2020-02-02", "WARNING")
    assert not list((isolated / "work/rescoring").rglob("*.fits")), "nothing stays here"


def test_the_second_time_nothing_changes(remote: Path) -> None:
    run()
    stamps = {path: path.stat().st_mtime_ns for path in remote.glob("*.csv")}
    assert "nothing changed" in run().reason
    assert {path: path.stat().st_mtime_ns for path in remote.glob("*.csv")} == stamps


def test_products_stay_where_they_are(remote: Path) -> None:
    products = [item for item in remote.rglob("*") if item.is_file() and item.suffix != ".csv"]
    before = {path: path.read_bytes() for path in products}
    run()
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_spec2d_that_is_gone_is_failed(remote: Path) -> None:
    next(remote.glob("*/Science/spec2d_*")).unlink()
    (row,) = run().cards[0].rows
    assert (row.status, row.mem_usage) == ("FAILED", 7)


def test_a_lost_lease_publishes_nothing(remote: Path) -> None:
    before = (remote / "scorecard.csv").read_bytes()
    with pytest.raises(LeaseLostError):
        queue_task.rescore_item(DATASET, lease(lost=True))
    assert (remote / "scorecard.csv").read_bytes() == before
    assert not (remote / "bad_slits.csv").exists()


def test_a_sheet_that_does_not_answer_is_a_warning(
    remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_SHEET", "key=KEY")
    result = run()
    assert result.outcome is Outcome.PARTIAL
    assert "sheet: no credentials for the Google spreadsheet" in result.reason
    assert (remote / "bad_slits.csv").exists()
    assert run(sheet=False).outcome is Outcome.SUCCEEDED


def test_what_is_not_reduced(remote: Path, isolated: Path) -> None:
    with pytest.raises(InvalidInputError, match="has no results in data:"):
        queue_task.rescore_item("Other/1200G/2015-10-16", lease())
    next(remote.glob("*/*.pypeit")).unlink()
    with pytest.raises(InvalidInputError, match=r"no \.pypeit file"):
        run()
