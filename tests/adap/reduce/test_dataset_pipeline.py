"""A dataset from the remote and back, with a fake PypeIt.

Each defect of the old scripts that could come back here has its test.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpfnb import storage
from kpfnb.adap.products import dataset
from kpfnb.adap.reduce import dataset_pipeline, publication, queue_task, stages
from kpfnb.adap.reduce.batch_result import ReductionBatchResult
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome, Result
from kpfnb.queue import sheet_status
from kpfnb.queue.lease import Lease, LeaseLostError
from kpfnb.queue.records import QueueItem, QueueItemStatus
from kpfnb.storage import StorageError, sheets
from tests.adap import small_datasets
from tests.adap.small_datasets import NAME, OTHER, below

pytestmark = pytest.mark.usefixtures("fake_pypeit")

SETUP = "keck_deimos_A"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = small_datasets.remotes(tmp_path, monkeypatch)
    small_datasets.write(root, NAME)
    return root


@pytest.fixture
def reduce(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ReductionBatchResult]:
    def run(behaviour: str = "good", name: str = NAME, **options: Any) -> ReductionBatchResult:
        monkeypatch.setenv("FAKE_PYPEIT", behaviour)
        lease = options.pop("lease", None)
        return dataset_pipeline.process_dataset(
            name,
            ReductionConfig(spectrograph="keck_deimos", **options),
            lease=lease,
            progress=False,
        )

    return run


def lease(held: Callable[[], bool], notes: list[str] | None = None) -> Lease:
    return Lease("q", NAME, 7, 1, held, (notes if notes is not None else []).append)


def test_from_raw_frames_to_results_and_a_backup(
    data: Path, tmp_path: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    notes: list[str] = []
    result = reduce(lease=lease(lambda: True, notes))
    assert isinstance(result, Result)
    assert (result.outcome, result.is_final) == (Outcome.SUCCEEDED, True), result.reason
    assert [stage.name for stage in result.parts[0].stages] == [s.name for s in stages.STAGES]
    assert [note for note in notes if ":" not in note] == [s.name for s in stages.STAGES]
    results = data / NAME / "complete/reduce"
    matches = below(results)
    assert {"reduction.json", "publication.json", "scorecard.csv", "bad_slits.csv"} <= matches
    assert {f"{SETUP}/{SETUP}{end}" for end in (".pypeit", ".log", "_useful_warns.log")} <= matches
    assert f"{SETUP}/QA.tar.gz" in matches
    assert not any("/QA/" in path for path in matches)
    assert len([path for path in matches if "/Science/spec" in path]) == 4
    assert (results / SETUP / f"{SETUP}_useful_warns.log").read_text().startswith("2 -- WARNING")
    manifest = json.loads((results / "publication.json").read_text())
    later = {"publication.json", *publication.RESCORED_FILES}
    assert (manifest["token"], set(manifest["files"])) == (7, matches - later)
    assert below(tmp_path / "remote/backup" / NAME / "complete/reduce") == matches
    assert below(data / NAME / "complete/raw") == {f"d{number}.fits" for number in range(4)}
    # The local copy is gone, and nothing else is left of it
    assert not list((tmp_path / "work/datasets").rglob("*.fits"))
    assert result.key_figures()["products"] == 4
    assert result.to_dict()["parts"][0]["exit_codes"] == [0]
    rows = [row for row in sheets.open_workbook().read("N-R").rows if NAME in row]
    assert sorted(row[1] for row in rows) == ["d2.fits", "d3.fits"]


def test_done_again_with_the_same_frames_it_gives_the_same(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    reduce(keep=True)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    again = reduce("crash", keep=True)
    assert again.outcome is Outcome.SUCCEEDED
    assert "nothing to do" in again.reason
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()} == before


@pytest.fixture
def published(
    data: Path,
    tmp_path: Path,
    reduce: Callable[..., ReductionBatchResult],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The results on the remote, as a worker of another machine leaves them; gives their folder."""
    reduce()
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "another/work"))
    return data / NAME / "complete/reduce"


def test_results_on_the_remote_are_not_made_again(
    data: Path, published: Path, reduce: Callable[..., ReductionBatchResult], tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    again = reduce("crash", sheet=False)
    assert again.outcome is Outcome.SUCCEEDED, again.reason
    assert "nothing to do: 2 of 2" in again.reason
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()} == before
    assert not list((tmp_path / "another/work/datasets").rglob("*.fits"))


@pytest.mark.parametrize("change", ["frame", "product", "manifest", "parameters", "force"])
def test_they_are_where_something_is_another(
    data: Path,
    published: Path,
    reduce: Callable[..., ReductionBatchResult],
    change: str,
    tmp_path: Path,
) -> None:
    if change == "frame":
        os.utime(data / NAME / "complete/raw/d3.fits", (1, 1))
    elif change == "product":
        next(published.rglob("spec2d*.fits")).unlink()
    elif change == "manifest":
        (published / publication.MANIFEST_FILE).unlink()
    elif change == "parameters":
        custom = tmp_path / f"{NAME.replace('/', '_')}_reduce.ini"
        custom.write_text("[rdx]\n  spectrograph = keck_deimos\n[reduce]\n  trim_edge = 1, 1\n")
    result = reduce(custom=str(tmp_path), force=change == "force")
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    assert "nothing to do" not in result.reason
    assert queue_task.scan_items("reduce") == {NAME: True}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("exit 0 early", "d3.fits: PypeIt wrote no spec2d for it"),
        ("crash", "run_pypeit keck_deimos_A: the <arc> is noise"),
        ("one detector lost", "only 1 of 2 detectors are in its spec2d"),
        ("no time", "PypeIt ended without an execution time in its log"),
    ],
)
def test_an_incomplete_result_is_failed_and_its_logs_are_published(
    data: Path, reduce: Callable[..., ReductionBatchResult], behaviour: str, reason: str
) -> None:
    result = reduce(behaviour)
    assert (result.outcome, result.is_final) == (Outcome.FAILED, True)
    assert reason in result.reason
    results = data / NAME / "complete/reduce"
    assert (results / SETUP / f"{SETUP}.log").is_file()
    assert "FAILED" in (results / "scorecard.csv").read_text()
    assert queue_task.scan_items("reduce") == {NAME: False}


def test_a_killed_pypeit_may_be_tried_again(
    reduce: Callable[..., ReductionBatchResult], data: Path
) -> None:
    result = reduce("silent", silence_minutes=0.02)
    assert (result.outcome, result.is_final) == (Outcome.FAILED, False)
    assert "nothing new in its log" in result.reason


def test_no_arc(data: Path, reduce: Callable[..., ReductionBatchResult]) -> None:
    small_datasets.write(data, OTHER, ("flat", "science"))
    result = reduce(name=OTHER)
    assert result.outcome is Outcome.FAILED
    assert "no arc frame in setup A" in result.reason


def test_an_unreadable_frame_is_reported(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    damaged = data / NAME / "complete/raw/d3.fits"
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    result = reduce()
    assert result.outcome is Outcome.FAILED
    assert "1 of 1 science and standard frames reduced: d3.fits: truncated" in result.reason


def test_a_worse_reduction_never_replaces_a_good_one(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    reduce()
    results = data / NAME / "complete/reduce"
    before = {path: (results / path).read_bytes() for path in below(results)}
    result = reduce("crash", force=True)
    assert result.outcome is Outcome.FAILED
    assert {path: (results / path).read_bytes() for path in below(results)} == before
    # Its logs are files below a folder of their own, never put onto the folder's name
    failed = data / NAME / "complete/failed/reduce"
    assert f"{SETUP}/{SETUP}.log" in below(failed)
    assert all(dataset.is_log_file(f"complete/reduce/{path}") for path in below(failed))
    assert queue_task.scan_items("reduce") == {NAME: True}


def test_new_results_are_complete_before_old_ones_are_removed(
    data: Path, reduce: Callable[..., ReductionBatchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    reduce()
    results = data / NAME / "complete/reduce"
    (results / "old.txt").write_text("of an earlier version")
    before = {path: (results / path).read_bytes() for path in below(results)}
    transfer = storage.transfer_files
    seen = []

    def watch(source: object, target: object, **options: object) -> object:
        if str(target).endswith("publishing_reduce"):
            done = transfer(source, target, **options)
            now = {path: (results / path).read_bytes() for path in below(results)}
            seen.append((before.items() - now.items(), below(Path(target.argument))))
            return done
        return transfer(source, target, **options)

    monkeypatch.setattr(storage, "transfer_files", watch)
    result = reduce(force=True)
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    ((gone, staged),) = seen
    # The manifest alone goes first: a mixture is never taken for results
    assert {path for path, _ in gone} == {"publication.json"}
    assert staged == below(results) - {"publication.json"}
    assert "old.txt" not in below(results)
    assert below(data / NAME / "complete") == {
        *(f"reduce/{path}" for path in below(results)),
        *(f"raw/d{number}.fits" for number in range(4)),
    }


def test_local_data_stay_where_the_upload_fails(
    data: Path,
    tmp_path: Path,
    reduce: Callable[..., ReductionBatchResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transfer_files = storage.transfer_files

    def fail_uploads(source: Any, place: Any, **options: Any) -> storage.TransferResult:
        if isinstance(source, Path):
            raise StorageError(storage.StorageErrorKind.QUOTA, "the remote is full")
        return transfer_files(source, place, **options)

    monkeypatch.setattr(storage, "transfer_files", fail_uploads)
    with pytest.raises(StorageError, match="the remote is full"):
        reduce()
    local = tmp_path / "work/datasets" / NAME / "complete/reduce" / SETUP
    assert len(list(local.glob("Science/*.fits"))) == 4
    assert (local / "QA.tar.gz").is_file()
    # The next attempt continues there: PypeIt is not run again
    monkeypatch.setattr(storage, "transfer_files", transfer_files)
    result = reduce("crash")
    assert result.outcome is Outcome.SUCCEEDED
    assert len(list(data.rglob("spec2d*.fits"))) == 2


@pytest.mark.slow
def test_a_backup_that_fails_is_a_warning(
    data: Path, tmp_path: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    shutil.rmtree(tmp_path / "remote/backup")
    (tmp_path / "remote/backup").write_text("a file in its place")
    result = reduce()
    assert result.outcome is Outcome.PARTIAL
    assert "backup: " in result.reason
    assert queue_task.scan_items("reduce") == {NAME: True}
    item = QueueItem(NAME, QueueItemStatus.DONE, result={"outcome": str(result.outcome)})
    assert sheet_status.item_status(item).status == "WARNING"


def test_without_the_lease_nothing_is_published(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    before = below(data)
    with pytest.raises(LeaseLostError):
        reduce(lease=lease(lambda: False))
    assert below(data) == before


def test_a_dataset_that_is_not_there(
    data: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    with pytest.raises(InvalidInputError, match="has no complete/raw in data:"):
        reduce(name=OTHER)
    result = queue_task.reduce_item(OTHER, lease(lambda: True))
    assert (result.outcome, result.is_final) == (Outcome.FAILED, True)
    with pytest.raises(InvalidInputError, match="parts, not 3"):
        reduce(name="NGC1eh")


@pytest.mark.parametrize("what", ["source", "backup", "folder", "link"])
def test_what_is_worked_on_is_never_a_remote_too(
    tmp_path: Path,
    reduce: Callable[..., ReductionBatchResult],
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_datasets.write(tmp_path / "work/datasets", NAME)
    data = small_datasets.remotes(tmp_path, monkeypatch)
    small_datasets.write(data, NAME)
    (tmp_path / "link").symlink_to(tmp_path / "work/datasets")
    places = {"data": str(data), "backup": str(tmp_path / "remote/backup")}
    options = {"folder": {"source": "work/datasets"}, "link": {"source": str(tmp_path / "link")}}
    if what in ("source", "backup"):
        name = {"source": "data"}.get(what, what)
        monkeypatch.setenv(
            "KPFNB_REMOTES", json.dumps({**places, name: str(tmp_path / "work/datasets")})
        )
    before = below(tmp_path / "work/datasets")
    with pytest.raises(InvalidInputError, match=r"is the folder in which .* is reduced"):
        reduce(**options.get(what, {}))
    assert below(tmp_path / "work/datasets") == before


def test_raw_frames_that_only_are_here_are_never_deleted(
    data: Path, tmp_path: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    local = tmp_path / "work/datasets" / NAME
    for name in ("d8.fits", "d9.fits"):
        (local / "complete/raw").mkdir(parents=True, exist_ok=True)
        (local / "complete/raw" / name).write_text(f"{name}, moved here and not uploaded")
    result = reduce()
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    assert (local / "aside/d8.fits").read_text() == "d8.fits, moved here and not uploaded"
    text = {stage.name: stage.detail for stage in result.parts[0].stages}
    assert "2 that are not on the remote put aside" in text["download"]
    assert text["clean up"].startswith("kept in ") and "aside/d8.fits" in text["clean up"]
    # Another one of that name
    (local / "complete/raw/d8.fits").write_text("another")
    reduce()
    assert (local / "aside/d8.fits").read_text() == "d8.fits, moved here and not uploaded"
    assert (local / "aside/d8.fits~").read_text() == "another"


def test_a_dry_run_changes_nothing(data: Path, tmp_path: Path) -> None:
    before = below(tmp_path)
    result = dataset_pipeline.process_dataset(
        NAME, ReductionConfig(spectrograph="keck_deimos"), dry_run=True
    )
    assert result.reason.startswith(f"dry run: {NAME}: 4 raw frames in data:")
    assert below(tmp_path) == before


def test_what_the_task_trim_left_is_no_hindrance(
    data: Path, tmp_path: Path, reduce: Callable[..., ReductionBatchResult]
) -> None:
    left = tmp_path / "work/datasets" / NAME / "complete/reduce" / SETUP / f"{SETUP}.pypeit"
    left.parent.mkdir(parents=True)
    left.write_text("a reduction file")
    assert reduce().outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("harm", ["missing", "another size", "no manifest", "scored again"])
def test_the_scan_finds_incomplete_results(
    data: Path, reduce: Callable[..., ReductionBatchResult], harm: str
) -> None:
    small_datasets.write(data, OTHER)
    reduce()
    assert queue_task.scan_items("reduce") == {NAME: True, OTHER: False}
    product = next(data.rglob("spec2d*.fits"))
    if harm == "missing":
        product.unlink()
    if harm == "another size":
        product.write_bytes(b"")
    if harm == "no manifest":
        next(data.rglob("publication.json")).unlink()
    if harm == "scored again":
        next(data.rglob("scorecard.csv")).write_text("with other limits")
    assert queue_task.scan_items("reduce") == {NAME: harm == "scored again", OTHER: False}
