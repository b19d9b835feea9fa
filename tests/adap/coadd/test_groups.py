from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.adap.coadd import groups
from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.stacks import parse_detector_numbers

ONE = ReducedExposure(
    night="2015-10-16",
    file="a.fits",
    kind="science",
    target="A",
    spectrograph="keck_deimos",
    configuration=(("dispname", "1200G"),),
    mjd=57000.0,
    snr=5.0,
    spec1d=Path("spec1d_a.fits"),
    spec2d=Path("spec2d_a.fits"),
    slits={"MSC01": (40, 120), "MSC02": (80,)},
)
TWO = replace(
    ONE, file="b.fits", spec2d=Path("spec2d_b.fits"), slits={"MSC01": (43, 118), "MSC02": (85,)}
)


def test_a_slit_that_is_bad_in_any_exposure_is_left_out_by_its_place_in_the_first() -> None:
    (stack,) = groups.make_stacks([ONE, TWO], {"spec2d_b.fits": frozenset({"MSC01:43"})}, 20)
    assert (stack.excluded, stack.detectors) == (("MSC01:40",), ("MSC01", "MSC02"))
    (stack,) = groups.make_stacks([ONE, TWO], {"spec2d_b.fits": frozenset({"MSC01:43"})}, 2)
    assert stack.excluded == ()


def test_a_detector_without_a_good_slit_is_skipped() -> None:
    flagged = replace(TWO, flagged=frozenset({"MSC02:85"}))
    (stack,) = groups.make_stacks([ONE, flagged], {}, 20)
    assert (stack.detectors, stack.skipped) == (("MSC01",), ("MSC02",))


def test_exposures_that_can_not_be_stacked_are_not() -> None:
    other = replace(TWO, slits={"MSC03": (10,)})
    third = replace(TWO, target="B")
    stacks = groups.make_stacks([ONE, other, third], {}, 20)
    assert [stack.name for stack in stacks] == ["A_1", "A_2", "B"]


def test_standards_are_coadded_only_where_there_is_no_science() -> None:
    star = replace(ONE, kind="standard")
    assert groups.select_exposures([star, TWO]) == [TWO]
    assert groups.select_exposures([star]) == [star]


@pytest.mark.parametrize(
    ("target", "name"),
    [("Feige 66", "Feige66"), ("BD+33 2642", "BD+332642"), ("a/b", "a_b"), ("..", "unnamed")],
)
def test_plain_names(target: str, name: str) -> None:
    assert groups.safe_name(target) == name


@given(st.text())
def test_a_name_is_always_one_of_a_file(target: str) -> None:
    name = groups.safe_name(target)
    assert name and "/" not in name and name[0] not in ".-" and name.isascii()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ('"2,6", "3,7"', ["2,6", "3,7"]),
        ("(1, 5), (2, 6)", ["1,5", "2,6"]),
        ("5, 6", ["5", "6"]),
        ("1,", ["1"]),
        ("", []),
    ],
)
def test_detectors_as_people_write_them(text: str, numbers: list[str]) -> None:
    assert parse_detector_numbers(text) == numbers
