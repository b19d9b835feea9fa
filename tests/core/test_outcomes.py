"""How outcomes add up, and the exit codes that other programs rely on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.result import Outcome, merge_outcomes

PARTS = st.lists(st.sampled_from(Outcome), min_size=1)


def test_exit_codes_are_those_documented() -> None:
    assert {outcome.value: outcome.exit_code for outcome in Outcome} == {
        "succeeded": 0,
        "failed": 1,
        "rejected": 2,
        "partial": 3,
        "crashed": 4,
        "skipped": 5,
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_succeeded_is_good(outcome: Outcome) -> None:
    assert outcome.is_good == (outcome.exit_code == 0)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], Outcome.SUCCEEDED),
        ([Outcome.SUCCEEDED], Outcome.SUCCEEDED),
        ([Outcome.SUCCEEDED, Outcome.FAILED], Outcome.PARTIAL),
        ([Outcome.SUCCEEDED, Outcome.SKIPPED], Outcome.PARTIAL),
        ([Outcome.CRASHED, Outcome.SKIPPED], Outcome.FAILED),
        ([Outcome.PARTIAL, Outcome.FAILED], Outcome.FAILED),
    ],
)
def test_combine(parts: list[Outcome], whole: Outcome) -> None:
    assert merge_outcomes(iter(parts)) is whole


@given(PARTS)
def test_merged_outcomes_are_good_only_if_all_are(parts: list[Outcome]) -> None:
    assert merge_outcomes(parts).is_good == all(part.is_good for part in parts)
    assert merge_outcomes(parts) is merge_outcomes(reversed(parts))
