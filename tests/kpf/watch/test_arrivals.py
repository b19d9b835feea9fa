"""From the first sight of a file to the moment when it is handed out: the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.errors import BadParameter
from kpfnb.watching.arrivals import Arrivals, Pace, flaw, is_handled, task_row
from kpfnb.watching.kind import Stamp
from kpfnb.watching.memory import Memory, Row, State
from tests.kpf.fakedrp import fits
from tests.watching.conftest import Tree

NOW, BEFORE = Stamp(9, 9), Stamp(8, 8)


def known(state: State, stamp: Stamp = NOW, attempts: int = 0, *, renewed: bool = False) -> Row:
    return Row("/a/b", stamp, state, attempts, renewed)


@pytest.mark.parametrize(
    ("row", "handled"),
    [
        (None, False),
        (known(State.DONE), True),
        (known(State.DONE, BEFORE), False),
        (known(State.KNOWN), True),
        (known(State.KNOWN, BEFORE), False),
        (known(State.TAKEN), False),
        (known(State.GONE), False),
        (known(State.FAILED, attempts=2), False),
        (known(State.FAILED, attempts=3), True),
        (known(State.FAILED, BEFORE, attempts=3), False),
    ],
)
def test_what_is_handled(row: Row | None, handled: bool) -> None:
    assert is_handled(row, NOW, 3) is handled


@pytest.mark.parametrize(
    ("row", "attempts", "renewed"),
    [
        (None, 0, False),
        (known(State.TAKEN, attempts=1), 1, False),
        (known(State.FAILED, attempts=2), 2, False),
        (known(State.DONE, BEFORE), 0, True),
        (known(State.FAILED, BEFORE, attempts=3), 0, True),
        # Killed in the middle of the work on a renewed file: it is still a renewed one
        (known(State.TAKEN, renewed=True), 0, True),
    ],
)
def test_what_is_remembered_of_a_file_that_is_handed_out(
    row: Row | None, attempts: int, renewed: bool
) -> None:
    assert task_row("/a/b", NOW, row) == Row("/a/b", NOW, State.TAKEN, attempts, renewed)


@pytest.fixture
def arrivals(tree: Tree, tmp_path: Path) -> Arrivals:
    return Arrivals(tree.kind(), Memory(tmp_path / "memory.sqlite"), Pace(quiet_seconds=0))


def test_a_file_that_grew_since_it_was_seen_is_not_ready(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    arrivals.changed([str(path)])
    fits(path, {}, blocks=2, written=2)
    arrivals.settle()
    assert list(arrivals.ready) == []
    arrivals.settle()
    assert list(arrivals.ready) == [str(path)]


def test_a_file_that_vanished_is_forgotten(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    arrivals.changed([str(path), str(path) + "x.fits"])
    path.unlink()
    arrivals.settle()
    assert arrivals.waiting == 0


def test_one_in_work_waits(tree: Tree, arrivals: Arrivals) -> None:
    path = str(tree.write("a.fits"))
    arrivals.in_work.add(path)
    arrivals.changed([path])
    arrivals.settle()
    assert (arrivals.waiting, list(arrivals.ready)) == (1, [])


def test_a_cut_off_file_is_looked_at_again(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    path.write_bytes(path.read_bytes()[:4000])
    arrivals.changed([str(path)])
    arrivals.settle()
    assert arrivals.take(9) == []
    assert arrivals.not_whole == {str(path): "truncated"}
    assert arrivals.waiting == 1


def test_a_scan_does_not_put_off_what_is_on_its_way(tree: Tree, arrivals: Arrivals) -> None:
    path = tree.write("a.fits")
    arrivals.changed([str(path)])
    arrivals.settle()
    seen = arrivals.ready[str(path)].stamp
    arrivals.found(str(path.parent), {path.name: seen})
    assert list(arrivals.ready) == [str(path)]
    arrivals.found(str(path.parent), {path.name: BEFORE})
    assert list(arrivals.ready) == []


def test_what_could_not_be_handed_out_comes_first_again(tree: Tree, arrivals: Arrivals) -> None:
    paths = [str(tree.write(f"{name}.fits")) for name in "abc"]
    arrivals.changed(paths)
    arrivals.settle()
    rows = arrivals.take(1)
    arrivals.put_back(rows)
    assert [row.path for row in arrivals.take(9)] == paths


@pytest.mark.parametrize(
    "wrong", [{"quiet_seconds": -1.0}, {"attempts": 0}, {"rescan_seconds": 0.0}]
)
def test_an_impossible_pace_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadParameter, match=next(iter(wrong))):
        Pace(**wrong)  # type: ignore[arg-type]


def test_flaws(tmp_path: Path) -> None:
    assert flaw(tmp_path / "none.fits") == "missing"
    fits(tmp_path / "a.fits", {}, blocks=3, written=2)
    assert flaw(tmp_path / "a.fits") == "truncated"
