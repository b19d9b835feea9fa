from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.errors import BadInput
from kpfnb.kpf import safekeeping
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import ObsID
from kpfnb.kpf.safekeeping import Safekeeping
from kpfnb.kpf.standing import Rules
from tests.kpf import fakedrp

A, B = ObsID("KP.20240101.00001.00"), ObsID("KP.20240101.00002.00")
LEVELS = ("2D", "L1")


@pytest.fixture
def old(tmp_path: Path) -> Safekeeping:
    for obsid in (A, B):
        write(tmp_path, obsid, "old")
    return Safekeeping(tmp_path, "run1", LEVELS, "")


def write(root: Path, obsid: ObsID, text: str) -> None:
    for level in LEVELS:
        path = obsid.path(root, level)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def texts(root: Path, obsid: ObsID) -> list[str]:
    paths = [obsid.path(root, level) for level in LEVELS]
    return [path.read_text() if path.exists() else "-" for path in paths]


def test_taken_then_put_back_over_what_is_there(tmp_path: Path, old: Safekeeping) -> None:
    modified = A.path(tmp_path, "2D").stat().st_mtime_ns
    old.take([A])
    assert texts(tmp_path, A) == ["-", "-"]
    assert old.observations() == [A]
    assert old.journal.exists()
    A.path(tmp_path, "2D").write_text("half")
    assert old.put_back(A)
    assert not old.put_back(A)
    old.close()
    assert texts(tmp_path, A) == ["old", "old"]
    assert A.path(tmp_path, "2D").stat().st_mtime_ns == modified
    assert not old.journal.exists()
    assert not list(tmp_path.glob("*/.kpfnb-holding"))


def test_taken_then_removed(tmp_path: Path, old: Safekeeping) -> None:
    old.take([A, B])
    write(tmp_path, A, "new")
    old.remove(A)
    old.close()
    assert old.journal.exists(), "B is still held"
    old.put_all_back()
    assert (texts(tmp_path, A), texts(tmp_path, B)) == (["new", "new"], ["old", "old"])
    assert not old.journal.exists()


def test_what_cannot_be_moved_puts_all_back(tmp_path: Path, old: Safekeeping) -> None:
    # A file where the holding area of the second level should be: so much for that disk
    (tmp_path / "L1/.kpfnb-holding").write_text("")
    with pytest.raises(BadInput, match="can't move the old products away"):
        old.take([A, B])
    assert (texts(tmp_path, A), texts(tmp_path, B)) == (["old", "old"], ["old", "old"])


@pytest.mark.parametrize("moves", range(5))
def test_a_run_killed_after_any_move_loses_nothing(
    tmp_path: Path, old: Safekeeping, monkeypatch: pytest.MonkeyPatch, moves: int
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
                old.take([A, B])
        else:
            old.take([A, B])
    notes = safekeeping.finish_killed(Rules(tmp_path, LEVELS), Index(None))
    assert len(notes) == 1
    assert (texts(tmp_path, A), texts(tmp_path, B)) == (["old", "old"], ["old", "old"])
    assert safekeeping.finish_killed(Rules(tmp_path, LEVELS), Index(None)) == []


@pytest.mark.parametrize(
    ("version", "written", "kept"), [("2.9", 1, "new"), ("3.0", 1, "old"), ("2.9", 0, "old")]
)
def test_a_killed_runs_new_products_are_judged_by_its_own_measure(
    tmp_path: Path, version: str, written: int, kept: str
) -> None:
    write(tmp_path, A, "old")
    l0 = A.path(tmp_path, "L0")
    fakedrp.fits(l0, {"GREEN": "YES", "IMTYPE": "Object"})
    os.utime(l0, (1, 1))
    Safekeeping(tmp_path, "run1", LEVELS, version).take([A])
    for level in LEVELS:
        fakedrp.fits(A.path(tmp_path, level), {"DRPTAG": "v2.9.1"}, 2, 1 + written)
    safekeeping.finish_killed(Rules(tmp_path, ("2D", "L1", "L2")), Index(None))
    is_old = A.path(tmp_path, "L1").read_bytes() == b"old"
    assert is_old is (kept == "old")


@pytest.mark.parametrize(
    "text", ["[", "[]", "{}", '{"levels": ["2D"]}', '{"levels": ["../x"], "version": ""}']
)
def test_a_damaged_journal_is_refused(tmp_path: Path, text: str) -> None:
    journal = tmp_path / ".kpfnb/holding/run1.json"
    journal.parent.mkdir(parents=True)
    journal.write_text(text)
    with pytest.raises(BadInput, match=r"run1\.json is not"):
        safekeeping.left_over(tmp_path)
