"""A night is judged by what is on disk."""

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

Plant = Callable[..., HeaderOnlyNight]


def found(judged: NightVerdict, rule: str) -> RuleResult:
    return next(one for one in judged.results if one.rule.name == rule)


def test_a_good_night_passes(planted: Plant) -> None:
    planted()
    judged = assessment.assess_night(NIGHT)
    assert isinstance(judged, Result)
    assert judged.verdict is Verdict.PASS
    assert judged.observations == sum(judged.kinds.values()) == 52
    assert found(judged, "read-noise-green").measurement.value == 4.0
    assert found(judged, "drift").measurement.value == 20.0
    assert all(one.night == NIGHT for one in judged.results)


@pytest.mark.parametrize(
    ("fault", "rule", "verdict", "blamed"),
    [
        (NightFault.FEW_BIASES, "bias-frames", Verdict.FAIL, None),
        (NightFault.NOISY_READOUT, "read-noise-green", Verdict.WARN, ("bias", 8)),
        (NightFault.ONE_BAD_READOUT, "calibration-flags", Verdict.WARN, ("flat", 1)),
        (NightFault.NO_MASTER_BIAS, "master-bias", Verdict.FAIL, None),
        (NightFault.CUT_MASTER_FLAT, "master-flat", Verdict.FAIL, ("", 1)),
        (NightFault.WILD_WAVELENGTHS, "wavelength-scatter-green", Verdict.FAIL, ("lfc", 6)),
        (NightFault.DRIFT, "drift", Verdict.FAIL, ("etalon", 1)),
        (NightFault.NOTHING_REDUCED, "stars-reduced", Verdict.FAIL, ("star", 10)),
        (NightFault.ONE_L2_MISSING, "stars-reduced", Verdict.WARN, ("star", 1)),
        (NightFault.FAINT_STARS, "star-signal", Verdict.WARN, ("star", 10)),
    ],
)
def test_a_planted_fault_is_found_and_blamed(
    planted: Plant, fault: NightFault, rule: str, verdict: Verdict, blamed: tuple[str, int] | None
) -> None:
    night = planted(fault)
    judged = assessment.assess_night(NIGHT)
    one = found(judged, rule)
    assert one.verdict is verdict
    assert one in judged.not_passed
    assert judged.verdict is max(verdict, judged.verdict, key=list(Verdict).index)
    names = [who.name for who in one.measurement.offenders]
    if blamed and blamed[0]:
        assert len(names) == blamed[1]
        assert set(names) <= set(night.obsids[blamed[0]])
    else:
        assert len(names) == (blamed[1] if blamed else 0)


def test_an_earlier_night_may_satisfy_a_rule(planted: Plant) -> None:
    planted(night="20240108")
    planted(NightFault.FEW_BIASES, NightFault.NO_MASTER_BIAS)
    judged = assessment.assess_night(NIGHT)
    assert (found(judged, "bias-frames").night, found(judged, "bias-frames").value) == (
        "20240108",
        "8",
    )
    assert judged.verdict is Verdict.PASS


def test_a_night_out_of_the_window_does_not(planted: Plant) -> None:
    planted(night="20240107")
    planted(NightFault.FEW_BIASES)
    one = found(assessment.assess_night(NIGHT), "bias-frames")
    assert (one.verdict, one.night, one.value) == (Verdict.FAIL, NIGHT, "1")


def test_junk_and_what_is_no_observation_count_for_nothing(planted: Plant, isolated: Path) -> None:
    night = planted()
    names = "\n".join(night.obsids["bias"][:6])
    (isolated / "data/reference").mkdir()
    (isolated / "data/reference/Junk_Observations_for_KPF.csv").write_text(f"a\nb\n{names}\n")
    (isolated / f"data/L0/{NIGHT}/notes.txt").write_text("x")
    judged = assessment.assess_night(NIGHT)
    assert (judged.junk, judged.kinds["bias"]) == (6, 2)
    assert found(judged, "bias-frames").verdict is Verdict.WARN


def test_a_broken_l0_is_blamed_and_not_counted(planted: Plant) -> None:
    night = planted()
    for number in range(7):
        night.path("bias", "L0", number).write_bytes(b"")
    one = found(assessment.assess_night(NIGHT), "bias-frames")
    assert one.verdict is Verdict.FAIL
    assert [who.why for who in one.measurement.offenders] == ["L0 empty"] * 7


def test_what_is_new_is_seen_at_the_next_look(planted: Plant) -> None:
    night = planted()
    assessment.assess_night(NIGHT)
    night.rewrite("star", "L2", 0, CCFERV=5.0, TIMCHKL2=0)
    one = found(assessment.assess_night(NIGHT), "science-flags")
    assert [who.name for who in one.measurement.offenders] == night.obsids["star"][:1]


def test_a_value_that_is_not_a_number_fails(planted: Plant) -> None:
    night = planted()
    for number in range(10):
        night.rewrite("star", "L2", number, CCFERV="NaN")
    one = found(assessment.assess_night(NIGHT), "velocity-errors")
    assert len(one.measurement.offenders) == 10
    assert "CCFERV" in one.measurement.offenders[0].why


def test_a_night_without_observations_fails(planted: Plant) -> None:
    planted(night="20230101")
    judged = assessment.assess_night(NIGHT)
    assert judged.verdict is Verdict.FAIL
    assert judged.levels["science"] is Verdict.PASS  # type: ignore[index]
    assert judged.observations == 0


def test_the_outcome_is_what_was_to_be_accepted(planted: Plant) -> None:
    planted(NightFault.FAINT_STARS)
    assert assessment.assess_night(NIGHT).outcome is Outcome.SUCCEEDED
    assert assessment.assess_night(NIGHT, accept="WARN").outcome is Outcome.SUCCEEDED
    assert assessment.assess_night(NIGHT, accept="PASS").outcome is Outcome.PARTIAL


def test_a_verdict_is_kept_once_and_damage_is_passed_over(planted: Plant) -> None:
    planted()
    judged = assessment.assess_night(NIGHT)
    assert assessment.save_verdict(judged)
    assert not assessment.save_verdict(assessment.assess_night(NIGHT))
    here = settings.load_settings()
    atomic.write_text(assessment.night_dir(here, "20240111") / assessment.VERDICT_FILE, "{")
    assert list(assessment.load_history(here)) == [NIGHT]


@pytest.mark.parametrize("night", ["", "2024011", "20240231", "../../x"])
def test_what_is_no_night_is_refused(planted: Plant, night: str) -> None:
    planted()
    with pytest.raises(InvalidParameterError, match="night"):
        assessment.assess_night(night)


def test_without_a_tree_it_says_so() -> None:
    with pytest.raises(InvalidInputError, match="no L0 directory"):
        assessment.assess_night(NIGHT)
