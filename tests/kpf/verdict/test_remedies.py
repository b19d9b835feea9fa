"""What to do about a rule leads to a notebook filled in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kpfnb.demo.header_only_night import HeaderOnlyNight, NightFault
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.verdict.remedies import rule_action, rule_advice
from kpfnb.kpf.verdict.rule_results import RuleResult
from tests.kpf.verdict.conftest import NIGHT

MakeNight = Callable[..., HeaderOnlyNight]


def result_of(rule: str) -> RuleResult:
    results = assessment.assess_night(NIGHT).results
    return next(result for result in results if result.rule.name == rule)


@pytest.mark.parametrize(
    ("fault", "rule", "label", "parameters"),
    [
        (NightFault.ONE_L2_MISSING, "stars-reduced", "Reprocess this one", ["KP"]),
        (NightFault.NOTHING_REDUCED, "stars-reduced", "Reprocess these 10", ["KP"] * 10),
        (NightFault.NO_MASTER_BIAS, "master-bias", "Make the masters", [NIGHT]),
    ],
)
def test_processing_helps(
    make_night: MakeNight, fault: NightFault, rule: str, label: str, parameters: list[str]
) -> None:
    make_night(fault)
    action = rule_action(result_of(rule))
    assert action
    assert (action.notebook, action.label) == ("reprocess", label)
    targets = action.parameters["targets"]
    assert [target[: len(start)] for target, start in zip(targets, parameters, strict=True)] == (
        parameters
    )


def test_a_rule_that_passes_or_can_not_be_helped_has_no_action(make_night: MakeNight) -> None:
    make_night(NightFault.FEW_BIASES)
    assert rule_action(result_of("stars-reduced")) is None
    few = result_of("bias-frames")
    assert rule_action(few) is None
    assert rule_advice(few).startswith("Only more exposures help")


def test_checks_without_quicklook_lead_to_quicklook(make_night: MakeNight) -> None:
    make_night()
    action = rule_action(result_of("quicklook-checks"))
    assert action
    assert (action.notebook, action.parameters) == ("quicklook", {"start": NIGHT})


def test_the_page_lists_all_observations_below_their_rule_and_passes_last(
    make_night: MakeNight,
) -> None:
    night = make_night(NightFault.NOTHING_REDUCED)
    night_verdict = assessment.assess_night(NIGHT)
    text = pages.write_verdict_page(night_verdict).read_text()
    assert "<summary>10 observations responsible</summary>" in text
    assert all(obsid in text for obsid in night.obsids["star"])
    assert 'data-label="Reprocess these 10"' in text
    science = text[text.index('<section id="science">') :]
    assert science.index("FAIL") < science.index("PASS")
    row = next(r for r in night_verdict.to_frame().to_dict("records") if "reduced" in r["rule"])
    details = night_verdict.row_details({str(name): value for name, value in row.items()})
    assert "10 observations responsible" in details
    assert "kpfnb run reprocess" in details
