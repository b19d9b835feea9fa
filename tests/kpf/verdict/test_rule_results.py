"""The verdict of a night is the worst of the rules that were judged."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.quicklook.quality import (
    JUDGED_VERDICTS,
    ValueLimits,
    Verdict,
    VerdictLimits,
    worst_verdict,
)
from kpfnb.kpf.verdict.measurement import Measurement
from kpfnb.kpf.verdict.rule_results import RuleResult, worst_by_level
from kpfnb.kpf.verdict.rules import RuleMeasure, VerdictLevel, VerdictRule

NIGHT = "20240110"
LIMITS = VerdictLimits(ValueLimits(1, 5), ValueLimits(0, 10))

levels = st.sampled_from(list(VerdictLevel))
verdicts = st.sampled_from(list(Verdict))


def make_rule(level: VerdictLevel = VerdictLevel.SCIENCE) -> VerdictRule:
    return VerdictRule("a", level, "A", "why", RuleMeasure.COUNT, ("x",), ("x",), LIMITS, "ours")


@given(st.lists(st.tuples(levels, verdicts), max_size=8))
def test_a_level_has_the_worst_verdict_of_its_judged_rules(
    rules: list[tuple[VerdictLevel, Verdict]],
) -> None:
    results = [
        RuleResult(make_rule(level), NIGHT, Measurement(1.0), verdict) for level, verdict in rules
    ]
    for level, worst in worst_by_level(results).items():
        judged = [v for where, v in rules if where is level and v is not Verdict.NOT_JUDGED]
        assert worst is worst_verdict(judged)
        assert (worst is Verdict.NOT_JUDGED) == (not judged)


@given(st.floats(allow_infinity=True, allow_nan=True), st.booleans())
def test_a_value_is_always_judged(value: float, is_incomplete: bool) -> None:
    verdict = make_rule().evaluate(value, is_incomplete=is_incomplete)
    assert verdict in JUDGED_VERDICTS
    passes = not math.isnan(value) and 1 <= value <= 5 and not is_incomplete
    assert (verdict is Verdict.PASS) == passes


def test_no_value_is_not_judged_but_a_missing_one_is_a_warning() -> None:
    assert make_rule().evaluate(None) is Verdict.NOT_JUDGED
    assert make_rule().evaluate(None, is_incomplete=True) is Verdict.WARN
