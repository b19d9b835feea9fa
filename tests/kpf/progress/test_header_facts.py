"""The velocity of an L2: where the pipeline (v2.12) writes it, and what it writes without one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.kpf.progress import header_facts
from tests.kpf.l2_files import ORDERS, write_l2

NAN = math.nan


def facts(path: Path) -> header_facts.ProductFacts:
    return header_facts.parse_product_facts(header_facts.read_l2(str(path)))


def test_a_good_l2(tmp_path: Path) -> None:
    good = facts(write_l2(tmp_path / "l2.fits", {}))
    assert good == header_facts.ProductFacts("v2.9.1", ("GREEN", "RED"), "")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"velocities": None}, "no extension RV"),
        ({"velocities": ()}, "RV table without velocities"),
        ({"velocities": (0.0,) * ORDERS}, "RV table of zeros or NaN"),
        ({"velocities": (NAN,) * ORDERS}, "RV table of zeros or NaN"),
        ({"velocities": (0.0, NAN) * 30}, "RV table of zeros or NaN"),
        ({"velocities": (0.0,) * (ORDERS - 1) + (3.0,)}, ""),
        ({"cards": {"CCFRV": 0.0}}, "CCFRV is 0.0"),
        # As the pipeline writes it if a camera has no error of the velocity
        ({"cards": {"CCFRV": 0}}, "CCFRV is 0"),
        ({"cards": {"CCFRV": "nan"}}, "CCFRV is 'nan'"),
        ({"cards": {"CCFRV": True}}, "CCFRV is True"),
        # Before DRP version 2.7, and if one camera was used
        ({"cards": {"CCFRV": None}}, ""),
        ({"cards": {"CCFRV": None}, "rv_cards": {"CCD1RV": -3.5}}, ""),
        (
            {"cards": {"CCFRV": None}, "rv_cards": {"CCD1RV": 0.0, "CCD2RV": 0.0}},
            "no CCFRV, CCD1RV or CCD2RV",
        ),
        ({"cards": {"CCFRV": None}, "rv_cards": {}}, "no CCFRV, CCD1RV or CCD2RV"),
    ],
)
def test_why_an_l2_has_no_velocity(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    assert facts(write_l2(tmp_path / "l2.fits", **{"cards": {}, **changes})).velocity_problem == (
        problem
    )


def test_cameras_with_extensions(tmp_path: Path) -> None:
    assert facts(write_l2(tmp_path / "l2.fits", {}, cameras=["GREEN"])).cameras == ("GREEN",)
    assert facts(write_l2(tmp_path / "l2.fits", {}, cameras=[])).cameras == ()
    fits.PrimaryHDU().writeto(tmp_path / "no_extension.fits")
    assert facts(tmp_path / "no_extension.fits").cameras is None
    assert header_facts.parse_product_facts("").cameras is None


def test_a_table_that_is_an_image_is_a_problem_of_the_velocity(tmp_path: Path) -> None:
    path = write_l2(tmp_path / "l2.fits", {})
    with fits.open(path) as hdus:
        image = fits.ImageHDU(name="RV")
        fits.HDUList([hdus[0], image]).writeto(tmp_path / "image.fits")
    assert facts(tmp_path / "image.fits").velocity_problem.startswith("RV table can't be read")


def test_a_truncated_l2_is_an_error(tmp_path: Path) -> None:
    path = write_l2(tmp_path / "l2.fits", {})
    path.write_bytes(path.read_bytes()[: -2 * 2880])
    with pytest.raises(InvalidHeaderError):
        header_facts.read_l2(str(path))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
def test_a_velocity_is_a_number_that_is_not_0(value: float) -> None:
    assert header_facts.is_velocity(value) is (value != 0)


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf, None, "", "12.5", True, False, 0])
def test_what_is_no_velocity(value: Any) -> None:
    assert not header_facts.is_velocity(value)


@pytest.mark.parametrize(
    ("header", "names", "missing"),
    [
        ({"GREEN": "YES", "RED": "YES"}, ["GREEN_CCF", "RED_CCF"], ""),
        ({"GREEN": "YES", "RED": "YES"}, ["GREEN_CCF"], "no extensions of RED"),
        ({"GREEN": "YES", "RED": "NO"}, ["GREEN_CCF"], ""),
        ({"GREEN": "YES", "RED": "YES"}, [], "no extensions of GREEN and RED"),
        ({}, ["GREEN_CCF"], ""),
    ],
)
def test_a_product_lacks_a_camera(
    tmp_path: Path, header: dict[str, str], names: list[str], missing: str
) -> None:
    cameras = [name.removesuffix("_CCF") for name in names]
    path = write_l2(tmp_path / "l2.fits", header, cameras=cameras)
    assert header_facts.find_missing_cameras(path) == missing


@pytest.mark.real
def test_real_l1_files_lack_no_camera(real_l1: dict[str, Path]) -> None:
    assert real_l1
    for path in real_l1.values():
        assert header_facts.find_missing_cameras(path) == ""
