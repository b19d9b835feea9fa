"""A night is assessed by its files on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo.header_only_night import HeaderOnlyNight, NightFault
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import RuleResult
from tests.kpf.verdict.conftest import NIGHT

MakeNight = Callable[..., HeaderOnlyNight]


def result_of(night_verdict: NightVerdict, rule: str) -> RuleResult:
    return next(result for result in night_verdict.results if result.rule.name == rule)


def test_a_good_night_passes(make_night: MakeNight) -> None:
    make_night()
    night_verdict = assessment.assess_night(NIGHT)
    assert isinstance(night_verdict, Result)
    assert night_verdict.verdict is Verdict.PASS
    assert night_verdict.observations == sum(night_verdict.kinds.values()) == 68
    assert result_of(night_verdict, "read-noise-green").measurement.value == 4.0
    assert result_of(night_verdict, "drift").measurement.value == 20.0
    assert all(result.night == NIGHT for result in night_verdict.results)
    assert [result.rule.name for result in night_verdict.not_judged] == ["quicklook-checks"]


@pytest.mark.parametrize(
    ("fault", "rule", "verdict", "offenders"),
    [
        (NightFault.FEW_BIASES, "bias-frames", Verdict.FAIL, None),
        (NightFault.NOISY_READOUT, "read-noise-green", Verdict.WARN, ("bias", 12)),
        (NightFault.ONE_BAD_READOUT, "calibration-flags", Verdict.WARN, ("flat", 1)),
        (NightFault.NO_MASTER_BIAS, "master-bias", Verdict.FAIL, None),
        (NightFault.CUT_MASTER_FLAT, "master-flat", Verdict.FAIL, ("", 1)),
        (NightFault.WILD_WAVELENGTHS, "wavelength-scatter-green", Verdict.WARN, ("lfc", 6)),
        (NightFault.DRIFT, "drift", Verdict.FAIL, ("etalon", 1)),
        (NightFault.NOTHING_REDUCED, "stars-reduced", Verdict.FAIL, ("star", 10)),
        (NightFault.ONE_L2_MISSING, "stars-reduced", Verdict.WARN, ("star", 1)),
        (NightFault.FAINT_STARS, "star-signal", Verdict.WARN, ("star", 10)),
    ],
)
def test_a_fault_is_found_with_the_observations_responsible(
    make_night: MakeNight,
    fault: NightFault,
    rule: str,
    verdict: Verdict,
    offenders: tuple[str, int] | None,
) -> None:
    night = make_night(fault)
    night_verdict = assessment.assess_night(NIGHT)
    result = result_of(night_verdict, rule)
    assert result.verdict is verdict
    assert result in night_verdict.not_passed
    assert night_verdict.verdict is max(verdict, night_verdict.verdict, key=list(Verdict).index)
    names = [offender.name for offender in result.measurement.offenders]
    if offenders and offenders[0]:
        assert len(names) == offenders[1]
        assert set(names) <= set(night.obsids[offenders[0]])
    else:
        assert len(names) == (offenders[1] if offenders else 0)


def test_an_earlier_night_may_satisfy_a_rule(make_night: MakeNight) -> None:
    make_night(night="20240108")
    make_night(NightFault.FEW_BIASES, NightFault.NO_MASTER_BIAS)
    night_verdict = assessment.assess_night(NIGHT)
    assert (
        result_of(night_verdict, "bias-frames").night,
        result_of(night_verdict, "bias-frames").value,
    ) == (
        "20240108",
        "12",
    )
    assert night_verdict.verdict is Verdict.PASS


def test_a_night_out_of_the_window_does_not(make_night: MakeNight) -> None:
    make_night(night="20240107")
    make_night(NightFault.FEW_BIASES)
    result = result_of(assessment.assess_night(NIGHT), "bias-frames")
    assert (result.verdict, result.night, result.value) == (Verdict.FAIL, NIGHT, "1")


def test_junk_and_other_files_are_not_counted(make_night: MakeNight, isolated: Path) -> None:
    night = make_night()
    names = "\n".join(night.obsids["bias"][:6])
    (isolated / "data/reference").mkdir()
    (isolated / "data/reference/Junk_Observations_for_KPF.csv").write_text(f"a\nb\n{names}\n")
    (isolated / f"data/L0/{NIGHT}/notes.txt").write_text("x")
    night_verdict = assessment.assess_night(NIGHT)
    assert (night_verdict.junk, night_verdict.kinds["bias"]) == (6, 6)
    assert result_of(night_verdict, "bias-frames").verdict is Verdict.WARN


def test_an_unreadable_l0_is_reported_and_not_counted(make_night: MakeNight) -> None:
    night = make_night()
    for number in range(11):
        night.path("bias", "L0", number).write_bytes(b"")
    result = result_of(assessment.assess_night(NIGHT), "bias-frames")
    assert result.verdict is Verdict.FAIL
    assert [offender.why for offender in result.measurement.offenders] == ["L0 empty"] * 11


def test_new_files_are_seen_by_the_next_assessment(make_night: MakeNight) -> None:
    night = make_night()
    assessment.assess_night(NIGHT)
    night.rewrite("star", "L2", 0, CCFERV=5.0, TIMCHKL2=0)
    result = result_of(assessment.assess_night(NIGHT), "science-flags")
    assert [offender.name for offender in result.measurement.offenders] == night.obsids["star"][:1]


def test_a_value_that_is_not_a_number_fails(make_night: MakeNight) -> None:
    night = make_night()
    for number in range(10):
        night.rewrite("star", "L2", number, CCFERV="NaN")
    result = result_of(assessment.assess_night(NIGHT), "velocity-errors")
    assert len(result.measurement.offenders) == 10
    assert "CCFERV" in result.measurement.offenders[0].why


def test_a_night_without_files_is_skipped_and_not_judged(make_night: MakeNight) -> None:
    make_night(night="20230101")
    night_verdict = assessment.assess_night(NIGHT, accept="PASS")
    assert night_verdict.outcome is Outcome.SKIPPED
    reason = f"Night {NIGHT} has no L0 files (the only other night is 20230101)"
    assert night_verdict.reason == reason
    assert str(night_verdict).startswith(reason)
    assert set(night_verdict.levels.values()) == {Verdict.NOT_JUDGED}
    assert (night_verdict.observations, night_verdict.not_passed) == (0, [])


def test_the_outcome_depends_on_the_accepted_verdict(make_night: MakeNight) -> None:
    make_night(NightFault.FAINT_STARS)
    assert assessment.assess_night(NIGHT).outcome is Outcome.SUCCEEDED
    assert assessment.assess_night(NIGHT, accept="WARN").outcome is Outcome.SUCCEEDED
    assert assessment.assess_night(NIGHT, accept="PASS").outcome is Outcome.PARTIAL


def test_a_verdict_is_stored_once_and_damaged_ones_are_skipped(make_night: MakeNight) -> None:
    make_night()
    night_verdict = assessment.assess_night(NIGHT)
    assert assessment.save_verdict(night_verdict)
    assert not assessment.save_verdict(assessment.assess_night(NIGHT))
    site_settings = settings.load_settings()
    atomic.write_text(
        assessment.night_dir(site_settings, "20240111") / assessment.VERDICT_FILE, "{"
    )
    assert list(assessment.load_history(site_settings)) == [NIGHT]


@pytest.mark.parametrize("night", ["", "2024011", "20240231", "../../x"])
def test_an_invalid_night_is_refused(make_night: MakeNight, night: str) -> None:
    make_night()
    with pytest.raises(InvalidParameterError, match="night"):
        assessment.assess_night(night)


def test_a_missing_data_root_is_reported() -> None:
    with pytest.raises(InvalidInputError, match="no L0 directory"):
        assessment.assess_night(NIGHT)
