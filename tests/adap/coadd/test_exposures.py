from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.coadd import exposures
from kpfnb.core.errors import InvalidInputError
from kpfnb.demo import coadd_inputs
from kpfnb.demo.coadd_inputs import SimulatedReducedFrame

FRAMES = (
    SimulatedReducedFrame("a.fits", flags={"DET01:40": "BADWVCALIB", "DET01:120": "SKIPFLATCALIB"}),
    SimulatedReducedFrame("b.fits", "Feige 66", "standard", "2015-10-16T05:00:00.000"),
)


def make(folder: Path, name: str = "reduce", **slits: tuple[int, ...]) -> Path:
    frames = (
        [SimulatedReducedFrame(frame.file, frame.target, slits=slits) for frame in FRAMES]
        if slits
        else FRAMES
    )
    coadd_inputs.write_setup(folder / "complete" / name, frames)
    return folder


def test_frames_of_a_night_in_the_order_of_time(tmp_path: Path) -> None:
    result = exposures.find_exposures(make(tmp_path / "m/c/2015-10-16"))
    standard, science = result.exposures
    assert (standard.name, standard.kind, standard.target) == (
        *("2015-10-16/b.fits", "standard"),
        "Feige 66",
    )
    assert (science.slits, science.detectors) == ({"DET01": (40, 120)}, ("DET01",))
    assert science.flagged == {"DET01:40"}
    assert science.spec1d.is_file() and science.spec2d.is_file()
    assert dict(science.configuration)["dispname"] == "1200G"


def test_detectors_that_were_reduced_apart_and_those_twice(tmp_path: Path) -> None:
    night = make(tmp_path / "m/c/2015-10-16", DET01=(40,))
    make(night, "reduce-det2", DET02=(50,))
    make(night, "reduce-twice", DET01=(40,))
    make(night, "reduce.failed", DET03=(40,))
    make(night, "reduce_old", DET04=(40,))
    result = exposures.find_exposures(night.parent)
    assert {exposure.detectors for exposure in result.exposures} == {("DET01",), ("DET02",)}
    assert [reason for _, reason in result.left_out] == [
        "reduce-twice: already taken from reduce"
    ] * 2


def test_what_can_not_be_used_is_named(tmp_path: Path) -> None:
    night = make(tmp_path / "2015-10-16")
    path = next(night.rglob("spec2d_a*"))
    path.write_bytes(path.read_bytes()[:9000])
    result = exposures.find_exposures(night)
    assert [exposure.file for exposure in result.exposures] == ["b.fits"]
    ((name, reason),) = result.left_out
    assert name == "2015-10-16/a.fits"
    assert reason.startswith("not reduced: spec2d is truncated")


def test_a_reduction_alone(tmp_path: Path) -> None:
    folder = make(tmp_path / "night") / "complete/reduce"
    assert [
        find_exposure.night for find_exposure in exposures.find_exposures(folder).exposures
    ] == ["", ""]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is not a folder"):
        exposures.find_exposures(tmp_path / "nope")
    with pytest.raises(InvalidInputError, match="no reduction below"):
        exposures.find_exposures(tmp_path)


def test_bad_slits_are_read_or_scored(tmp_path: Path) -> None:
    night = make(tmp_path / "m/c/2015-10-16")
    folder = night / "complete/reduce"
    (name,) = (path.name for path in night.rglob("spec2d_a*"))
    assert exposures.read_bad_slits([folder]) == {name: frozenset({"DET01:40"})}
    (folder / "bad_slits.csv").write_text(f"slit_id,spec2d\nDET01:7,{name}\n")
    assert exposures.read_bad_slits([folder]) == {name: frozenset({"DET01:7"})}
    (science,) = (
        find_exposure
        for find_exposure in exposures.find_exposures(night).exposures
        if find_exposure.file == "a.fits"
    )
    assert exposures.bad_slits_for(science, exposures.read_bad_slits([folder])) == {
        "DET01:7",
        "DET01:40",
    }
