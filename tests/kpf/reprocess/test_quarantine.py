from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from kpfnb.kpf.reprocess import new_products

NAMES = ("before", "early", "late", "last", "never")


def test_what_was_written_last_is_set_aside(tmp_path: Path) -> None:
    before, early, late, last, never = paths = [tmp_path / f"{name}.fits" for name in NAMES]
    put(before, 9000)
    put(late, 100)
    mark = tmp_path / "state/mark.json"
    new_products.write_marker(mark, paths)
    put(early, 1000)
    put(late, 1900)
    put(last, 1900 + new_products.SUSPECT_SECONDS)
    aside = new_products.quarantine_suspects(mark)
    assert aside == [tmp_path / "late.fits.unfinished", tmp_path / "last.fits.unfinished"]
    assert all(path.exists() for path in (*aside, before, early))
    assert not any(path.exists() for path in (late, last, never, mark))
    assert new_products.quarantine_suspects(mark) == []


def test_a_product_that_was_complete_long_before_the_stop_is_kept(tmp_path: Path) -> None:
    complete, recent = paths = [tmp_path / "complete.fits", tmp_path / "recent.fits"]
    mark = tmp_path / "mark.json"
    new_products.write_marker(mark, paths)
    put(complete, time.time() - 2 * new_products.SUSPECT_SECONDS)
    assert new_products.quarantine_suspects(mark, ended_now=True) == []
    new_products.write_marker(mark, paths)
    put(recent, time.time())
    assert new_products.quarantine_suspects(mark, ended_now=True) == [
        tmp_path / "recent.fits.unfinished"
    ]


def test_a_visibly_truncated_product_is_quarantined_at_any_age(tmp_path: Path) -> None:
    stalled, last = paths = [tmp_path / "stalled.fits", tmp_path / "last.fits"]
    mark = tmp_path / "mark.json"
    new_products.write_marker(mark, paths)
    put(stalled, 1000, cut=2000)
    put(last, 2000)
    assert new_products.quarantine_suspects(mark) == [
        path.with_name(f"{path.name}.unfinished") for path in paths
    ]


def test_a_removed_marker_has_no_effect(tmp_path: Path) -> None:
    mark = tmp_path / "mark.json"
    new_products.write_marker(mark, [tmp_path / "a.fits"])
    put(tmp_path / "a.fits", 1000)
    new_products.clear_marker(mark)
    new_products.clear_marker(mark)
    assert new_products.quarantine_suspects(mark) == []
    assert (tmp_path / "a.fits").exists()


def put(path: Path, modified: float, *, cut: int = 0) -> None:
    fits.PrimaryHDU(np.zeros(2000, "i2")).writeto(path, overwrite=True)
    os.truncate(path, path.stat().st_size - cut)
    os.utime(path, (modified, modified))
