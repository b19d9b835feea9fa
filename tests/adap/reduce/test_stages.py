"""Single stages of a dataset's reduction; `test_dataset_pipeline` has them together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kpfnb.adap.profiles.spectrograph import load_profile
from kpfnb.adap.reduce import run, stages
from kpfnb.adap.reduce.job import DatasetJob, ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core.errors import InvalidInputError
from kpfnb.queue.lease import Lease
from tests.adap.small_datasets import NAME, below

SETUP = "keck_deimos_A"


def make_job(**options: Any) -> DatasetJob:
    config = ReductionConfig(spectrograph="keck_deimos", **options)
    lease = Lease("q", NAME, 1, 1, lambda: True)
    return DatasetJob(NAME, config, load_profile("keck_deimos"), lease, print, progress=False)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def test_the_local_copy_goes_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job()
    write(job.folder / "complete/raw/d1.fits")
    # What a killed clean-up has left
    write(job.folder.with_name(f"{job.folder.name}.leaving") / "old.fits")
    assert stages.remove_local_copy(job) == "local copy removed"
    assert not below(job.folder.parent)


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("complete/raw/d1.fits", True),
        ("complete/reduce/reduction.json", True),
        ("complete/reduce.failed/reduction.json", True),
        ("complete/publishing_reduce.json", True),
        ("complete/.kpfnb-x", True),
        ("plans/reduce/A/A.pypeit", True),
        ("complete/reduce-by-hand/reduction.json", False),
        ("complete/1D_Coadd/coadd.json", False),
        ("incomplete/raw/d2.fits", False),
        ("notes.txt", False),
    ],
)
def test_only_what_is_on_the_remote_goes(path: str, goes: bool) -> None:
    job = make_job()
    job.pypeit_folders = {"reduce": job.folder / "plans/reduce"}
    write(job.folder / path)
    report = stages.remove_local_copy(job)
    assert (job.folder / path).exists() is not goes
    assert report == "local copy removed" if goes else path in report


def test_a_copy_that_is_to_be_kept_stays() -> None:
    job = make_job(keep=True)
    write(job.folder / "complete/raw/d1.fits")
    assert str(job.folder) in stages.remove_local_copy(job)
    assert below(job.folder) == {"complete/raw/d1.fits"}


@pytest.mark.parametrize(
    ("files", "stays"),
    [((f"{SETUP}/{SETUP}.pypeit",), False), ((f"{SETUP}/{SETUP}.pypeit", "reduction.json"), True)],
)
def test_a_folder_of_reduction_files_alone_gives_way(
    files: tuple[str, ...], stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    output = job.complete / "reduce"
    for name in files:
        write(output / name)
    job.pypeit_folders = {"reduce": job.folder / "plans/reduce"}
    seen = []

    def reduce(raw: Path, place: Path, *_: object, **options: object) -> ReductionResult:
        seen.append(place.exists())
        return ReductionResult(place, {"frames": {}}, note="made")

    monkeypatch.setattr(run, "reduce_folder", reduce)
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(job.folder / "remote")}))
    assert stages.reduce_setups(job) == "made"
    assert seen == [stays]


def test_what_is_not_set_up_is_not_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(tmp_path)}))
    assert stages.back_up_results(make_job()) == "no backup remote"
    assert stages.back_up_results(make_job(backup="")) == "no backup remote"
    assert stages.update_sheet(make_job(sheet=False)) == "not requested"
    assert stages.extract_warnings(make_job()) == "0 useful warnings in 0 logs"


def test_a_dataset_without_raw_frames_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(tmp_path)}))
    (tmp_path / NAME / "incomplete/raw").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match=f"dataset {NAME} has no complete/raw in data:"):
        stages.download_frames(make_job())


def test_the_order_is_data_and_what_publishes_is_vital() -> None:
    names = [stage.name for stage in stages.STAGES]
    assert names.index("publish") < names.index("backup") < names.index("clean up")
    vital = {stage.name for stage in stages.STAGES if stage.is_vital}
    assert vital == {"download", "trim", "reduce", "publish", "clean up"}
