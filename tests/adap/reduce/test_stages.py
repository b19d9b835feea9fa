"""Single stages of a dataset's life; `test_chain` has them together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpfnb.adap.profiles import spectrograph
from kpfnb.adap.reduce import run as reduction
from kpfnb.adap.reduce import stages
from kpfnb.adap.reduce.job import DatasetJob, ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core.errors import InvalidInputError
from kpfnb.queue.lease import Lease
from tests.adap.small_datasets import NAME, below

SETUP = "keck_deimos_A"


def work(**options: object) -> DatasetJob:
    order = ReductionConfig(spectrograph.load_profile("keck_deimos"), **options)
    return DatasetJob(NAME, order, Lease("q", NAME, 1, 1, lambda: True), print, progress=False)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def test_the_local_copy_goes_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    one = work()
    write(one.folder / "complete/raw/d1.fits")
    # What a killed clean-up has left
    write(one.folder.with_name(f"{one.folder.name}.leaving") / "old.fits")
    assert stages.remove_local_copy(one) == "local copy removed"
    assert not below(one.folder.parent)


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
    one = work()
    one.pypeit_folders = {"reduce": one.folder / "plans/reduce"}
    write(one.folder / path)
    told = stages.remove_local_copy(one)
    assert (one.folder / path).exists() is not goes
    assert told == "local copy removed" if goes else path in told


def test_a_copy_that_is_to_be_kept_stays() -> None:
    one = work(keep=True)
    write(one.folder / "complete/raw/d1.fits")
    assert str(one.folder) in stages.remove_local_copy(one)
    assert below(one.folder) == {"complete/raw/d1.fits"}


@pytest.mark.parametrize(
    ("files", "stays"),
    [((f"{SETUP}/{SETUP}.pypeit",), False), ((f"{SETUP}/{SETUP}.pypeit", "reduction.json"), True)],
)
def test_a_folder_of_reduction_files_alone_gives_way(
    files: tuple[str, ...], stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = work()
    output = one.complete / "reduce"
    for name in files:
        write(output / name)
    one.pypeit_folders = {"reduce": one.folder / "plans/reduce"}
    seen = []

    def run(raw: Path, place: Path, **options: object) -> ReductionResult:
        seen.append(place.exists())
        return ReductionResult(place, {"frames": {}}, note="made")

    monkeypatch.setattr(reduction, "reduce_folder", run)
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(one.folder / "remote")}))
    assert stages.reduce_setups(one) == "made"
    assert seen == [stays]


def test_what_is_not_set_up_is_not_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(tmp_path)}))
    assert stages.back_up_results(work()) == "no backup remote"
    assert stages.back_up_results(work(backup="")) == "no backup remote"
    assert stages.update_sheet(work(sheet=False)) == "not asked for"
    assert stages.extract_warnings(work()) == "0 useful warnings in 0 logs"


def test_a_dataset_without_raw_frames_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(tmp_path)}))
    (tmp_path / NAME / "incomplete/raw").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match=f"dataset {NAME} has no complete/raw in data:"):
        stages.download_frames(work())


def test_the_order_is_data_and_what_publishes_is_vital() -> None:
    names = [stage.name for stage in stages.STAGES]
    assert names.index("publish") < names.index("backup") < names.index("clean up")
    vital = {stage.name for stage in stages.STAGES if stage.is_vital}
    assert vital == {"download", "trim", "reduce", "publish", "clean up"}
