"""A night is judged by what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb import files, settings
from kpfnb.demo.headernight import Fault, HeaderNight
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessing
from kpfnb.kpf.verdict.finding import Finding
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.outcomes import Outcome
from kpfnb.result import Result
from tests.kpf.verdict.conftest import NIGHT

Plant = Callable[..., HeaderNight]


def found(judged: NightVerdict, rule: str) -> Finding:
    return next(one for one in judged.findings if one.rule.name == rule)


def test_a_good_night_passes(planted: Plant) -> None:
    planted()
    judged = assessing.assess(NIGHT)
    assert isinstance(judged, Result)
    assert judged.verdict is Verdict.PASS
    assert judged.observations == sum(judged.kinds.values()) == 52
    assert found(judged, "read-noise-green").found.value == 4.0
    assert found(judged, "drift").found.value == 20.0
    assert all(one.night == NIGHT for one in judged.findings)


@pytest.mark.parametrize(
    ("fault", "rule", "verdict", "blamed"),
    [
        (Fault.FEW_BIASES, "bias-frames", Verdict.FAIL, None),
        (Fault.NOISY_READOUT, "read-noise-green", Verdict.WARN, ("bias", 8)),
        (Fault.ONE_BAD_READOUT, "calibration-flags", Verdict.WARN, ("flat", 1)),
        (Fault.NO_MASTER_BIAS, "master-bias", Verdict.FAIL, None),
        (Fault.CUT_MASTER_FLAT, "master-flat", Verdict.FAIL, ("", 1)),
        (Fault.WILD_WAVELENGTHS, "wavelength-scatter-green", Verdict.FAIL, ("lfc", 6)),
        (Fault.DRIFT, "drift", Verdict.FAIL, ("etalon", 1)),
        (Fault.NOTHING_REDUCED, "stars-reduced", Verdict.FAIL, ("star", 10)),
        (Fault.ONE_L2_MISSING, "stars-reduced", Verdict.WARN, ("star", 1)),
        (Fault.FAINT_STARS, "star-signal", Verdict.WARN, ("star", 10)),
    ],
)
def test_a_planted_fault_is_found_and_blamed(
    planted: Plant, fault: Fault, rule: str, verdict: Verdict, blamed: tuple[str, int] | None
) -> None:
    night = planted(fault)
    judged = assessing.assess(NIGHT)
    one = found(judged, rule)
    assert one.verdict is verdict
    assert one in judged.bad
    assert judged.verdict is max(verdict, judged.verdict, key=list(Verdict).index)
    names = [who.name for who in one.found.blamed]
    if blamed and blamed[0]:
        assert len(names) == blamed[1]
        assert set(names) <= set(night.obsids[blamed[0]])
    else:
        assert len(names) == (blamed[1] if blamed else 0)


def test_an_earlier_night_may_satisfy_a_rule(planted: Plant) -> None:
    planted(night="20240108")
    planted(Fault.FEW_BIASES, Fault.NO_MASTER_BIAS)
    judged = assessing.assess(NIGHT)
    assert (found(judged, "bias-frames").night, found(judged, "bias-frames").value) == (
        "20240108",
        "8",
    )
    assert judged.verdict is Verdict.PASS


def test_a_night_out_of_the_window_does_not(planted: Plant) -> None:
    planted(night="20240107")
    planted(Fault.FEW_BIASES)
    one = found(assessing.assess(NIGHT), "bias-frames")
    assert (one.verdict, one.night, one.value) == (Verdict.FAIL, NIGHT, "1")


def test_junk_and_what_is_no_observation_count_for_nothing(planted: Plant, isolated: Path) -> None:
    night = planted()
    names = "\n".join(night.obsids["bias"][:6])
    (isolated / "data/reference").mkdir()
    (isolated / "data/reference/Junk_Observations_for_KPF.csv").write_text(f"a\nb\n{names}\n")
    (isolated / f"data/L0/{NIGHT}/notes.txt").write_text("x")
    judged = assessing.assess(NIGHT)
    assert (judged.junk, judged.kinds["bias"]) == (6, 2)
    assert found(judged, "bias-frames").verdict is Verdict.WARN


def test_a_broken_l0_is_blamed_and_not_counted(planted: Plant) -> None:
    night = planted()
    for number in range(7):
        night.path("bias", "L0", number).write_bytes(b"")
    one = found(assessing.assess(NIGHT), "bias-frames")
    assert one.verdict is Verdict.FAIL
    assert [who.why for who in one.found.blamed] == ["L0 empty"] * 7


def test_what_is_new_is_seen_at_the_next_look(planted: Plant) -> None:
    night = planted()
    assessing.assess(NIGHT)
    night.rewrite("star", "L2", 0, CCFERV=5.0, TIMCHKL2=0)
    one = found(assessing.assess(NIGHT), "science-flags")
    assert [who.name for who in one.found.blamed] == night.obsids["star"][:1]


def test_a_value_that_is_not_a_number_fails(planted: Plant) -> None:
    night = planted()
    for number in range(10):
        night.rewrite("star", "L2", number, CCFERV="NaN")
    one = found(assessing.assess(NIGHT), "velocity-errors")
    assert len(one.found.blamed) == 10
    assert "CCFERV" in one.found.blamed[0].why


def test_a_night_without_observations_fails(planted: Plant) -> None:
    planted(night="20230101")
    judged = assessing.assess(NIGHT)
    assert judged.verdict is Verdict.FAIL
    assert judged.levels["science"] is Verdict.PASS  # type: ignore[index]
    assert judged.observations == 0


def test_the_outcome_is_what_was_to_be_accepted(planted: Plant) -> None:
    planted(Fault.FAINT_STARS)
    assert assessing.assess(NIGHT).outcome is Outcome.SUCCEEDED
    assert assessing.assess(NIGHT, accept="WARN").outcome is Outcome.SUCCEEDED
    assert assessing.assess(NIGHT, accept="PASS").outcome is Outcome.PARTIAL


def test_a_verdict_is_kept_once_and_damage_is_passed_over(planted: Plant) -> None:
    planted()
    judged = assessing.assess(NIGHT)
    assert assessing.keep(judged)
    assert not assessing.keep(assessing.assess(NIGHT))
    here = settings.load()
    files.write_text(assessing.folder(here, "20240111") / assessing.FILE_NAME, "{")
    assert list(assessing.history(here)) == [NIGHT]


@pytest.mark.parametrize("night", ["", "2024011", "20240231", "../../x"])
def test_what_is_no_night_is_refused(planted: Plant, night: str) -> None:
    planted()
    with pytest.raises(BadParameter, match="night"):
        assessing.assess(night)


def test_without_a_tree_it_says_so() -> None:
    with pytest.raises(BadInput, match="no L0 directory"):
        assessing.assess(NIGHT)
