from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.core.fits.headers import find_defect
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import ObservationCheck, ObservationStatus
from kpfnb.kpf.reprocess.new_products import ProductWatch
from tests.kpf import fake_drp

A = ObsID("KP.20240101.00001.00")


@pytest.fixture
def watch(tmp_path: Path) -> ProductWatch:
    fake_drp.fits(A.path(tmp_path, "2D"), {})
    return ProductWatch.for_observations(
        [ObservationCheck(A, ObservationStatus.INCOMPLETE, ("2D", "L1"))], tmp_path
    )


def test_what_was_there_before_is_not_new(watch: ProductWatch) -> None:
    assert (watch.snapshot().product_count, watch.new_products()) == (0, {})
    assert watch.snapshot() == watch.snapshot()


def test_a_rewritten_and_a_made_product_are_new(watch: ProductWatch, tmp_path: Path) -> None:
    quiet = watch.snapshot()
    fake_drp.fits(A.path(tmp_path, "2D"), {}, blocks=2, written=2)
    fake_drp.fits(A.path(tmp_path, "L1"), {})
    os.utime(A.path(tmp_path, "L1"), (5, 5))
    assert watch.snapshot().product_count == 2
    assert watch.snapshot().stamp != quiet.stamp
    assert watch.new_products()[A, "L1"] == 5


def test_an_empty_file_is_not_made_yet_but_a_sign_of_life(
    watch: ProductWatch, tmp_path: Path
) -> None:
    quiet = watch.snapshot()
    A.path(tmp_path, "L1").parent.mkdir(parents=True)
    A.path(tmp_path, "L1").touch()
    assert watch.snapshot().product_count == 0
    assert watch.snapshot() != quiet


@pytest.mark.parametrize(
    ("blocks", "written", "state"),
    [(1, 1, ""), (3, 3, ""), (3, 2, "truncated"), (3, 0, "truncated")],
)
def test_a_file_is_as_long_as_its_headers_say(
    tmp_path: Path, blocks: int, written: int, state: str
) -> None:
    fake_drp.fits(tmp_path / "a.fits", {}, blocks, written)
    assert find_defect(tmp_path / "a.fits") == state


def test_a_later_extension_is_checked_too(tmp_path: Path) -> None:
    import numpy as np
    from astropy.io import fits

    path = tmp_path / "a.fits"
    images = [fits.ImageHDU(np.zeros((100, 100))) for _ in range(2)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    assert find_defect(path) == ""
    os.truncate(path, path.stat().st_size - 2880)
    assert find_defect(path) == "truncated"
