"""The problems of a night, each with what to do: an action, or a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kpfnb.kpf.progress.missing_groups import group_missing, night_action, reprocess_action
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.verdict.remedies import rule_action, rule_advice
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.runs import RunRecord
from kpfnb.runs.actions import PageAction

TRANSFER_AGAIN = "Transfer the file again"
SEE_RUN = "See its report, in the list of runs"


class NightProblem(NamedTuple):
    """One problem.

    Attributes
    ----------
    where, what : such as `L1`, `the DRP failed: KeyError`
    obsid : the first observation concerned; '' if none
    action : what to do from a page; None if that is a sentence (`advice`)
    """

    where: str
    what: str
    obsid: str = ""
    action: PageAction | None = None
    advice: str = ""


def rule_problem(result: RuleResult) -> NightProblem:
    """A rule that does not pass."""
    offenders = result.measurement.offenders
    return NightProblem(
        str(result.verdict),
        f"{result.rule.title}: {result.value}",
        offenders[0].name if offenders else "",
        rule_action(result),
        rule_advice(result),
    )


def other_problems(
    unreadable: Mapping[str, str], progress: ProgressResult, failed_runs: Iterable[RunRecord]
) -> Iterator[NightProblem]:
    """The problems that no rule covers: unreadable files, missing products, runs.

    unreadable : ObsID of an L0 that can't be read, and why
    """
    for obsid, problem in unreadable.items():
        yield NightProblem("L0", f"can't be read: {problem}", obsid, advice=TRANSFER_AGAIN)
    products = [item for item in progress.explained if item.obsid not in unreadable]
    groups = group_missing(products)
    # If that is all that is missing, the night is the shorter target
    make_action = night_action if len(groups) == 1 else reprocess_action
    for group in groups:
        action = make_action(group.products, progress.version)
        what = f"missing: {group.cause}"
        yield NightProblem(group.count, what, group.obsids[0], action, TRANSFER_AGAIN)
    for record in failed_runs:
        what = f"{record.notebook}: {record.reason}"
        yield NightProblem(f"run {record.outcome}", what, advice=SEE_RUN)
