from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.fitsheader import defect
from kpfnb.kpf.newproducts import Watch
from kpfnb.kpf.obsid import ObsID
from kpfnb.kpf.standing import Standing, State
from tests.kpf import fakedrp

A = ObsID("KP.20240101.00001.00")


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    fakedrp.fits(A.path(tmp_path, "2D"), {})
    return Watch.over([Standing(A, State.LACKING, ("2D", "L1"))], tmp_path)


def test_what_was_there_before_is_not_new(watch: Watch) -> None:
    assert (watch.look().made, watch.made()) == (0, {})
    assert watch.look() == watch.look()


def test_a_rewritten_and_a_made_product_are_new(watch: Watch, tmp_path: Path) -> None:
    quiet = watch.look()
    fakedrp.fits(A.path(tmp_path, "2D"), {}, blocks=2, written=2)
    fakedrp.fits(A.path(tmp_path, "L1"), {})
    os.utime(A.path(tmp_path, "L1"), (5, 5))
    assert watch.look().made == 2
    assert watch.look().stamp != quiet.stamp
    assert watch.made()[A, "L1"] == 5


def test_an_empty_file_is_not_made_yet_but_a_sign_of_life(watch: Watch, tmp_path: Path) -> None:
    quiet = watch.look()
    A.path(tmp_path, "L1").parent.mkdir(parents=True)
    A.path(tmp_path, "L1").touch()
    assert watch.look().made == 0
    assert watch.look() != quiet


@pytest.mark.parametrize(
    ("blocks", "written", "found"),
    [(1, 1, ""), (3, 3, ""), (3, 2, "truncated"), (3, 0, "truncated")],
)
def test_a_file_is_as_long_as_its_headers_say(
    tmp_path: Path, blocks: int, written: int, found: str
) -> None:
    fakedrp.fits(tmp_path / "a.fits", {}, blocks, written)
    assert defect(tmp_path / "a.fits") == found


def test_a_later_extension_is_looked_at_too(tmp_path: Path) -> None:
    import numpy as np
    from astropy.io import fits

    path = tmp_path / "a.fits"
    images = [fits.ImageHDU(np.zeros((100, 100))) for _ in range(2)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    assert defect(path) == ""
    os.truncate(path, path.stat().st_size - 2880)
    assert defect(path) == "truncated"
