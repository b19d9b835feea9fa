"""What a DRP that was cut off left is brought to its end, whoever had started it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb import locks
from kpfnb.errors import Busy
from kpfnb.kpf import leftovers, unfinished


@pytest.mark.parametrize("who", ["", "watch-3"])
def test_what_may_be_unfinished_is_set_aside(tmp_path: Path, who: str) -> None:
    made = tmp_path / "a_2D.fits"
    unfinished.mark(leftovers.mark(tmp_path, who), [made])
    made.write_text("")
    assert leftovers.finish(tmp_path) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a_2D.fits.unfinished"]


def test_where_nothing_was_left_nothing_is_done(tmp_path: Path) -> None:
    assert leftovers.finish(tmp_path / "none") == 0


def test_a_drp_that_does_not_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "STOPPING_SECONDS", 0.1)
    lock = leftovers.lock(tmp_path, "watch-3")
    with locks.hold(lock.stem, folder=tmp_path), pytest.raises(Busy, match="drp-watch-3"):
        leftovers.finish(tmp_path)
