from __future__ import annotations

import os
from pathlib import Path

from kpfnb.kpf import unfinished

NAMES = ("before", "early", "late", "last", "never")


def test_what_was_written_last_is_set_aside(tmp_path: Path) -> None:
    before, early, late, last, never = paths = [tmp_path / f"{name}.fits" for name in NAMES]
    put(before, 9000)
    put(late, 100)
    mark = tmp_path / "state/mark.json"
    unfinished.mark(mark, paths)
    put(early, 1000)
    put(late, 1006)
    put(last, 1010)
    aside = unfinished.distrust(mark)
    assert aside == [tmp_path / "late.fits.unfinished", tmp_path / "last.fits.unfinished"]
    assert all(path.exists() for path in (*aside, before, early))
    assert not any(path.exists() for path in (late, last, never, mark))
    assert unfinished.distrust(mark) == []


def test_a_mark_taken_away_says_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark.json"
    unfinished.mark(mark, [tmp_path / "a.fits"])
    put(tmp_path / "a.fits", 1000)
    unfinished.clear(mark)
    unfinished.clear(mark)
    assert unfinished.distrust(mark) == []
    assert (tmp_path / "a.fits").exists()


def put(path: Path, modified: float) -> None:
    path.write_text("x")
    os.utime(path, (modified, modified))
