from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf import quicklook
from kpfnb.kpf.quicklook.targets import QuicklookTarget

A, B, C = "KP.20240115.00001.00", "KP.20240115.40000.00", "KP.20240116.00003.00"
MASTER = "kpf_20240115_master_WLS_autocal-lfc-all_L1.fits"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in (A, B, C):
        for level, suffix in (("L0", ""), ("L1", "_L1")):
            path = root / level / name[3:11] / f"{name}{suffix}.fits"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for stray in (f".{A}.fits.Ab12Cd", f"{A}-1.fits", "notes.txt", f"{A}_L1.fits"):
        (root / "L0/20240115" / stray).touch()
    (root / "L0/OLDSTUFF").mkdir()
    (root / "L0/20240117").touch()
    masters = root / "masters/20240115"
    masters.mkdir(parents=True)
    for name in (MASTER, "kpf_20240115_master_strange.fits", ".making.lock"):
        (masters / name).touch()
    return root


def names(root: Path, *range: str, **options: object) -> list[str]:
    return [target.path.name for target in quicklook.select_targets(*range, root=root, **options)]  # type: ignore[arg-type]


def test_a_night_in_the_order_of_time_then_level(root: Path) -> None:
    assert names(root, "20240115") == [
        f"{A}.fits",
        f"{A}_L1.fits",
        f"{B}.fits",
        f"{B}_L1.fits",
        MASTER,
    ]


def test_the_end_night_is_included_and_a_reversed_range_is_newest_first(root: Path) -> None:
    forward = names(root, "20240115", "20240116", levels=["L0"])
    assert forward == [f"{A}.fits", f"{B}.fits", f"{C}.fits"]
    assert names(root, "20240116", "20240115", levels=["L0"]) == forward[::-1]


def test_seconds_and_levels(root: Path) -> None:
    assert names(root, "20240115.4", "20240115", levels=["L1"]) == [f"{B}_L1.fits"]
    assert names(root, "20240115", levels=["master"]) == [MASTER]


def test_only_recent_and_not_recent_share_the_files(root: Path) -> None:
    old = time.time() - 2 * 86_400
    os.utime(root / f"L0/20240115/{A}.fits", (old, old))
    assert names(root, "20240115", levels=["L0"], age="recent") == [f"{B}.fits"]
    assert names(root, "20240115", levels=["L0"], age="old") == [f"{A}.fits"]


def test_mistakes_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="L9"):
        names(root, "20240115", levels=["L9"])
    with pytest.raises(InvalidParameterError, match="age"):
        names(root, "20240115", age="young")
    with pytest.raises(InvalidInputError, match="none of the directories L2"):
        names(root, "20240115", levels=["L2"])
    with pytest.raises(InvalidInputError, match=r"notes\.txt"):
        QuicklookTarget.from_path(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("name", "product_dir"),
    [
        ("KP.20240115.00001.00_2D.fits", "20240115/KP.20240115.00001.00"),
        ("kpf_20240115_master_bias_autocal-bias.fits", "20240115/Masters/Bias"),
        ("kpf_20240115_master_arclamp_autocal-une-all-eve_L2.fits", "20240115/Masters/UNe"),
        ("kpf_20240115_master_WLS_autocal-thar-all-morn_L1.fits", "20240115/Masters/ThAr"),
        ("kpf_20240115_master_arclamp_autocal-etalon-all.fits", "20240115/Masters/Etalon"),
        ("kpf_20240115_master_arclamp_slewcal.fits", "20240115/Masters/Other"),
        ("kpf_20240115_master_dark_autocal-dark.fits", "20240115/Masters/Dark"),
        ("kpf_20240115_master_flat.fits", "20240115/Masters/Flat"),
        ("kpf_20240115_master_flat_L1.fits", "20240115/Masters/Flat"),
        ("kpf_20240115_smooth_lamp_L1.fits", "20240115/Masters/Flat"),
        ("kpf_20240115_order_mask.fits", "20240115/Masters/Flat"),
    ],
)
def test_where_products_go(name: str, product_dir: str) -> None:
    assert QuicklookTarget.from_path(Path("/x") / name).product_dir == product_dir


@pytest.mark.parametrize(
    "name", ["kpf_20240115_master_flat_GREEN_CCD.csv", "20240115_eve_CAL_etalon_wavelengths.csv"]
)
def test_order_traces_and_etalon_masks_are_tables_that_quicklook_does_not_draw(name: str) -> None:
    assert QuicklookTarget.from_master(Path("/x") / name) is None
