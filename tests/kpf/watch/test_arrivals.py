"""The rules from the first event of a file until it is dispatched."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.watch.arrivals import (
    Arrivals,
    WatchPolicy,
    find_fits_defect,
    is_handled,
    make_task_record,
)
from kpfnb.kpf.watch.handler import FileStamp
from kpfnb.kpf.watch.state_store import FileRecord, FileStatus, StateStore
from tests.kpf.fake_drp import fits
from tests.kpf.watch.conftest import Tree

NOW, BEFORE = FileStamp(9, 9), FileStamp(8, 8)


def known(
    state: FileStatus, stamp: FileStamp = NOW, attempts: int = 0, *, renewed: bool = False
) -> FileRecord:
    return FileRecord("/a/b", stamp, state, attempts, renewed)


@pytest.mark.parametrize(
    ("row", "handled"),
    [
        (None, False),
        (known(FileStatus.DONE), True),
        (known(FileStatus.DONE, BEFORE), False),
        (known(FileStatus.KNOWN), True),
        (known(FileStatus.KNOWN, BEFORE), False),
        (known(FileStatus.TAKEN), False),
        (known(FileStatus.GONE), False),
        (known(FileStatus.FAILED, attempts=2), False),
        (known(FileStatus.FAILED, attempts=3), True),
        (known(FileStatus.FAILED, BEFORE, attempts=3), False),
    ],
)
def test_what_is_handled(row: FileRecord | None, handled: bool) -> None:
    assert is_handled(row, NOW, 3) is handled


@pytest.mark.parametrize(
    ("row", "attempts", "renewed"),
    [
        (None, 0, False),
        (known(FileStatus.TAKEN, attempts=1), 1, False),
        (known(FileStatus.FAILED, attempts=2), 2, False),
        (known(FileStatus.DONE, BEFORE), 0, True),
        (known(FileStatus.FAILED, BEFORE, attempts=3), 0, True),
        # Killed in the middle of the work on a renewed file: it is still a renewed one
        (known(FileStatus.TAKEN, renewed=True), 0, True),
    ],
)
def test_what_is_stored_about_a_dispatched_file(
    row: FileRecord | None, attempts: int, renewed: bool
) -> None:
    assert make_task_record("/a/b", NOW, row) == FileRecord(
        "/a/b", NOW, FileStatus.TAKEN, attempts, renewed
    )


@pytest.fixture
def arrivals(tree: Tree, tmp_path: Path) -> Arrivals:
    return Arrivals(
        tree.handler(), StateStore(tmp_path / "memory.sqlite"), WatchPolicy(quiet_seconds=0)
    )


def test_a_file_that_grew_since_it_was_seen_is_not_ready(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    arrivals.add_changed([str(path)])
    fits(path, {}, blocks=2, written=2)
    arrivals.admit_settled()
    assert list(arrivals.ready) == []
    arrivals.admit_settled()
    assert list(arrivals.ready) == [str(path)]


def test_a_file_that_vanished_is_forgotten(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    arrivals.add_changed([str(path), str(path) + "x.fits"])
    path.unlink()
    arrivals.admit_settled()
    assert arrivals.waiting == 0


def test_one_in_work_waits(tree: Tree, arrivals: Arrivals) -> None:
    path = str(tree.write("a.fits"))
    arrivals.in_work.add(path)
    arrivals.add_changed([path])
    arrivals.admit_settled()
    assert (arrivals.waiting, list(arrivals.ready)) == (1, [])


def test_a_truncated_file_is_checked_again(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    path.write_bytes(path.read_bytes()[:4000])
    arrivals.add_changed([str(path)])
    arrivals.admit_settled()
    assert arrivals.next_batch(9) == []
    assert arrivals.incomplete == {str(path): "truncated"}
    assert arrivals.waiting == 1


def test_a_scan_does_not_delay_files_on_their_way_in(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    arrivals.add_changed([str(path)])
    arrivals.admit_settled()
    seen = arrivals.ready[str(path)].stamp
    arrivals.add_scanned(str(path.parent), {path.name: seen})
    assert list(arrivals.ready) == [str(path)]
    arrivals.add_scanned(str(path.parent), {path.name: BEFORE})
    assert list(arrivals.ready) == []


def test_files_that_could_not_be_dispatched_come_first_next_time(
    tree: Tree, arrivals: Arrivals
) -> None:
    paths = [str(tree.write(f"{name}.fits")) for name in "abc"]
    arrivals.add_changed(paths)
    arrivals.admit_settled()
    rows = arrivals.next_batch(1)
    arrivals.requeue(rows)
    assert [row.path for row in arrivals.next_batch(9)] == paths


@pytest.mark.parametrize(
    "wrong", [{"quiet_seconds": -1.0}, {"attempts": 0}, {"rescan_seconds": 0.0}]
)
def test_an_invalid_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        WatchPolicy(**wrong)  # type: ignore[arg-type]


def test_flaws(tmp_path: Path) -> None:
    assert find_fits_defect(tmp_path / "none.fits") == "missing"
    fits(tmp_path / "a.fits", {}, blocks=3, written=2)
    assert find_fits_defect(tmp_path / "a.fits") == "truncated"
