"""What to do about a rule that does not pass: an action, or a sentence."""

from __future__ import annotations

from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.kpf.verdict.rules import RuleMeasure
from kpfnb.runs.actions import PageAction

MAX_TARGETS = 40
"""An action names this many observations; for more it names the night."""

_ADVICE = {
    RuleMeasure.COUNT: "Only more exposures help; reduce with the masters of another night",
    RuleMeasure.MASTERS: "Make the masters again",
    RuleMeasure.PRODUCTS: "Reprocess what is missing",
    RuleMeasure.VALID: "Reprocess those without a value",
}
LOOK = "Look at the observations; override the rule if they are good"


def rule_action(result: RuleResult) -> PageAction | None:
    """What can be done about a rule from a page; None if nothing can."""
    measure, night = result.rule.measure, result.night
    if measure is RuleMeasure.QUICKLOOK and result.verdict is Verdict.NOT_JUDGED:
        return PageAction("Make quicklook", "quicklook", {"start": night})
    if not result.verdict.needs_attention:
        return None
    if measure is RuleMeasure.MASTERS:
        values = {"targets": [night], "what": "masters"}
        return PageAction("Make the masters", "reprocess", values)
    names = dict.fromkeys(offender.name for offender in result.offenders)
    obsids = [name for name in names if KPF.obsid_pattern.fullmatch(name)]
    if measure not in (RuleMeasure.PRODUCTS, RuleMeasure.VALID) or not obsids:
        return None
    label = "Reprocess this one" if len(obsids) == 1 else f"Reprocess these {len(obsids)}"
    is_valid = measure is RuleMeasure.VALID
    # What is done is not processed again, so the night can stand for many; not if forced
    targets = obsids if is_valid or len(obsids) <= MAX_TARGETS else [night]
    return PageAction(
        label, "reprocess", {"targets": targets} | ({"force": True} if is_valid else {})
    )


def rule_advice(result: RuleResult) -> str:
    """What to do about a rule that does not pass, in a sentence."""
    return _ADVICE.get(result.rule.measure, LOOK)
