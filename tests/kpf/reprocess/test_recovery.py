from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import CompletenessRules
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import recovery
from kpfnb.kpf.reprocess.recovery import ProductBackup
from tests.kpf import fake_drp

A, B = ObsID("KP.20240101.00001.00"), ObsID("KP.20240101.00002.00")
LEVELS = ("2D", "L1")


@pytest.fixture
def old(tmp_path: Path) -> ProductBackup:
    for obsid in (A, B):
        write(tmp_path, obsid, "old")
    return ProductBackup(tmp_path, "run1", LEVELS, "")


def write(root: Path, obsid: ObsID, text: str) -> None:
    for level in LEVELS:
        path = obsid.path(root, level)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def texts(root: Path, obsid: ObsID) -> list[str]:
    paths = [obsid.path(root, level) for level in LEVELS]
    return [path.read_text() if path.exists() else "-" for path in paths]


def test_stashed_products_are_restored_over_new_ones(tmp_path: Path, old: ProductBackup) -> None:
    modified = A.path(tmp_path, "2D").stat().st_mtime_ns
    old.stash([A])
    assert texts(tmp_path, A) == ["-", "-"]
    assert old.stashed_observations() == [A]
    assert old.journal.exists()
    A.path(tmp_path, "2D").write_text("half")
    assert old.restore(A)
    assert not old.restore(A)
    old.close()
    assert texts(tmp_path, A) == ["old", "old"]
    assert A.path(tmp_path, "2D").stat().st_mtime_ns == modified
    assert not old.journal.exists()
    assert not list(tmp_path.glob("*/.kpfnb-holding"))


def test_taken_then_removed(tmp_path: Path, old: ProductBackup) -> None:
    old.stash([A, B])
    write(tmp_path, A, "new")
    old.discard(A)
    old.close()
    assert old.journal.exists(), "B is still held"
    old.restore_all()
    assert (texts(tmp_path, A), texts(tmp_path, B)) == (["new", "new"], ["old", "old"])
    assert not old.journal.exists()


def test_what_cannot_be_moved_puts_all_back(tmp_path: Path, old: ProductBackup) -> None:
    # A file where the holding area of the second level should be: so much for that disk
    (tmp_path / "L1/.kpfnb-holding").write_text("")
    with pytest.raises(InvalidInputError, match="can't move the old products away"):
        old.stash([A, B])
    assert (texts(tmp_path, A), texts(tmp_path, B)) == (["old", "old"], ["old", "old"])


@pytest.mark.parametrize("moves", range(5))
def test_a_run_killed_after_any_move_loses_nothing(
    tmp_path: Path, old: ProductBackup, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    left = iter([None] * moves)
    replace = Path.replace

    def killed_after(path: Path, target: Path) -> Path:
        if path.suffix == ".fits" and next(left, "killed") == "killed":
            raise SystemExit
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed_after)
        if moves < 4:
            with pytest.raises(SystemExit):
                old.stash([A, B])
        else:
            old.stash([A, B])
    notes = recovery.resolve_stale_backups(CompletenessRules(tmp_path, LEVELS), HeaderIndex(None))
    assert len(notes) == 1
    assert (texts(tmp_path, A), texts(tmp_path, B)) == (["old", "old"], ["old", "old"])
    assert (
        recovery.resolve_stale_backups(CompletenessRules(tmp_path, LEVELS), HeaderIndex(None)) == []
    )


@pytest.mark.parametrize(
    ("version", "written", "kept"),
    # The old ones are of no version: those of another version than asked for are not worse
    [("2.9", 1, "new"), ("3.0", 1, "new"), ("2.9", 0, "old")],
)
def test_a_killed_runs_new_products_are_checked_by_its_own_rules(
    tmp_path: Path, version: str, written: int, kept: str
) -> None:
    write(tmp_path, A, "old")
    l0 = A.path(tmp_path, "L0")
    fake_drp.fits(l0, {"GREEN": "YES", "IMTYPE": "Object"})
    os.utime(l0, (1, 1))
    ProductBackup(tmp_path, "run1", LEVELS, version).stash([A])
    for level in LEVELS:
        fake_drp.fits(A.path(tmp_path, level), {"DRPTAG": "v2.9.1"}, 2, 1 + written)
    recovery.resolve_stale_backups(
        CompletenessRules(tmp_path, ("2D", "L1", "L2")), HeaderIndex(None)
    )
    is_old = A.path(tmp_path, "L1").read_bytes() == b"old"
    assert is_old is (kept == "old")


@pytest.mark.parametrize(
    "text", ["[", "[]", "{}", '{"levels": ["2D"]}', '{"levels": ["../x"], "version": ""}']
)
def test_a_damaged_journal_is_refused(tmp_path: Path, text: str) -> None:
    journal = tmp_path / ".kpfnb/holding/run1.json"
    journal.parent.mkdir(parents=True)
    journal.write_text(text)
    with pytest.raises(InvalidInputError, match=r"run1\.json is not"):
        recovery.find_stale_backups(tmp_path)
