"""What an exposure is, by its header.

Sources: the headers of three real L1 files; the pipeline's kpf_parse.py and radial-velocity module
(v2.12).
"""

from __future__ import annotations

from typing import Any

import pytest

from kpfnb.kpf.files import exposure

RAW_NAMES = ["", "GREEN_AMP1", "GREEN_AMP2", "CA_HK", "EXPMETER_SCI", "TELEMETRY"]
L1_NAMES = ["GREEN_SCI_FLUX1", "RED_SCI_FLUX1", "CA_HK_SCI", "BARY_CORR"]


@pytest.mark.parametrize(
    ("imtype", "cards", "source"),
    [
        ("Flatlamp", {"OBJECT": "autocal-flat-all"}, "Flat"),
        ("Flat", {"OBJECT": "autocal-flat-all"}, "Flat"),
        ("Flatlamp", {"FFFB": "yes"}, "Wide Flat"),
        ("Arclamp", {"OCTAGON": "LFCFiber"}, "LFC"),
        ("Arclamp", {"OCTAGON": "EtalonFiber"}, "Etalon"),
        ("Arclamp", {"OCTAGON": "Th_gold"}, "ThAr"),
        ("Arclamp", {"OCTAGON": "U_gold"}, "UNe"),
        ("Object", {"SCI-OBJ": "Target", "OBJECT": "10700"}, "Star"),
        ("Object", {"SCI-OBJ": "Target", "TARGNAME": "Sun"}, "Sun"),
        ("Object", {"SCI-OBJ": "Sky"}, "Sky"),
        ("Object", {"SCI-OBJ": "None"}, "Other"),
        ("Bias", {}, "Bias"),
        ("", {}, ""),
    ],
)
def test_the_source(imtype: str, cards: dict[str, Any], source: str) -> None:
    header = {"IMTYPE": imtype, "KPFERA": 1.0, "THRSBIN": "All", **cards}
    assert exposure.source_type(header) == source


@pytest.mark.parametrize("used", ["YES", "YES     ", "yes", True, 1])
def test_a_camera_is_used(used: Any) -> None:
    assert exposure.used_cameras({"GREEN": used, "RED": "NO", "CA_HK": False}) == ("GREEN",)


@pytest.mark.parametrize("unused", ["NO", "No ", False, 0, "F"])
def test_a_camera_is_not_used(unused: Any) -> None:
    header = {"GREEN": unused, "RED": "YES", "CA_HK": "NO"}
    assert exposure.used_cameras(header, RAW_NAMES) == ("RED",)


def test_without_keywords_the_extensions_tell_the_cameras() -> None:
    assert exposure.used_cameras({"IMTYPE": "Object"}, RAW_NAMES) == ("GREEN", "CA_HK")
    assert exposure.used_cameras({"IMTYPE": "Object"}, L1_NAMES) == ("GREEN", "RED", "CA_HK")
    assert exposure.used_cameras({}) == ()
    # The header rules where it says something
    assert exposure.used_cameras({"GREEN": "NO", "RED": "NO", "CA_HK": "NO"}, RAW_NAMES) == ()


@pytest.mark.parametrize("header", [{}, {"GREEN": None}, {"GREEN": "  "}])
def test_a_camera_without_a_value_is_told_by_its_extensions(header: dict[str, Any]) -> None:
    others = {"RED": "NO", "CA_HK": "NO"}
    assert exposure.used_cameras(header | others, RAW_NAMES) == ("GREEN",)
    assert exposure.used_cameras(header | others, ["RED_AMP1"]) == ()


def test_the_exposure_meter_and_the_guide_camera_too() -> None:
    assert exposure.is_camera_used({}, "EXPMETER", RAW_NAMES)
    assert not exposure.is_camera_used({}, "GUIDE", RAW_NAMES)
    assert exposure.is_camera_used({}, "GUIDE", ["GUIDER_AVG"])
    assert not exposure.is_camera_used({"GUIDE": "NO"}, "GUIDE", ["GUIDER_AVG"])


def test_a_used_camera_without_extensions_is_missing() -> None:
    header = {"GREEN": "YES", "RED": "YES", "CA_HK": "YES"}
    assert exposure.missing_cameras(header, L1_NAMES) == ()
    assert exposure.missing_cameras(header, ["GREEN_CCF", "GREEN_CCF_RW", "RV"]) == ("RED",)
    assert exposure.missing_cameras(header | {"RED": "NO"}, ["GREEN_CCF", "RV"]) == ()
    assert exposure.missing_cameras(header, ["RV", "REDUCED"]) == ("GREEN", "RED")


@pytest.mark.parametrize(
    ("imtype", "science", "expected"),
    [
        ("Object", "Target", True),
        ("Object", "SoCal-SciSky", True),
        ("Object", "Sky", False),
        ("Object", "None", False),
        ("Object", "", False),
        ("Arclamp", "LFCFiber", False),
        ("Arclamp", "EtalonFiber", False),
        ("Arclamp", "Th_gold", False),
        ("Arclamp", "U_gold", False),
        ("Flatlamp", "BrdbandFiber", False),
        ("Bias", "Target", False),
    ],
)
def test_a_velocity_is_expected_of_starlight(imtype: str, science: str, expected: bool) -> None:
    assert exposure.expects_velocity({"IMTYPE": imtype, "SCI-OBJ": science}) is expected
