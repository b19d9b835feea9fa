"""The verdict of the nights of real KPF files: three L1 of flats, without their L0."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.kpf.verdict.rules import VerdictLevel
from tests.real_files import REAL_AUGUST, REAL_FEBRUARY, REAL_JUNE, link_real_files

pytestmark = pytest.mark.real

SIGNALS = {REAL_JUNE: 146.7, REAL_AUGUST: 110.8, REAL_FEBRUARY: 108.0}
"""SNRSC548 in the headers."""


@pytest.fixture
def real_nights(isolated: Path) -> dict[str, NightVerdict]:
    """ObsID to the verdict of its night."""
    obsids = link_real_files(settings.load_settings().kpf_root)
    return {obsid: assessment.assess_night(obsid[3:11]) for obsid in obsids}


def result_of(night_verdict: NightVerdict, rule: str) -> RuleResult:
    return next(result for result in night_verdict.results if result.rule.name == rule)


def test_a_real_flat_has_enough_signal(real_nights: dict[str, NightVerdict]) -> None:
    for obsid, night_verdict in real_nights.items():
        result = result_of(night_verdict, "flat-signal")
        assert (result.verdict, result.measurement.value) == (Verdict.PASS, SIGNALS[obsid])


def test_what_these_files_do_not_have_is_not_judged(real_nights: dict[str, NightVerdict]) -> None:
    for obsid, night_verdict in real_nights.items():
        not_judged = {result.rule.name for result in night_verdict.not_judged}
        assert not_judged > {"ccd-temperature-green", "read-noise-green", "drift", "star-signal"}
        # One of them has MONOTWLS = 0: the wavelengths of a flat are not used
        assert "wavelength-flags" in not_judged
        assert night_verdict.levels[VerdictLevel.SCIENCE] is Verdict.NOT_JUDGED
        # DRP version 2.8 did not write FLATSNR; DATAPRL1 is 1
        assert result_of(night_verdict, "flat-flags").verdict is Verdict.PASS
        # There is no L0 of any calibration
        assert result_of(night_verdict, "flat-frames").verdict is Verdict.FAIL
        [note] = [note for note in night_verdict.notes if obsid in note]
        assert note.startswith("1 observation with products and without an L0")
