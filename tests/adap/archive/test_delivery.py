from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kpfnb import storage
from kpfnb.adap.archive import index_files, ipac_tables, locations, status, verification
from kpfnb.adap.archive.delivery import DeliveryCallbacks, deliver_datasets
from kpfnb.adap.archive.locations import DeliveryConfig
from kpfnb.adap.archive.result import DeliveryResult, UnitResult, UnitStatus
from kpfnb.core import locks
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.demo import delivery_inputs
from kpfnb.storage import resolve_location
from tests.adap.archive.conftest import NAME, SETUP, contents, flip, products

PROJECT = Path(__file__).parents[3]

NO_CALLBACKS = DeliveryCallbacks()


def deliver(
    root: Path | str,
    to: Path | str = "to",
    names: tuple[str, ...] | list[str] = (),
    *,
    dry_run: bool = False,
    callbacks: DeliveryCallbacks = NO_CALLBACKS,
    **options: Any,
) -> DeliveryResult:
    config = DeliveryConfig(source=root, destination=to, **options)
    return deliver_datasets(names, config, dry_run=dry_run, progress=False, callbacks=callbacks)


def only(result: DeliveryResult) -> UnitResult:
    (unit_result,) = result.units
    return unit_result


def test_a_delivery_is_complete_and_has_its_tables(datasets_dir: Path, tmp_path: Path) -> None:
    result = deliver(datasets_dir)
    assert result.outcome is Outcome.SUCCEEDED, result
    assert {unit_result.state for unit_result in result.units} == {UnitStatus.DELIVERED}
    delivered = contents(tmp_path / "to")
    source = contents(datasets_dir)
    for name in delivery_inputs.DATASETS:
        for path, data in source.items():
            if path.startswith(name) and "reduction.json" not in path:
                assert delivered[path.replace("/complete", "").replace("/reduce", "")] == data
    for table, count in (("reduced_files_meta.dat", 6), ("coadded_files_meta.dat", 12)):
        rows = ipac_tables.read_table(tmp_path / "to" / table)
        assert len(rows) == count
        files = {value for row in rows for key, value in row.items() if "file" in key}
        assert {str(file) for file in files} <= set(delivered)
    assert b"progpi          PROGPI in the header" in delivered["README"]
    sums = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "to"
    )
    assert sums.returncode == 0


def test_twice_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    deliver(root)
    before = contents(tmp_path / "to")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "to").rglob("*.*")}
    time.sleep(1.1)
    again = deliver(root)
    assert contents(tmp_path / "to") == before
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "to").rglob("*.*")} == stamps
    assert (only(again).state, only(again).uploaded) == (UnitStatus.ALREADY_DELIVERED, 0)


def test_the_order_of_deliveries_makes_no_difference(datasets_dir: Path, tmp_path: Path) -> None:
    for name in reversed(delivery_inputs.DATASETS):
        deliver(datasets_dir, "one", names=[name])
    deliver(datasets_dir, "two")
    assert products(tmp_path / "one") == products(tmp_path / "two")


def test_a_dry_run_changes_nothing(root: Path, tmp_path: Path) -> None:
    planned = deliver(root, dry_run=True)
    assert only(planned).state is UnitStatus.WOULD_DELIVER
    assert only(planned).uploaded == only(planned).size > 100_000
    assert not (tmp_path / "to").exists()
    deliver(root)
    assert only(deliver(root, dry_run=True)).state is UnitStatus.ALREADY_DELIVERED


def test_a_changed_file_is_delivered_again_and_keyed_by_file(
    root: Path, spec1d: Path, tmp_path: Path
) -> None:
    from astropy.io import fits

    deliver(root)
    with fits.open(spec1d, mode="update") as hdus:
        hdus[0].header["TARGET"] = "another, of a longer name than before"
    result = only(deliver(root))
    assert result.state is UnitStatus.DELIVERED
    assert 0 < result.uploaded < result.size
    rows = ipac_tables.read_table(tmp_path / "to/reduced_files_meta.dat")
    assert [row["target"] for row in rows] == ["another, of a longer name than before", "SIM1t"]


def test_old_deliveries_are_reported_and_pruned_only_on_request(
    root: Path, spec1d: Path, tmp_path: Path
) -> None:
    deliver(root)
    text = spec1d.with_suffix(".txt")
    text.rename(text.with_name("spec1d_renamed.txt"))
    place = tmp_path / "to" / NAME / "keck_deimos_A/Science" / text.name
    kept = only(deliver(root))
    assert kept.leftover == (f"keck_deimos_A/Science/{text.name}",)
    assert place.is_file()
    assert f"{NAME}/keck_deimos_A/Science/{text.name}" in (tmp_path / "to/report.txt").read_text()
    pruned = only(deliver(root, prune=True))
    assert (pruned.leftover, place.exists()) == ((), False)
    assert (
        verification.verify_delivery(destination="to", progress=False).outcome is Outcome.SUCCEEDED
    )


def test_one_that_is_damaged_does_not_stop_the_others(
    datasets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(datasets_dir, tmp_path / "source")
    bad = min((tmp_path / "source" / NAME / SETUP / "Science").glob("spec2d_*.fits"))
    bad.write_bytes(b"")
    (tmp_path / "source" / delivery_inputs.DATASETS[1] / "complete").rename(tmp_path / "gone")
    empty = delivery_inputs.DATASETS[1]
    plan = {unit.unit: unit for unit in deliver(tmp_path / "source", dry_run=True).units}
    assert (plan[empty].state, plan[empty].reason) == (
        UnitStatus.FAILED,
        "it has nothing to deliver",
    )
    result = deliver(tmp_path / "source")
    assert result.outcome is Outcome.PARTIAL
    states = {unit_result.unit: unit_result.state for unit_result in result.units}
    assert states == {
        NAME: UnitStatus.DELIVERED,
        delivery_inputs.DATASETS[1]: UnitStatus.FAILED,
        delivery_inputs.DATASETS[2]: UnitStatus.DELIVERED,
    }
    text = str(result)
    assert f"left out: {SETUP}/Science/{bad.name}: damaged: empty" in text
    assert "it has nothing to deliver" in text
    report = (tmp_path / "to/report.txt").read_text()
    assert f"{NAME}/{SETUP}/Science/{bad.name}: damaged: empty" in report
    assert ": no spec2d" in report
    assert bad.name not in (tmp_path / "to/reduced_files_meta.dat").read_text()
    assert "&lt;" not in result._repr_html_()
    assert result.to_dict()["units"][0]["findings"]


def test_files_are_moved_only_after_they_are_verified(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kpfnb.adap.archive.unit_delivery.find_mismatches",
        lambda place, wanted, read_back=False: {next(iter(wanted)): "its md5 is wrong"},
    )
    before = contents(root)
    failed = only(deliver(root, move=True))
    assert (failed.state, failed.deleted) == (UnitStatus.FAILED, 0)
    assert "1 files are wrong at the destination" in failed.reason
    assert contents(root) == before
    assert ipac_tables.read_table(tmp_path / "to/reduced_files_meta.dat") == []
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "work"))
    moved = only(deliver(root, move=True))
    assert (moved.state, moved.deleted) == (UnitStatus.DELIVERED, moved.files)
    assert set(contents(root)) == {f"{NAME}/complete/reduce/reduction.json"}
    delivered = products(tmp_path / "to")
    for options in ({"move": True}, {}):
        assert only(deliver(root, **options)).state is UnitStatus.ALREADY_DELIVERED
        assert products(tmp_path / "to") == delivered
    assert (
        verification.verify_delivery(destination="to", progress=False).outcome is Outcome.SUCCEEDED
    )


def test_what_changes_at_the_source_after_it_was_delivered_is_not_deleted(
    root: Path, spec1d: Path
) -> None:
    callbacks = DeliveryCallbacks(confirm=lambda: flip(spec1d))
    moved = only(deliver(root, move=True, callbacks=callbacks))
    assert moved.deleted == moved.files - 1
    assert spec1d.is_file()


def test_the_quota_is_kept_and_the_rest_comes_the_next_day(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta

    days = [datetime(2026, 11, 26, 23, tzinfo=UTC) + timedelta(n) for n in range(3)]
    today = iter(days)
    now = [next(today)]
    monkeypatch.setattr(
        "kpfnb.adap.archive.locations.upload_quota",
        lambda place, gigabytes=0: locations.UploadQuota(
            locations.FileUploadCounter(
                locations.local_state_dir(place) / "uploads.json", lambda: now[0]
            ),
            round(gigabytes * 1e9),
        ),
    )
    sizes = []
    for day in days:
        now[0] = day
        unit_result = only(deliver(root, quota_gb=60e-6))
        sizes.append(unit_result.uploaded)
        assert unit_result.uploaded <= 60_000
        again = only(deliver(root, quota_gb=60e-6))
        assert again.uploaded <= 60_000 - unit_result.uploaded
        rows = ipac_tables.read_table(tmp_path / "to/reduced_files_meta.dat")
        if unit_result.state is UnitStatus.DELIVERED:
            break
        assert unit_result.state is UnitStatus.WAITING
        assert unit_result.outcome is Outcome.PARTIAL
        assert "wait for the quota of the next day" in unit_result.reason
        assert rows == [], "no row of what is not delivered"
    assert len(sizes) == 3
    assert len(rows) == 2
    assert (
        verification.verify_delivery(destination="to", progress=False).outcome is Outcome.SUCCEEDED
    )


def test_a_waiting_delivery_continues_by_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from datetime import UTC, datetime, timedelta

    now = [datetime(2026, 11, 26, 23, 59, tzinfo=UTC)]
    monkeypatch.setattr(
        "kpfnb.adap.archive.locations.upload_quota",
        lambda place, gigabytes=0: locations.UploadQuota(
            locations.FileUploadCounter(tmp_path / "uploads.json", lambda: now[0]),
            round(gigabytes * 1e9),
        ),
    )
    notes: list[str] = []

    monkeypatch.setattr(
        "kpfnb.adap.archive.delivery.time.sleep",
        lambda seconds: now.__setitem__(0, now[0] + timedelta(seconds=seconds)),
    )
    unit_result = only(
        deliver(root, quota_gb=60e-6, wait=True, callbacks=DeliveryCallbacks(notify=notes.append))
    )
    assert unit_result.state is UnitStatus.DELIVERED
    assert unit_result.uploaded == unit_result.size
    assert notes[0] == "IN_PROGRESS"
    assert "files wait for the quota" in notes[1]
    assert notes[-1] == "COMPLETE"


def test_a_server_that_dies_amid_an_upload_does_not_undo_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> None:
        raise ServiceUnavailableError("the queue server does not answer")

    monkeypatch.setattr("kpfnb.adap.archive.quota.UploadQuota.commit", gone)
    unit_result = only(deliver(root, quota_gb=1))
    assert unit_result.state is UnitStatus.DELIVERED
    assert "uploaded, but not counted: the queue server does not answer" in caplog.text
    # Its reservation is
    assert locations.upload_quota(resolve_location("to")).used_bytes() == unit_result.uploaded


def test_a_full_storage_is_reported_and_waiting_units_are_not_marked(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from kpfnb import storage
    from kpfnb.storage import StorageErrorKind

    transfer = storage.transfer_files

    def full(source: object, destination: object, **options: object) -> object:
        result = transfer(source, destination, **options)  # type: ignore[arg-type]
        if options.get("dry_run"):
            return result
        items = [
            replace(i, state=storage.FileOutcome.FAILED, error_kind=error_kind, detail="why")
            for i in result.items
        ]
        return replace(result, items=tuple(items))

    monkeypatch.setattr(storage, "transfer_files", full)
    error_kind = StorageErrorKind.DAILY
    unit_result = only(deliver(root))
    assert (unit_result.state, unit_result.waiting) == (UnitStatus.WAITING, unit_result.files)
    # A full disk is still full on the next day
    error_kind = StorageErrorKind.QUOTA
    unit_result = only(deliver(root, wait=True))
    assert (unit_result.state, unit_result.waiting) == (UnitStatus.FAILED, 0)
    assert "files failed: " in unit_result.reason and "why" in unit_result.reason


@pytest.mark.parametrize(
    ("unit", "staged"),
    [
        (NAME, "complete/publishing_reduce"),
        (NAME, "complete/2D_Coadd.new"),
        (NAME.rpartition("/")[0], "1D_Coadd.new"),
    ],
)
def test_what_is_being_published_is_not_delivered(
    remote: Path, tmp_path: Path, unit: str, staged: str
) -> None:
    """During publication the remote has a mixture of earlier and new results."""
    folders = [staged, "1D_Coadd"] if unit != NAME else [staged]
    (tmp_path / "coadd.json").write_text("{}")
    for folder in folders:
        place = storage.resolve_location("data:") / unit / folder / "coadd.json"
        assert not storage.transfer_files(tmp_path / "coadd.json", place, progress=False).failed
    done = deliver("data:", names=[NAME])
    (unit_result,) = [result for result in done.units if result.unit == unit]
    assert unit_result.state is UnitStatus.FAILED
    assert f"{unit} is being published: {staged} exists" in unit_result.reason
    assert not done.is_final
    assert not (tmp_path / "to" / unit / "setup_A").exists()


def test_invalid_input_is_reported_before_any_work(
    root: Path, remote: Path, tmp_path: Path
) -> None:
    for match, options in {
        "no dataset x/y/2011-01-02 in": {"names": ["x/y/2011-01-02"]},
        "has 1 parts, not 3": {"names": ["x"]},
        "has no joint coadds": {"names": [NAME.rpartition("/")[0]]},
        "overlap": {"to": root / "below"},
        r"nothing\.yml can.t be read": {"rules_file": "nothing.yml"},
        "no remote 'nowhere'": {"to": "nowhere:"},
    }.items():
        with pytest.raises(InvalidInputError, match=match):
            deliver(root, **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="no datasets in"):
        deliver(tmp_path / "nothing")
    with pytest.raises(InvalidParameterError, match="move needs a source on this machine"):
        deliver("data:", move=True)
    assert not (tmp_path / "to").exists()


def test_a_dataset_that_another_process_delivers_is_left_to_it(root: Path) -> None:
    state_dir = locations.local_state_dir(resolve_location("to"))
    with locks.acquire_lock(f"deliver {NAME}", folder=state_dir / "locks"):
        unit_result = only(deliver(root))
    assert (unit_result.state, "is already running" in unit_result.reason) == (
        UnitStatus.FAILED,
        True,
    )


def test_joint_coadds_come_with_a_dataset(root: Path, tmp_path: Path) -> None:
    complete, config = root / NAME / "complete", NAME.rpartition("/")[0]
    for name in ("1D_Coadd", "2D_Coadd"):
        (complete / name).rename(root / config / name)
    result = deliver(root, names=[NAME])
    assert [unit_result.unit for unit_result in result.units] == [NAME, config]
    rows = ipac_tables.read_table(tmp_path / "to/coadded_files_meta.dat")
    assert {row["coadd1d_filename"].rpartition("/")[0] for row in rows} == {f"{config}/1D_Coadd"}
    assert {Path(row["spec1d_filename"]).parts[2] for row in rows} == {"2011-04-02"}


@pytest.mark.slow
def test_from_a_remote_to_s3_and_back(remote: Path, tmp_path: Path) -> None:
    """The remote delivery never saved its tables."""
    notes: list[str] = []
    result = deliver("data:", "koa:", callbacks=DeliveryCallbacks(notify=notes.append))
    assert result.outcome is Outcome.SUCCEEDED, result
    assert notes[:4] == ["DOWNLOADING", "DOWNLOADED", "IN_PROGRESS", "COMPLETE"]
    assert len(ipac_tables.read_table(remote / "reduced_files_meta.dat")) == 6
    assert (
        verification.verify_delivery(destination="koa:", progress=False).outcome
        is Outcome.SUCCEEDED
    )
    local = deliver("data:", tmp_path / "here")
    assert local.outcome is Outcome.SUCCEEDED
    assert products(remote) == products(tmp_path / "here")
    storage.transfer_files(resolve_location("koa:"), tmp_path / "back", progress=False)
    assert contents(tmp_path / "back") == contents(remote)
    again = deliver("data:", "koa:")
    assert {unit_result.state for unit_result in again.units} == {UnitStatus.ALREADY_DELIVERED}
    assert not list(
        (locations.local_state_dir(resolve_location("koa:")) / "incoming").rglob("*.fits")
    )
    assert status.read_status("koa:").key_figures()["delivered"] == 3


def test_tables_agree_where_others_deliver_at_the_same_time(
    datasets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine ends after our tables were made, and before they are in their place."""
    texts = index_files.render_index_files
    others = iter([True])

    def render(*arguments: object) -> dict[str, str]:
        rendered = texts(*arguments)  # type: ignore[arg-type]
        if next(others, False):
            with monkeypatch.context() as elsewhere:
                elsewhere.setenv("KPFNB_WORK_DIR", str(tmp_path / "elsewhere"))
                deliver(datasets_dir, names=[delivery_inputs.DATASETS[1]])
        return rendered

    monkeypatch.setattr(index_files, "render_index_files", render)
    deliver(datasets_dir, names=[NAME])
    assert len(ipac_tables.read_table(tmp_path / "to/reduced_files_meta.dat")) == 4


@pytest.fixture(scope="module")
def clean(datasets_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed delivery."""
    folder = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KPFNB_WORK_DIR", str(folder / "work"))
        deliver(datasets_dir, folder / "to", names=[NAME])
    return products(folder / "to")


KILLED = """
import os, signal, sys
from kpfnb.adap.archive import delivery, index_files, unit_delivery
from kpfnb.adap.archive.locations import DeliveryConfig
def die(*arguments, **options): os.kill(os.getpid(), signal.SIGKILL)
confirm = lambda: None
{patch}
callbacks = delivery.DeliveryCallbacks(confirm=confirm)
config = DeliveryConfig(source=sys.argv[1], destination="to", move=True)
delivery.deliver_datasets((), config, progress=False, callbacks=callbacks)
"""
PATCHES = {
    "before the manifest": "unit_delivery.write_text_files = die",
    "before the first file": "unit_delivery.link_tree = die",
    "before verifying": "unit_delivery.find_mismatches = die",
    "before the mark": "confirm = die",
    "before anything is deleted": "unit_delivery.digest_file = die",
    "before the tables": "index_files.publish_index_files = die",
    "amid deleting": """
from pathlib import Path
unlink, left = Path.unlink, [3]
def count(self, *a, **o):
    if "complete" in self.parts:
        left[0] -= 1
        if left[0] < 0: die()
    unlink(self, *a, **o)
Path.unlink = count
""",
}


@pytest.mark.parametrize("where", PATCHES)
def test_killed_anywhere_the_next_run_goes_on(
    where: str, root: Path, tmp_path: Path, clean: dict[str, bytes]
) -> None:
    before = contents(root)
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(patch=PATCHES[where]), str(root)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    delivered = (
        {**contents(root), **contents(tmp_path / "to")} if (tmp_path / "to").exists() else before
    )
    for path, data in before.items():
        place = path.replace("/complete", "").replace("/reduce", "")
        assert delivered.get(path, delivered.get(place)) == data, "nothing is lost"
    result = deliver(root, move=True)
    assert result.outcome is Outcome.SUCCEEDED, result
    assert products(tmp_path / "to") == clean
    assert set(contents(root)) == {f"{NAME}/complete/reduce/reduction.json"}


STUCK = """
import pathlib, shutil, time
from kpfnb.cli.app import main

copyfile = shutil.copyfile

def stuck(origin, target, **options):
    copyfile(origin, target, **options)
    time.sleep(600 if pathlib.Path(origin).name.startswith("spec") else 0)

shutil.copyfile = stuck
main()
"""
"""It delivers, but stops while it copies the first spectrum."""


def test_killed_amid_copying_the_next_run_goes_on(
    root: Path, tmp_path: Path, clean: dict[str, bytes]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, "archive", "deliver", "--from", str(root), "--to", "to"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "to" / NAME).rglob("*.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not json.loads((tmp_path / "to/manifest" / f"{NAME}.json").read_text())["delivered"]
    assert status.read_status("to").key_figures()["delivered"] == 0
    result = deliver(root)
    assert result.outcome is Outcome.SUCCEEDED, result
    assert products(tmp_path / "to") == clean
