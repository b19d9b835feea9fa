from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.result import Outcome
from kpfnb.pipelines.step_state import (
    StepPhase,
    StepState,
    blocking_reason,
    get_path,
    json_digest,
    pipeline_outcome,
    summarize_steps,
)

GOOD, PARTIAL, FAILED, SKIPPED = (
    Outcome.SUCCEEDED,
    Outcome.PARTIAL,
    Outcome.FAILED,
    Outcome.SKIPPED,
)


def state(
    outcome: Outcome | None, name: str = "look", phase: StepPhase = StepPhase.RAN
) -> StepState:
    return StepState(name=name, notebook="progress", phase=phase, outcome=outcome)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([GOOD, GOOD], GOOD),
        ([GOOD, PARTIAL], PARTIAL),
        ([GOOD, PARTIAL, FAILED, SKIPPED], FAILED),
        ([GOOD, Outcome.CRASHED], FAILED),
        ([Outcome.REJECTED], FAILED),
        ([SKIPPED, SKIPPED], SKIPPED),
        ([GOOD, SKIPPED], PARTIAL),
        ([PARTIAL, SKIPPED], PARTIAL),
    ],
)
def test_the_outcome_of_a_pipeline(outcomes: list[Outcome], expected: Outcome) -> None:
    assert pipeline_outcome(outcomes) is expected


@pytest.mark.parametrize(
    ("outcome", "allowed"),
    [(GOOD, True), (PARTIAL, True), (FAILED, False), (SKIPPED, False), (None, False)],
)
def test_a_partial_step_allows_its_dependents(outcome: Outcome | None, allowed: bool) -> None:
    assert state(outcome).allows_dependents is allowed


def test_a_blocked_step_says_what_it_waits_for() -> None:
    assert blocking_reason([state(GOOD), state(PARTIAL)]) == ""
    assert blocking_reason([state(GOOD), state(FAILED, "work")]) == "needs work, which failed"
    assert blocking_reason([state(SKIPPED, "work")]) == "needs work, which was skipped"


def test_a_summary_names_unsuccessful_steps_or_counts() -> None:
    assert summarize_steps([state(GOOD)]) == "all of 1 step succeeded"
    assert summarize_steps([state(GOOD), state(GOOD, phase=StepPhase.ALREADY_DONE)]) == (
        "2 steps, 1 already done"
    )
    assert summarize_steps(
        [state(FAILED, "a"), state(SKIPPED, "b", StepPhase.BLOCKED), state(GOOD)]
    ) == ("a failed; b blocked")


def test_a_state_survives_its_record() -> None:
    full = StepState(
        "a", "progress", ["b"], StepPhase.RAN, FAILED, "why", 2, "2024", 1.5, "id", "x"
    )
    for original in (full, state(None, phase=StepPhase.RUNNING)):
        assert StepState.from_dict(json.loads(json.dumps(original.to_dict()))) == original


def test_a_digest_depends_on_values_only() -> None:
    assert json_digest({"a": 1, "b": [2]}) == json_digest({"b": [2], "a": 1})
    assert (
        len(
            {
                json_digest({"a": 1}),
                json_digest({"a": "1"}),
                json_digest({"a": 1}, None),
                json_digest(),
            }
        )
        == 4
    )


VALUES = {"missing": {"L1": ["x", "y"]}, "n": 0}


@pytest.mark.parametrize(
    ("path", "value"), [("missing.L1", ["x", "y"]), ("missing.L1.1", "y"), ("n", 0)]
)
def test_a_value_is_looked_up_by_its_path(path: str, value: object) -> None:
    assert get_path(VALUES, path) == value


@pytest.mark.parametrize("path", ["mising", "missing.L2", "missing.L1.2", "n.x", ""])
def test_a_missing_value_is_reported(path: str) -> None:
    with pytest.raises(LookupError, match=r"no value .*; values are: "):
        get_path(VALUES, path)


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.text(), inner)), st.text())
def test_looking_up_gives_a_value_or_a_lookup_error(values: object, path: str) -> None:
    try:
        get_path(values, path)
    except LookupError as error:
        assert "no value" in str(error)


def test_a_pipeline_without_anything_to_do_says_why() -> None:
    first = StepState("before", "progress", ()).blocked(SKIPPED, "Night 20350201 has no L0 files")
    blocked = StepState("reprocess", "reprocess", ()).blocked(SKIPPED, "needs before")
    assert summarize_steps([first, blocked]) == "before: Night 20350201 has no L0 files"
