from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from kpfnb.core import locks, progress, settings
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    InvalidParameterError,
    InvalidSettingsError,
    ServiceUnavailableError,
)
from kpfnb.core.fits import headers
from kpfnb.core.result import Outcome, Result
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress import attempts
from kpfnb.kpf.reprocess import night_log
from kpfnb.kpf.reprocess.new_products import ProductWatch
from kpfnb.kpf.reprocess.plan import ReprocessOptions
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessResult
from kpfnb.kpf.reprocess.run import reprocess_observations
from kpfnb.notebook.display import figures
from tests.kpf import fake_drp

NIGHT = "20240101"
A, B, C = (f"KP.{NIGHT}.0000{n}.00" for n in (1, 2, 3))
OTHER = "KP.20240102.00001.00"
LEVELS = ("2D", "L1", "L2")

PAST = time.time() - 3600


_others: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """What runs beside the test: a browser of other tests, say."""
    _others.clear()
    _others.update(psutil.Process().children(recursive=True))


def left_over() -> list[psutil.Process]:
    """Processes that the test has started and that still run."""
    return [
        process for process in psutil.Process().children(recursive=True) if process not in _others
    ]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two nights with three observations and one, and a DRP that does what it should."""
    use_drp(monkeypatch)
    for obsid in (A, B, C, OTHER):
        add_l0(tmp_path / "data", obsid)
    return tmp_path / "data"


def use_drp(monkeypatch: pytest.MonkeyPatch, *fault: str) -> None:
    command = [sys.executable, fake_drp.__file__, "{target}", *fault]
    monkeypatch.setenv("KPFNB_DRP_COMMAND", shlex.join(command))


def add_l0(root: Path, obsid: str, imtype: str = "Object") -> Path:
    path = ObsID(obsid).path(root, "L0")
    fake_drp.fits(path, {"GREEN": "YES", "IMTYPE": imtype})
    os.utime(path, (PAST, PAST))
    return path


def add_products(root: Path, obsid: str, tag: str, levels: Sequence[str] = LEVELS) -> None:
    """Good products of an earlier time: the first byte of their data identifies them."""
    for level in levels:
        path = ObsID(obsid).path(root, level)
        fake_drp.fits(path, {"DRPTAG": tag, "OLD": "yes"})
        os.utime(path, (PAST + 60, PAST + 60))


def tags(root: Path, obsid: str) -> list[str]:
    """`new`, `old` or `-` for each level."""
    states = []
    for level in LEVELS:
        path = ObsID(obsid).path(root, level)
        text = path.read_bytes() if path.exists() else None
        states.append("-" if text is None else "old" if b"OLD" in text else "new")
    return states


def run(*targets: str, **options: Any) -> ReprocessResult:
    quick = {"grace_seconds": 0.3, "silence_seconds": 60, "progress": False}
    return reprocess_observations(ReprocessOptions(targets=targets, **{**quick, **options}))


def outcomes(result: ReprocessResult) -> dict[str, ObservationOutcome]:
    return {item.name: item.outcome for item in result.items}


def nothing_is_held(root: Path) -> bool:
    journals = list((root / ".kpfnb").rglob("holding/*"))
    return not journals and not list(root.glob("*/.kpfnb-holding"))


def test_a_night_is_processed_and_then_done(root: Path) -> None:
    result = run(NIGHT)
    assert isinstance(result, Result)
    assert outcomes(result) == {
        C: ObservationOutcome.DONE,
        B: ObservationOutcome.DONE,
        A: ObservationOutcome.DONE,
    }
    assert result.outcome is Outcome.SUCCEEDED
    assert result.reason == "3 done"
    assert [tags(root, obsid) for obsid in (A, B, C, OTHER)] == [["new"] * 3] * 3 + [["-"] * 3]
    assert len(result.batches) == 1
    assert result.batches[0].ending == "exited with code 0"
    assert result.key_figures()["products"] == 9

    again = run(NIGHT)
    assert again.counts[ObservationOutcome.SKIPPED] == 3
    assert (again.reason, again.batches, again.outcome) == ("3 already done", (), Outcome.SUCCEEDED)


def test_the_drp_gets_lists_in_the_order_asked_for(root: Path) -> None:
    result = run(start="20240101", end="20240102", order="forward", batch_size=3)
    lists = [Path(batch.command[-1]).read_text().split() for batch in result.batches]
    paths = [str(ObsID(obsid).path(root, "L0")) for obsid in (A, B, C, OTHER)]
    assert lists == [paths[:3], paths[3:]]
    newest = run(start="20240101", end="20240102", force=True)
    assert Path(newest.batches[0].command[-1]).read_text().split() == paths[::-1]


def test_junk_bad_and_missing_l0_are_not_given_to_the_drp(root: Path) -> None:
    junk = root / "reference/Junk_Observations_for_KPF.csv"
    junk.parent.mkdir()
    junk.write_text(f"Junk,,\nobservation_id,why,\n{A},shutter,\n")
    ObsID(B).path(root, "L0").write_bytes(b"")
    result = run(NIGHT, "KP.20240101.86399.00")
    assert outcomes(result) == {
        "KP.20240101.86399.00": ObservationOutcome.FAILED,
        C: ObservationOutcome.DONE,
        B: ObservationOutcome.FAILED,
        A: ObservationOutcome.JUNK,
    }
    reasons = {item.name: item.reason for item in result.items}
    assert reasons["KP.20240101.86399.00"] == "no L0 file"
    assert reasons[B] == "L0 empty"
    assert result.outcome is Outcome.PARTIAL


def test_only_what_is_expected_is_asked_for(root: Path) -> None:
    add_l0(root, "KP.20240103.00001.00", imtype="Bias")
    add_products(root, "KP.20240103.00001.00", "v2.9", ["2D", "L1"])
    assert run("20240103").reason == "1 already done"
    # Force can't ask for what is never made
    assert run("20240103", force=True, levels=["L2"]).reason == "1 already done"


def test_an_old_version_is_done_again(root: Path) -> None:
    add_products(root, OTHER, "v2.8.3")
    assert run("20240102").reason == "1 already done"
    assert run("20240102", version="2.9").reason == "1 done"
    assert tags(root, OTHER) == ["new"] * 3
    use = run("20240102", version="2.10")
    assert use.outcome is Outcome.FAILED
    assert use.items[0].reason.startswith("2D old version (v2.9.1)")


def test_a_drp_that_fails_with_exit_0_is_believed_by_its_products(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, "error", B)
    result = run(NIGHT)
    assert (result.outcome, result.reason) == (
        Outcome.PARTIAL,
        f"2 done, 1 failed; first: {B}: L2 missing",
    )
    [item] = result.with_outcome(ObservationOutcome.FAILED)
    assert item.excerpt == f"ERROR {B}: <b>the fit failed</b>"
    assert Path(item.log).is_file()
    assert item.log in str(result)
    assert "&lt;b&gt;the fit failed" in result._repr_html_()
    assert "<b>the fit" not in result._repr_html_()
    [failed] = json.loads(json.dumps(result.to_dict()))["failed"]
    assert failed["name"] == B
    # A missing product can say why
    config = settings.load_settings()
    attempt = attempts.read_attempts(config, [A, B])
    assert (attempt[B].outcome, attempt[B].source) == ("failed", "reprocessing")
    assert (attempt[B].excerpt, attempt[B].log) == (item.excerpt, item.log)
    assert (attempt[A].outcome, attempt[A].log) == ("done", "")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nothing", "2D missing; L1 missing; L2 missing"),
        ("cut", ""),
        ("empty", "L2 unreadable (empty)"),
    ],
)
def test_bad_products_are_seen(
    root: Path, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
) -> None:
    use_drp(monkeypatch, fault, OTHER)
    for _ in range(2):
        # Nor is a bad product good because it was there before
        [item] = run("20240102").items
        assert (item.outcome, item.reason) == (ObservationOutcome.FAILED, reason or "L1 truncated")


def test_force_requires_every_product_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_products(root, OTHER, "v2.9")
    assert run("20240102", force=True).reason == "1 done"
    use_drp(monkeypatch, "nothing")
    [item] = run("20240102", force=True).items
    assert item.reason == "2D not made again; L1 not made again; L2 not made again"


@pytest.mark.parametrize(
    ("fault", "options", "ending"),
    [
        ("linger", {}, "stopped: all products exist, it did not exit"),
        ("child", {}, "exited with code 0, left 1 process running"),
        ("silent", {"silence_seconds": 1}, "stopped: nothing new for too long"),
    ],
)
def test_a_drp_that_does_not_end_well(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    options: dict[str, Any],
    ending: str,
) -> None:
    use_drp(monkeypatch, fault)
    result = run(NIGHT, **options)
    assert result.batches[0].ending == ending
    assert result.outcome is (Outcome.FAILED if fault == "silent" else Outcome.SUCCEEDED)
    assert not left_over()
    if fault == "child":
        assert not psutil.pid_exists(int((tmp_path / "child").read_text()))


def test_delete_removes_old_products_when_the_new_ones_are_good(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obsid in (A, B, C):
        add_products(root, obsid, "v2.8")
    use_drp(monkeypatch, "error", B)
    result = run(NIGHT, version="2.9", delete=True)
    assert [tags(root, obsid) for obsid in (A, B, C)] == [["new"] * 3, ["old"] * 3, ["new"] * 3]
    [item] = result.with_outcome(ObservationOutcome.FAILED)
    assert item.reason == "L2 missing; the old products were restored"
    assert nothing_is_held(root)


def test_delete_and_a_drp_that_makes_nothing_lose_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obsid in (A, B):
        add_products(root, obsid, "v2.9")
    use_drp(monkeypatch, "nothing")
    run(NIGHT, force=True, delete=True)
    assert [tags(root, obsid) for obsid in (A, B, C)] == [["old"] * 3, ["old"] * 3, ["-"] * 3]
    assert nothing_is_held(root)


def test_a_full_disk_ends_the_work_and_keeps_the_old(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obsid in (A, B, C):
        add_products(root, obsid, "v2.8")
    use_drp(monkeypatch, "full", B)
    result = run(NIGHT, version="2.9", delete=True, batch_size=1, order="forward")
    assert outcomes(result) == {
        A: ObservationOutcome.DONE,
        B: ObservationOutcome.FAILED,
        C: ObservationOutcome.NOT_REACHED,
    }
    assert "ended early: the disk is full" in result.notes
    assert "No space left" in result.with_outcome(ObservationOutcome.FAILED)[0].excerpt
    assert [tags(root, obsid) for obsid in (A, B, C)] == [["new"] * 3, ["old"] * 3, ["old"] * 3]
    [entry] = night_log.read_entries(night_log.night_log_path(settings.load_settings()), root)
    assert (entry.night, entry.done, entry.failed, entry.unreached) == (NIGHT, 1, 1, 1)


def test_our_own_full_disk_is_a_reason_not_a_traceback(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("kpfnb.core.atomic.write_text", full)
    add_products(root, A, "v2.8")
    # The lock's note needs the disk too
    monkeypatch.setattr("kpfnb.core.atomic.write_json", lambda path, value: path.touch())
    result = run(NIGHT, version="2.9", delete=True)
    assert set(outcomes(result).values()) == {ObservationOutcome.NOT_REACHED}
    assert "No space left on device" in result.reason
    assert tags(root, A) == ["old"] * 3


def test_a_drp_that_never_makes_anything_is_given_up(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, "nothing")
    result = run("20240101:20240102", batch_size=1)
    assert len(result.batches) == 3
    assert outcomes(result)[A] is ObservationOutcome.NOT_REACHED
    assert "no product in 3 batches in a row" in result.items[-1].reason


def test_the_last_product_of_a_killed_drp_is_not_trusted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, "killed")
    result = run("20240102")
    assert result.batches[0].ending == "exited (killed)"
    assert outcomes(result) == {OTHER: ObservationOutcome.FAILED}
    assert len(list(root.rglob("*.unfinished"))) == 3
    use_drp(monkeypatch)
    assert run("20240102").reason == "1 done"
    assert not list(root.rglob("*.unfinished"))


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Directories that can't be listed."""
    folders: set[Path] = set()
    scandir = os.scandir

    def refuse(folder: Path) -> Any:
        if Path(folder) in folders:
            raise OSError(116, "Stale file handle", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    return folders


def test_products_that_can_not_be_seen_are_not_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, unlisted: set[Path]
) -> None:
    add_products(root, OTHER, "v2.9")
    use_drp(monkeypatch)
    unlisted.add(root / "L1/20240102")
    with pytest.raises(
        ServiceUnavailableError, match=r"can't list .*L1/20240102 \(Stale file handle\)"
    ):
        run("20240102")
    assert tags(root, OTHER) == ["old"] * 3


def test_products_that_disappeared_are_not_counted_as_good(
    root: Path, monkeypatch: pytest.MonkeyPatch, unlisted: set[Path]
) -> None:
    use_drp(monkeypatch)
    new_products = ProductWatch.new_products

    def unmount(watch: ProductWatch) -> Any:
        unlisted.add(root / "L1/20240102")
        return new_products(watch)

    monkeypatch.setattr(ProductWatch, "new_products", unmount)
    [item] = run("20240102").items
    assert (item.outcome, "can't list" in item.reason) == (ObservationOutcome.FAILED, True)


def test_a_broken_product_that_can_not_be_set_aside_is_reported(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Path:
        raise OSError(30, "Read-only file system", str(path))

    use_drp(monkeypatch, "cut")
    monkeypatch.setattr("kpfnb.kpf.reprocess.new_products.quarantine_product", refuse)
    [item] = run("20240102").items
    assert item.outcome is ObservationOutcome.FAILED
    assert "L1 truncated, and can't be set aside (Read-only file system)" in item.reason


def bars(monkeypatch: pytest.MonkeyPatch) -> list[progress.ProgressState]:
    """What the bars of progress know."""
    known = []

    class Kept(progress.ProgressBar):
        def __init__(self, state: progress.ProgressState, *sinks: Any) -> None:
            super().__init__(state, *sinks)
            known.append(state)

    monkeypatch.setattr(progress, "ProgressBar", Kept)
    return known


def test_failures_are_reported_as_they_happen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_drp(monkeypatch, "cut")
    shown = bars(monkeypatch)
    [item] = run("20240102").items
    [state] = shown
    assert state.failures == [f"{item.name}: {item.reason}"]
    assert (state.done, state.failed) == (state.total, 1)


def test_ctrl_c_says_what_was_done_and_leaves_no_process(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_products(root, A, "v2.8")
    use_drp(monkeypatch, "paused", A)
    look = ProductWatch.snapshot

    def interrupted(watch: ProductWatch) -> Any:
        if (tmp_path / "paused").exists():
            raise KeyboardInterrupt
        return look(watch)

    monkeypatch.setattr(ProductWatch, "snapshot", interrupted)
    shown = bars(monkeypatch)
    result = run("20240101:20240102", version="2.9", delete=True)
    assert outcomes(result) == {
        OTHER: ObservationOutcome.DONE,
        C: ObservationOutcome.DONE,
        B: ObservationOutcome.DONE,
        A: ObservationOutcome.NOT_REACHED,
    }
    assert "ended early: interrupted" in result.notes
    [state] = shown
    # The products of three observations, and not what was still to come
    assert state.total is not None
    assert (state.done, state.total, state.failed) == (state.total - 3, state.total, 0)
    assert tags(root, A) == ["old"] * 3
    assert not left_over()
    assert nothing_is_held(root)


def test_ctrl_c_while_products_are_checked_loses_no_result(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch)
    defect = headers.find_defect

    def interrupted(path: Path) -> str:
        signal.raise_signal(signal.SIGINT)
        return defect(path)

    monkeypatch.setattr(headers, "find_defect", interrupted)
    result = run("20240102")
    assert outcomes(result) == {OTHER: ObservationOutcome.DONE}
    assert "ended early: interrupted" in result.notes
    assert nothing_is_held(root)


KILLED = """
from kpfnb.kpf.reprocess.plan import ReprocessOptions
from kpfnb.kpf.reprocess.run import reprocess_observations
options = ReprocessOptions(
    targets=["20240101"], version="2.9", delete=True, order="forward", progress=False
)
reprocess_observations(options)
"""


def test_a_killed_run_leaves_no_process_and_the_next_one_loses_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obsid in (A, B, C):
        add_products(root, obsid, "v2.8")
    use_drp(monkeypatch, "paused", B)
    with subprocess.Popen([sys.executable, "-c", KILLED]) as victim:
        while not (tmp_path / "paused").exists() or not (tmp_path / "paused").read_text():
            assert victim.poll() is None
            time.sleep(0.02)
        victim.send_signal(signal.SIGKILL)
    assert [tags(root, obsid) for obsid in (A, B, C)] == [["new"] * 3, ["new", "-", "-"], ["-"] * 3]
    assert not nothing_is_held(root)

    use_drp(monkeypatch, "nothing")
    result = run(NIGHT, version="2.9")
    assert "set aside 1 product that a killed run may not have finished" in result.notes
    pid = int((tmp_path / "paused").read_text())
    assert not psutil.pid_exists(pid)
    assert outcomes(result) == {
        A: ObservationOutcome.SKIPPED,
        B: ObservationOutcome.FAILED,
        C: ObservationOutcome.FAILED,
    }
    [note] = [note for note in result.notes if "was killed" in note]
    assert "of 2 observations were restored; those of 1 were removed" in note
    assert [tags(root, obsid) for obsid in (A, B, C)] == [["new"] * 3, ["old"] * 3, ["old"] * 3]
    assert nothing_is_held(root)

    use_drp(monkeypatch)
    assert run(NIGHT, version="2.9", delete=True).reason == "2 done, 1 already done"


def test_two_at_once_do_not_fight(root: Path) -> None:
    with (
        locks.acquire_lock("reprocess", folder=root / ".kpfnb"),
        pytest.raises(AlreadyRunningError, match="reprocess is"),
    ):
        run(NIGHT)
    assert not (root / "2D").exists()


def test_it_waits_for_another_run_if_requested(root: Path) -> None:
    held, wanted = threading.Event(), threading.Event()

    def other() -> None:
        with locks.acquire_lock("reprocess", folder=root / ".kpfnb"):
            held.set()
            wanted.wait(60)

    holder = threading.Thread(target=other)
    holder.start()
    held.wait(60)
    threading.Timer(0.3, wanted.set).start()
    assert run(NIGHT, wait_seconds=60).outcome is Outcome.SUCCEEDED
    holder.join()


def test_dry_run_says_what_and_how_and_changes_nothing(root: Path) -> None:
    add_products(root, A, "v2.9")
    before = sorted(root.rglob("*"))
    result = run(NIGHT, dry_run=True)
    assert outcomes(result) == {
        C: ObservationOutcome.PLANNED,
        B: ObservationOutcome.PLANNED,
        A: ObservationOutcome.SKIPPED,
    }
    assert f"would run: {shlex.join(result.command)}" in str(result)
    assert result.command[-1] == "LIST"
    assert result.outcome is Outcome.SUCCEEDED
    assert sorted(root.rglob("*")) == before


def test_the_night_log_has_a_row_for_each_night_processed(root: Path) -> None:
    run("20240101:20240102", version="2.9", batch_size=2)
    run("20240101:20240102", version="2.9")
    entries = night_log.read_entries(night_log.night_log_path(settings.load_settings()), root)
    assert [(e.night, e.version, e.done) for e in entries] == [
        ("20240102", "2.9", 1),
        ("20240101", "2.9", 3),
    ]
    assert entries[0].started <= entries[0].ended <= entries[1].ended


def test_a_killed_run_is_resumed_by_the_night_log_even_with_force(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its products a night is done in either case: with force only the log shows it."""
    run("20240101:20240102")
    use_drp(monkeypatch, "error", OTHER)
    run("20240101:20240102", force=True, order="forward", version="2.9")
    use_drp(monkeypatch)
    again = run(resume=True, force=True)
    assert [item.name for item in again.items] == [OTHER]
    assert (again.version, again.outcome) == ("2.9", Outcome.SUCCEEDED)
    done = run(resume=True)
    assert done.items == ()
    assert done.notes[0] == "the last run has finished all its nights: nothing to resume"
    with pytest.raises(InvalidParameterError, match="leave one"):
        run(NIGHT, resume=True)


def test_nights_that_a_killed_run_had_before_it_are_in_the_log(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kpfnb.kpf.reprocess.batch.run_batch", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("20240101:20240102")
    entries = night_log.read_entries(night_log.night_log_path(settings.load_settings()), root)
    assert [(entry.night, entry.started, entry.ended) for entry in entries] == [
        ("20240102", "", ""),
        ("20240101", "", ""),
    ]


def test_only_one_object_is_processed(root: Path) -> None:
    path = ObsID(B).path(root, "L0")
    fake_drp.fits(path, {"GREEN": "YES", "IMTYPE": "Object", "OBJECT": "HD 10700"})
    os.utime(path, (PAST, PAST))
    result = run("20240101:20240102", objects=["HD10700"])
    assert [item.name for item in result.items] == [B]
    assert "1 of 4 observations are of HD10700" in result.notes


def test_a_night_log_that_cannot_be_written_is_a_note(root: Path) -> None:
    night_log.night_log_path(settings.load_settings()).mkdir(parents=True)
    result = run(NIGHT)
    assert result.outcome is Outcome.SUCCEEDED
    assert any("night log" in note for note in result.notes)


@pytest.mark.parametrize(
    ("targets", "options", "error", "message"),
    [
        ([], {}, InvalidParameterError, "no observations are selected"),
        (["20241399"], {}, InvalidParameterError, "'20241399'.*valid date"),
        (["nonsense"], {}, InvalidParameterError, "'nonsense' is not a night"),
        ([NIGHT], {"order": "up"}, InvalidParameterError, "order: 'up'"),
        ([NIGHT], {"levels": ["L3"]}, InvalidParameterError, "levels: L3"),
        ([NIGHT], {"levels": []}, InvalidParameterError, "levels: none"),
        ([NIGHT], {"ncpus": 0}, InvalidParameterError, "ncpus: 0"),
        ([NIGHT], {"nice": 20}, InvalidParameterError, "nice: 20"),
        ([NIGHT], {"silence_seconds": 0}, InvalidParameterError, "silence_seconds: 0"),
        ([NIGHT], {"silence_seconds": float("nan")}, InvalidParameterError, "silence_seconds: nan"),
        ([NIGHT], {"version": "two"}, InvalidParameterError, "'two' is not a DRP version"),
        ([NIGHT], {"root": "/nowhere"}, InvalidInputError, "no L0 directory"),
    ],
)
def test_mistakes_are_reported_before_any_work(
    root: Path, targets: list[str], options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        run(*targets, **options)
    assert not (root / ".kpfnb").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-drp {target}", "the program 'no-such-drp' does not exist"),
        ("true", r"drp_command has no \{target\}"),
    ],
)
def test_a_missing_drp_is_reported_before_any_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setenv("KPFNB_DRP_COMMAND", command)
    with pytest.raises(InvalidSettingsError, match=message) as caught:
        run(NIGHT)
    assert "KPFNB_DRP_COMMAND" in caught.value.hint


def test_an_empty_range_is_skipped_with_the_reason(root: Path) -> None:
    result = run("20230101:20230201")
    nights = "Nights 20230101 to 20230201 have no L0 files"
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, result.notes[0])
    assert result.reason.startswith(nights)


def test_a_single_observation_of_a_missing_data_root_is_rejected(root: Path) -> None:
    missing = root / "nowhere"
    with pytest.raises(InvalidInputError, match="which does not exist") as caught:
        run(A, root=missing)
    assert "KPFNB_DATA_ROOT" in caught.value.hint
    assert not missing.exists()


def test_frame_and_picture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_drp(monkeypatch, "error", B)
    result = run("20240101:20240102", batch_size=2)
    frame = result.to_frame()
    assert list(frame["result"]) == ["done", "done", "failed", "done"]
    figure = figures.plot(result)
    assert [axes.get_ylabel() for axes in figure.axes] == ["observations", "products made"]
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 4
    shown = figures.hover_plot(result)
    nights, products = shown.figure.axes
    bar = partial(SimpleNamespace, inaxes=nights, xdata=0.1)
    assert shown.tooltips[nights](bar(ydata=1.5)) == f"{NIGHT}: 2 done\n{C}\n{A}"
    assert shown.tooltips[nights](bar(ydata=2.5)).startswith(f"{NIGHT}: 1 failed\n{B} ")
    assert shown.tooltips[nights](bar(ydata=3.5)) == ""
    first = min(time for batch in result.batches for time in batch.product_times["2D"])
    x, y = products.transData.transform((first / (60 if result.seconds >= 120 else 1), 1))
    tooltip = shown.tooltips[products](SimpleNamespace(inaxes=products, x=x, y=y))
    assert ": number 1, made after " in tooltip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The least that the stand-in DRP can calibrate: a bias, a flat and an arc."""
    from kpfnb.demo.night import simulate_night
    from kpfnb.demo.plan import USUAL_COUNTS

    tree = tmp_path_factory.mktemp("simulated")
    counts = dict.fromkeys(USUAL_COUNTS, 0) | {"bias": 1, "flat": 1, "thar": 1}
    simulate_night(tree, "20240115", counts=counts)
    return tree


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "ending", "done"),
    [
        ("partial", "exited with code 0", 2),
        ("hang", "stopped: all products exist, it did not exit", 3),
        ("orphan", "exited with code 0, left 1 process running", 3),
    ],
)
def test_the_stand_in_drp_with_its_defects(
    simulated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    ending: str,
    done: int,
) -> None:
    shutil.copytree(simulated, tmp_path / "data")
    monkeypatch.setenv("KPFNB_DEMO_DRP_FAULT", fault)
    # On a busy machine a DRP that has made all takes a while to exit
    result = run("20240115", ncpus=1, grace_seconds=0.3 if fault == "hang" else 5)
    assert result.batches[0].ending == ending
    assert result.counts[ObservationOutcome.DONE] == done
    assert not left_over()


def test_the_drp_runs_in_its_directory_with_its_variables(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline").mkdir()
    monkeypatch.setenv("KPFNB_DRP_DIRECTORY", str(tmp_path / "pipeline"))
    monkeypatch.setenv("KPFNB_DRP_ENVIRONMENT", '{"FAKE_DRP_TAG": "v2.12.0rc1"}')
    use_drp(monkeypatch, "child", OTHER)
    assert run("20240102", version="2.10").reason == "1 done"
    # The DRP writes this file into its current directory
    assert (tmp_path / "pipeline/child").exists()
