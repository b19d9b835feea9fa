from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kpfnb.adap.prepare import frames
from kpfnb.adap.profiles import spectrograph
from kpfnb.adap.profiles.spectrograph import HeaderSource
from kpfnb.demo import deimos_frames

MOMENT = datetime(2015, 10, 16, 2, 36, tzinfo=UTC)
DEIMOS = spectrograph.load_profile("keck_deimos")


def frame(kind="science", **changes):
    return frames.interpret_header(
        Path("a.fits"), deimos_frames.make_header(kind, MOMENT, **changes), DEIMOS
    )


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("science", ("science",)),
        ("bias", ("bias",)),
        ("flat", ("pixelflat", "illumflat", "trace")),
        ("arc", ("arc", "tilt")),
        ("focus", ()),
    ],
)
def test_types_of_deimos_frames(kind, types):
    assert frame(kind).types == types


def test_values_of_a_deimos_frame():
    result = frame("arc")
    assert result.lamps == ("Ar", "Kr", "Ne", "Xe")
    assert result.night == date(2015, 10, 16)
    assert result.mjd == pytest.approx(57311 + (2 * 60 + 36) / 1440)
    assert result.values["dec"] == 45.0
    assert result.values["dispangle"] == 8799.987
    assert frame(GRATEPOS=4).values["dispangle"] == 6500.12
    assert frame(**{"MJD-OBS": 57000.5}).mjd == 57000.5
    assert not result.defect and not result.missing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLMSKNAM": None}, r"no decker \(SLMSKNAM\)"),
        ({"SLMSKNAM": "  "}, r"no decker"),
        ({"GRATEPOS": 2}, "no dispangle"),
        ({"DATE-OBS": "tomorrow"}, "no mjd"),
        ({"ELAPTIME": None}, "no exptime"),
        ({"ELAPTIME": -1.0}, "exposure time is not plausible"),
        ({"MJD-OBS": 0.0}, "time is not plausible"),
    ],
)
def test_a_frame_without_name_time_or_exposure_has_a_defect(changes, message):
    import re

    assert re.search(message, frame(**changes).defect)


def test_other_missing_values_are_named():
    result = frame(RA=None, TARGNAME=None, AIRMASS="n/a")
    assert not result.defect
    assert result.missing == ("ra (RA)", "target (TARGNAME)", "airmass (AIRMASS)")


def test_a_frame_without_lamp_keywords_has_no_type():
    assert frame("arc", LAMPS=None).types == ()


def test_a_header_that_cannot_be_read_is_reported(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"SIMPLE  =")
    assert frames.read_exposure(path, DEIMOS).defect.startswith("truncated")
    assert frames.read_exposure(tmp_path / "gone.fits", DEIMOS).defect == "missing"


@pytest.mark.parametrize(
    ("value", "kind", "degrees"),
    [
        (" 37:25:56.0", "degrees", 37.43222),
        ("-00:30:00", "degrees", -0.5),
        ("09:21:46.0", "hours", 140.44167),
        (57.5, "degrees", 57.5),
        ("1:2", "degrees", None),
        ("1:2:3", "number", None),
        (True, "number", None),
        ("nan", "number", None),
    ],
)
def test_angles_and_numbers(value, kind, degrees):
    result = frames.header_value(
        {"A": value}, HeaderSource.model_validate({"keyword": "A", "is": kind})
    )
    assert result == (None if degrees is None else pytest.approx(degrees, abs=1e-5))


def test_types_of_the_real_kast_frames(kast_frames):
    kast = spectrograph.load_profile("shane_kast_blue")
    result = {path.name: frames.read_exposure(path, kast) for path in kast_frames.glob("*.fits.gz")}
    assert {name.split(".")[0]: item.types[0] for name, item in result.items()} == {
        "b1": "arc",
        **dict.fromkeys(("b11", "b12", "b13"), "pixelflat"),
        **dict.fromkeys(("b21", "b22", "b23"), "bias"),
        "b24": "standard",
        "b27": "science",
    }
    assert result["b1.fits.gz"].lamps == ("He", "Hg-Cd")
    assert not any(item.defect or item.missing for item in result.values())
