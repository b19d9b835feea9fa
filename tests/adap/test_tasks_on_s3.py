"""The tasks on a real S3 endpoint, without folders and renames, with a fake PypeIt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.adap.coadd.queue_task import coadd_images, coadd_spectra
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.prepare import trim
from kpfnb.adap.products import remote_datasets
from kpfnb.adap.pypeit import command, input_files
from kpfnb.adap.reduce import dataset_pipeline, publication
from kpfnb.adap.reduce.batch_result import ReductionBatchResult
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.queue_task import scan_items
from kpfnb.adap.score.queue_task import rescore_item
from kpfnb.core.result import Outcome
from kpfnb.demo import coadd_inputs
from kpfnb.queue.lease import Lease
from tests.adap import fake_coadd, small_datasets
from tests.adap.small_datasets import NAME, below
from tests.storage.conftest import impatient, remotes, s3_port, s3_root  # noqa: F401

SETUP = "keck_deimos_A"
COADDED = f"{coadd_inputs.MASK}/{coadd_inputs.CONFIG}"


@pytest.fixture
def behind(
    remotes: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The folder behind the remotes `data` and `backup` of S3."""
    places = {name: f"s3:bucket/{tmp_path.name}/{name}" for name in ("data", "backup")}
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps(places))
    return remotes["s3"]


@pytest.fixture
def data(behind: Path, tmp_path: Path) -> Path:
    """One dataset of raw frames; the folder behind it."""
    small_datasets.write(tmp_path / "made", NAME)
    assert storage.transfer_files(
        tmp_path / "made", storage.resolve_location("data:"), progress=False
    ).outcome.is_good
    return behind / "data" / NAME


@pytest.fixture
def reduce(
    fake_pypeit: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ReductionBatchResult]:
    def run(behaviour: str = "good", **options: bool) -> ReductionBatchResult:
        monkeypatch.setenv("FAKE_PYPEIT", behaviour)
        return dataset_pipeline.process_dataset(
            NAME, ReductionConfig(spectrograph="keck_deimos", **options), progress=False
        )

    return run


def lease(item: str) -> Lease:
    return Lease("queue", item, 7, 1, lambda: True)


def test_a_dataset_is_reduced_and_then_there_is_nothing_to_do(
    data: Path, behind: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    result = reduce(keep=True)
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    results = data / "complete/reduce"
    published = below(results)
    assert {f"{SETUP}/QA.tar.gz", "scorecard.csv", publication.MANIFEST_FILE} <= published
    assert below(behind / "backup" / NAME / "complete/reduce") == published
    assert scan_items("reduce") == {NAME: True}
    before = {path: path.stat().st_mtime_ns for path in behind.rglob("*") if path.is_file()}
    assert "nothing to do" in reduce("crash", keep=True).reason
    assert {p: p.stat().st_mtime_ns for p in behind.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_new_results_take_the_place_of_old_ones(
    data: Path, tmp_path: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    reduce()
    (tmp_path / "old.txt").write_text("of an earlier version")
    storage.transfer_files(
        tmp_path / "old.txt", storage.resolve_location("data:") / NAME / "complete/reduce/old.txt"
    )
    assert (data / "complete/reduce/old.txt").is_file()
    assert reduce(force=True).outcome is Outcome.SUCCEEDED
    paths = below(data / "complete")
    assert not any("old.txt" in path or publication.STAGED_PREFIX in path for path in paths)
    assert scan_items("reduce") == {NAME: True}


@pytest.mark.slow
def test_existing_results_are_not_made_again(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    reduce()
    before = {path: (data / path).stat().st_mtime_ns for path in below(data)}
    again = reduce("crash", sheet=False)
    assert again.outcome is Outcome.SUCCEEDED
    assert "nothing to do: 2 of 2" in again.reason
    assert {path: (data / path).stat().st_mtime_ns for path in below(data)} == before


@pytest.mark.slow
def test_worse_results_leave_their_logs_alone(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    reduce()
    before = {path: (data / path).read_bytes() for path in below(data)}
    assert reduce("crash", force=True).outcome is Outcome.FAILED
    now = {path: (data / path).read_bytes() for path in below(data)}
    assert before.items() <= now.items()
    assert all(path.startswith("complete/failed/reduce/") for path in now.keys() - before)
    assert f"complete/failed/reduce/{SETUP}/{SETUP}.log" in now


@pytest.mark.slow
def test_results_come_back_are_backed_up_and_scored_again(
    data: Path, behind: Path, tmp_path: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    reduce()
    results = below(data / "complete/reduce")
    back = tmp_path / "back"
    assert remote_datasets.download_dataset(NAME, back, progress=False).outcome is Outcome.SUCCEEDED
    assert below(back / NAME / "complete/reduce") == results
    (storage.resolve_location("backup:") / NAME).delete()
    assert not below(behind / "backup" / NAME)
    assert remote_datasets.back_up_item(NAME, lease(NAME)).outcome is Outcome.SUCCEEDED
    assert below(behind / "backup" / NAME / "complete/reduce") == results
    scored = rescore_item(NAME, lease(NAME), sheet=False)
    assert (scored.outcome, scored.transferred) == (Outcome.SUCCEEDED, ())


def test_a_trimmed_setup(data: Path) -> None:
    result = trim.trim_item(NAME, lease(NAME))
    assert result.outcome is Outcome.SUCCEEDED
    plan = input_files.read_pypeit_file(data / f"complete/reduce/{SETUP}/{SETUP}.pypeit")
    assert len(plan.targets) == 2
    assert trim.scan_items("trim") == {NAME: True}
    assert len(below(data / "complete/raw")) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "folder"),
    [(coadd_spectra, "1D_Coadd"), (coadd_images, "2D_Coadd")],
)
def test_coadds(
    behind: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: Callable[..., CoaddResult],
    folder: str,
) -> None:
    monkeypatch.setattr(command, "run_command", fake_coadd.run)
    monkeypatch.delenv("KPFNB_KAST_PACK", raising=False)
    coadd_inputs.simulate_coadd_inputs(tmp_path / "made")
    storage.transfer_files(tmp_path / "made", storage.resolve_location("data:"), progress=False)
    result = task(COADDED, lease(COADDED))
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    place = behind / "data" / COADDED / folder
    assert "coadd.json" in below(place)
    assert below(behind / "backup" / COADDED / folder) == below(place)
    before = {path: path.stat().st_mtime_ns for path in behind.rglob("*") if path.is_file()}
    assert task(COADDED, lease(COADDED)).reason.startswith("nothing to do")
    assert {p: p.stat().st_mtime_ns for p in behind.rglob("*") if p.is_file()} == before
