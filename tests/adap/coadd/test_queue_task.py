"""The tasks coadd1d and coadd2d: from the remote and back, with a fake PypeIt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.adap.coadd import queue_task
from kpfnb.adap.coadd.products import CoaddKind
from kpfnb.adap.pypeit import command
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.demo import coadd_inputs
from kpfnb.queue import tasks
from kpfnb.queue.lease import Lease, LeaseLostError
from kpfnb.queue.sheet_status import StatusTab
from tests.adap import fake_coadd

CONFIG = "simulated_coadd/1200G_8800_OG550"
NIGHT = f"{CONFIG}/2015-10-16"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two nights on the remote `data`, with raw frames and calibrations; an empty `backup`."""
    coadd_inputs.simulate_coadd_inputs(tmp_path / "data")
    complete = tmp_path / "data" / NIGHT / "complete"
    for name in ("raw/d1.fits", "reduce/keck_deimos_A/Calibrations/Arc.fits", "reduce/QA.tar.gz"):
        (complete / name).parent.mkdir(parents=True, exist_ok=True)
        (complete / name).write_bytes(b"large")
    (tmp_path / "backup").mkdir()
    places = {"data": str(tmp_path / "data"), "backup": str(tmp_path / "backup")}
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps(places))
    monkeypatch.setattr(command, "run_command", fake_coadd.run)
    monkeypatch.delenv("KPFNB_KAST_PACK", raising=False)
    return tmp_path / "data"


def lease(*, held: bool = True, notes: list[str] | None = None) -> Lease:
    reports = notes if notes is not None else []
    return Lease("coadd2d", CONFIG, 7, 1, _renew=lambda: held, _report=reports.append)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def local_files(tmp_path: Path) -> list[Path]:
    """What is left of the work, but the logs of what was set aside."""
    folder = tmp_path / "work/coadding"
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if not path.is_relative_to(folder / "logs")]


def fail_at_upload(
    transfer: Callable[..., storage.TransferResult],
) -> Callable[..., storage.TransferResult]:
    def refuse(source: object, destination: object, **options: object) -> storage.TransferResult:
        if str(destination).endswith("2D_Coadd.new"):
            raise KpfnbError("the disk is full")
        return transfer(source, destination, **options)

    return refuse


def test_a_configuration(data: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    before = content(data)
    for task, folder in (
        (queue_task.coadd_spectra, "1D_Coadd"),
        (queue_task.coadd_images, "2D_Coadd"),
    ):
        result = task(CONFIG, lease(notes=notes))
        assert result.outcome is Outcome.SUCCEEDED, result.reason
        products = content(data / CONFIG / folder)
        assert "coadd.json" in products and len(products) > 4
        assert content(tmp_path / "backup" / CONFIG / folder) == products
    assert notes == ["download", "coadd", "upload", "backup"] * 2
    assert not local_files(tmp_path)
    assert {name: data.joinpath(name).read_bytes() for name in before} == before
    assert sorted(path.name for path in (data / CONFIG).iterdir()) == [
        *("1D_Coadd", "2015-10-16"),
        *("2015-10-18", "2D_Coadd"),
    ]


def test_a_night(data: Path) -> None:
    result = queue_task.coadd_images(NIGHT, lease())
    assert [len(coadd.frames) for coadd in result.coadds] == [2]
    assert (data / NIGHT / "complete/2D_Coadd/Science_coadd").is_dir()


def test_a_second_run_neither_coadds_nor_transfers(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_task.coadd_images(CONFIG, lease())
    before = content(data)
    monkeypatch.setenv("FAKE_COADD", "2d crash")
    notes: list[str] = []
    again = queue_task.coadd_images(CONFIG, lease(notes=notes))
    assert again.reason.startswith("nothing to do: 1 of 1")
    assert "upload" not in notes
    assert content(data) == before


def test_a_failure_does_not_touch_what_is_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_task.coadd_images(CONFIG, lease())
    before = content(data / CONFIG / "2D_Coadd")
    path = next(data.glob(f"{NIGHT}/complete/reduce/*/Science/spec1d*"))
    path.write_bytes(path.read_bytes() + bytes(2880))
    monkeypatch.setenv("FAKE_COADD", "2d crash")
    worse = queue_task.coadd_images(CONFIG, lease())
    assert worse.outcome is Outcome.FAILED
    assert content(data / CONFIG / "2D_Coadd") == before
    assert not local_files(tmp_path)


def test_the_logs_of_a_first_failure_are_published(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_COADD", "2d crash")
    assert queue_task.coadd_images(CONFIG, lease()).outcome is Outcome.FAILED
    log = data / CONFIG / "2D_Coadd/keck_deimos_simulated.log"
    assert "same number of slits" in log.read_text()
    monkeypatch.delenv("FAKE_COADD")
    assert queue_task.coadd_images(CONFIG, lease()).outcome is Outcome.SUCCEEDED


def test_without_the_lease_nothing_is_published(data: Path) -> None:
    before = content(data)
    with pytest.raises(LeaseLostError):
        queue_task.coadd_images(CONFIG, lease(held=False))
    assert content(data) == before


def test_after_a_failed_upload_the_next_worker_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "transfer_files", fail_at_upload(storage.transfer_files))
        with pytest.raises(KpfnbError, match="disk is full"):
            queue_task.coadd_images(CONFIG, lease())
    assert local_files(tmp_path)
    assert not (data / CONFIG / "2D_Coadd").exists()
    # A reduction that has lost a frame since then
    for path in data.glob(f"{NIGHT}/complete/reduce/*/Science/*00000*"):
        path.unlink()
    result = queue_task.coadd_images(CONFIG, lease())
    assert [len(coadd.frames) for coadd in result.coadds] == [3]
    assert (data / CONFIG / "2D_Coadd/coadd.json").is_file()
    assert not local_files(tmp_path)


def another_machine(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("KPFNB_WORK_DIR", str(tmp_path / "another/work"))


def change(data: Path) -> None:
    """A spectrum is not what it was: the coadds are to be made again."""
    path = next(data.glob(f"{NIGHT}/complete/reduce/*/Science/spec1d*"))
    path.write_bytes(path.read_bytes() + bytes(2880))


def test_a_mixture_on_the_remote_is_never_taken_for_coadds(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_task.coadd_images(CONFIG, lease())
    place = data / CONFIG / "2D_Coadd"
    (place / "old.log").write_text("of an earlier version")
    change(data)
    transfer = storage.transfer_files
    records = []

    def die(source: object, destination: object, **options: object) -> storage.TransferResult:
        done = transfer(source, destination, **options)
        if str(destination) == f"data:{CONFIG}/2D_Coadd" and "dry_run" not in options:
            records.append((place / "coadd.json").exists())
            if len(records) == 1:
                raise KpfnbError("killed")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(storage, "transfer_files", die)
        with pytest.raises(KpfnbError, match="killed"):
            queue_task.coadd_images(CONFIG, lease())
    assert records == [False]
    another_machine(tmp_path, monkeypatch)
    result = queue_task.coadd_images(CONFIG, lease())
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    assert json.loads((place / "coadd.json").read_text())["inputs"] == result.inputs
    assert not (place / "old.log").exists()
    assert not list(data.rglob("*.new"))


def test_better_coadds_of_another_worker_are_not_lost(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local files of a killed worker are older than those on the remote."""
    with monkeypatch.context() as patch:
        patch.setenv("FAKE_COADD", "2d crash")
        patch.setattr(storage, "transfer_files", fail_at_upload(storage.transfer_files))
        with pytest.raises(KpfnbError, match="disk is full"):
            queue_task.coadd_images(CONFIG, lease())
    with monkeypatch.context() as patch:
        another_machine(tmp_path, patch)
        queue_task.coadd_images(CONFIG, lease())
    before = content(data / CONFIG / "2D_Coadd")
    monkeypatch.setenv("FAKE_COADD", "2d crash")
    change(data)
    worse = queue_task.coadd_images(CONFIG, lease())
    assert worse.outcome is Outcome.FAILED
    assert "the earlier coadds are kept" in worse.reason
    assert content(data / CONFIG / "2D_Coadd") == before


def test_partly_downloaded_coadds_are_downloaded_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_task.coadd_images(CONFIG, lease())
    half = tmp_path / "work/coadding/2d" / CONFIG / "2D_Coadd/Science_coadd/spec2d_x.fits"
    half.parent.mkdir(parents=True)
    half.write_text("half")
    monkeypatch.setenv("FAKE_COADD", "2d crash")
    assert queue_task.coadd_images(CONFIG, lease()).reason.startswith("nothing to do")
    # Nor is there anything to download
    shutil.rmtree(data / CONFIG / "2D_Coadd")
    half.parent.mkdir(parents=True)
    half.write_text("half")
    monkeypatch.delenv("FAKE_COADD")
    assert queue_task.coadd_images(CONFIG, lease()).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("work", ["work", "reduced/reduce_all/work"])
def test_coadds_that_are_here_are_not_made_again(
    data: Path, tmp_path: Path, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / work))
    with monkeypatch.context() as patch:
        patch.setattr(storage, "transfer_files", fail_at_upload(storage.transfer_files))
        with pytest.raises(KpfnbError, match="disk is full"):
            queue_task.coadd_images(CONFIG, lease())
    monkeypatch.setenv("FAKE_COADD", "2d crash")
    assert queue_task.coadd_images(CONFIG, lease()).reason.startswith("nothing to do")


@pytest.mark.parametrize(("code", "is_final"), [(1, True), (-9, False), (None, False)])
def test_only_what_was_killed_is_tried_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, code: int | None, is_final: bool
) -> None:
    monkeypatch.setattr(
        command,
        "run_command",
        lambda name, *_, **__: command.CommandResult(name, 1.0, None, code, "it failed"),
    )
    result = queue_task.coadd_images(CONFIG, lease())
    assert (result.outcome, result.is_final) == (Outcome.FAILED, is_final)


@pytest.mark.slow
def test_a_backup_that_fails_is_a_warning(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "backup")
    (tmp_path / "backup").write_text("no folder")
    result = queue_task.coadd_images(CONFIG, lease())
    assert result.outcome is Outcome.PARTIAL
    assert "backup: " in result.reason
    assert (data / CONFIG / "2D_Coadd/coadd.json").is_file()


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("simulated_coadd", "1 parts"),
        (f"{CONFIG}/x", "not a valid date"),
        ("other/config", "no dataset other/config"),
        (f"{CONFIG}/../x", "not a valid name"),
    ],
)
def test_a_wrong_item(data: Path, item: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        queue_task.coadd_spectra(item, lease())


def test_an_item_without_reductions(data: Path) -> None:
    (data / "m/c/2015-01-01/complete/raw").mkdir(parents=True)
    (data / "m/c/2015-01-01/complete/raw/d1.fits").write_text("x")
    with pytest.raises(InvalidInputError, match="has no reductions"):
        queue_task.coadd_spectra("m/c", lease())


def test_options_are_checked() -> None:
    assert tasks.find_task("coadd1d").check_options({"flux": "none"}) == {"flux": "none"}
    assert tasks.find_task("coadd2d").check_options({"timeout_minutes": 3}) == {
        "timeout_minutes": 3.0
    }


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("complete/reduce/A/A.pypeit", True),
        ("complete/reduce/A/A.log", True),
        ("complete/reduce/A/Science/spec1d_a.fits", True),
        ("complete/reduce/bad_slits.csv", True),
        ("complete/reduce/x_bad_slits.csv", True),
        ("complete/reduce/reduction.json", True),
        ("complete/reduce-det6/A/Science/spec2d_a.fits", True),
        ("complete/reduce/scorecard.csv", False),
        ("complete/reduce/A/Calibrations/Arc.fits", False),
        ("complete/reduce_old/A/A.log", False),
        ("complete/raw/a.fits", False),
        ("complete/2D_Coadd/coadd.json", False),
    ],
)
def test_what_is_needed(path: str, wanted: bool) -> None:
    assert queue_task.is_input_file(path, dated=True) is wanted
    assert queue_task.is_input_file(f"2015-10-16/{path}", dated=False) is wanted


def test_coadds_have_a_tab_of_their_own() -> None:
    assert StatusTab.for_queue("coadd1d").name == "coadd status"
    assert StatusTab.for_queue("reduce") == StatusTab()


def test_small_logs_of_coadds_that_are_set_aside_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_task, "MAX_LOG_BYTES", 20)
    (tmp_path / "small.log").write_text("no match")
    (tmp_path / "large.log").write_text("x" * 21)
    place = queue_task.kept_logs_folder(CoaddKind.SPECTRA, "mask/config")
    queue_task.keep_logs(tmp_path, place)
    assert {path.name: path.read_text() for path in place.iterdir()} == {"small.log": "no match"}
