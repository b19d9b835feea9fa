"""The KPF pipeline's own code judges a full-size simulated night: quality control, quick look."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kpfnb.core.fits.headers import read_header
from kpfnb.demo.faults import L0Fault
from kpfnb.kpf.files.obsid import ObsID
from tests.oracles.nights import FullNight, make_full_night

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(3600)]

COUNTS = {"bias": 1, "dark": 1, "flat": 1, "lfc": 2, "etalon": 1, "thar": 1, "star": 1, "sun": 1}
VERSION = "2.12.1"

NO_REFERENCE = {
    ("L1", "WILDWSCI"): "the reference wavelengths (rough_wls_thar) are not public",
    ("L1", "WILDWSKY"): "the reference wavelengths (rough_wls_thar) are not public",
    ("L1", "WILDWCAL"): "the reference wavelengths (rough_wls_thar) are not public",
    ("2D", "FLXSTATS"): "the order mask (in /data/reference_fits) is not public",
    ("L0", "CLEARSKY"): "the irradiances of SoCal (in /data/pyr) are not public",
}
"""Flags that the pipeline's code can't set to 1 without data that can't be had."""

DEFECTS = {
    "AGITOK": "each check runs twice; the second time that of the agitator raises an exception",
    "GRCCDT10": "of biases and darks: needs an index that only the agitator's check makes",
    "GRCCDT1": "of biases and darks: the same",
    "RDCCDT10": "of biases and darks: the same",
    "RDCCDT1": "of biases and darks: the same",
}
"""Flags of an L0 that are 0 for good exposures too, by defects of v2.12."""

UNBRACKETED = {"bias", "flat", "thar", "lfc", "dark", "sun"}
"""WLSL1 needs the laser combs of the evening before, or of the day after, which one night does not
have."""

DARK_KINDS = {"bias", "dark"}
NO_FLAG = "KPFERA"
"""The pipeline writes it like a flag, but it is the era of the instrument."""


@pytest.fixture(scope="module")
def night(oracle_pipeline, tmp_path_factory) -> Iterator[FullNight]:
    root = tmp_path_factory.mktemp("night")
    yield make_full_night(root, COUNTS, faults=tuple(L0Fault), version=VERSION)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def judged(oracle_pipeline, night) -> Mapping[str, Mapping[str, Any]]:
    """By path: level and flags."""
    options = ["--junk", night.junk_list, "--masters", night.root / "masters"]
    results = oracle_pipeline.run("pipeline_qc.py", *options, *night.files())
    errors = {path: result["error"] for path, result in results.items() if "error" in result}
    assert not errors
    return results


def is_judgeable(level: str, keyword: str, kind: str) -> bool:
    """False for a flag that the pipeline's code sets to 0 in any case."""
    if level == "L0" and keyword in DEFECTS:
        return keyword != "AGITOK" and kind not in DARK_KINDS
    if keyword == "WLSL1":
        return kind not in UNBRACKETED
    return (level, keyword) not in NO_REFERENCE and keyword != NO_FLAG


def test_every_flag_of_a_good_exposure_is_1(night, judged):
    bad = {}
    for path, result in judged.items():
        level, kind = result["level"], night.kind(path)
        for keyword, values in result["flags"].items():
            is_bad = values["computed"] == 0 and is_judgeable(level, keyword, kind)
            if kind in COUNTS and is_bad:
                bad.setdefault((level, keyword), []).append(kind)
    assert bad == {}


def test_the_simulated_cards_say_what_the_pipeline_finds(night, judged):
    """0, 1 or absent, as the pipeline would write it; an L0 gets its cards in the 2D."""
    different = {}
    for path, result in judged.items():
        level, kind = result["level"], night.kind(path)
        claims = {name: values["claimed"] for name, values in result["flags"].items()}
        if level == "L0":
            claims = read_header(ObsID.parse(path).path(night.root, "2D"), list(claims))
        for keyword, values in result["flags"].items():
            claimed, computed = claims.get(keyword), values["computed"]
            if claimed != computed and (level, keyword) not in NO_REFERENCE:
                different.setdefault((level, keyword, claimed, computed), []).append(kind)
    assert different == {}


@pytest.mark.parametrize("fault", list(L0Fault))
def test_the_flag_of_a_planted_fault_is_0(night, judged, fault):
    (path,) = (path for path in night.files("L0") if night.kind(path) == fault)
    flags = judged[str(path)]["flags"]
    assert flags[fault.flag]["computed"] == 0


def test_the_junk_exposure_is_junk_at_all_levels(night, judged):
    junk = {
        result["level"]: result["flags"]["NOTJUNK"]["computed"]
        for path, result in judged.items()
        if night.kind(path) == "junk"
    }
    assert junk == {"L0": 0, "2D": 0, "L1": 0, "L2": 0}


@pytest.mark.parametrize("kind", ["star", "sun", "lfc", "bias"])
def test_its_quick_look_draws_every_level(oracle_pipeline, night, kind, tmp_path):
    obsid = next(obsid for obsid, its_kind in night.kinds.items() if its_kind == kind)
    files = [path for path in night.files() if ObsID.parse(path).text == obsid]
    results = oracle_pipeline.run("pipeline_quicklook.py", tmp_path, *files)
    failures = {
        (result["level"], failure.strip().splitlines()[-1])
        for result in results.values()
        for failure in result.get("failures", [result.get("error", "")])
        if not is_about_reference(failure)
    }
    assert failures == set()
    assert all(result["pictures"] for result in results.values())


def is_about_reference(failure: str) -> bool:
    """True if a file below /data is missing: reference files, and masters of the night."""
    is_missing = "does not exist" in failure or "No such file" in failure
    return is_missing and "/data/" in failure
