"""The state of one step of a pipeline run, and what follows from states."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from kpfnb.core.result import Outcome


class StepPhase(StrEnum):
    """The phase of a step."""

    WAITING = "waiting"
    """It has not started."""
    RUNNING = "running"
    """Its notebook is running, or waits for its next attempt."""
    RAN = "ran"
    """Its notebook has run; see the outcome."""
    ALREADY_DONE = "already done"
    """An earlier run did it with the same inputs; its record is reused."""
    NOT_NEEDED = "not needed"
    """Its `when` is empty: there is nothing to do."""
    BLOCKED = "blocked"
    """It was not run; see the reason."""


@dataclass(frozen=True)
class StepState:
    """The state of one step in one run of a pipeline."""

    name: str
    notebook: str
    needs: list[str] = field(default_factory=list)
    """The steps that end before it starts; see `PipelineStep.preceding_steps`."""
    phase: StepPhase = StepPhase.WAITING
    outcome: Outcome | None = None
    reason: str = ""
    attempts: int = 0
    started: str | None = None
    seconds: float | None = None
    run: str = ""
    """The run of its last attempt: its directory below the runs directory."""
    inputs: str = ""
    """A digest of everything that the result depends on; see `json_digest`."""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The word that people see."""
        if self.phase is StepPhase.RAN and self.outcome:
            return self.outcome.value
        return self.phase.value

    @property
    def is_settled(self) -> bool:
        """True if its state can't change any more in this run."""
        return self.phase not in (StepPhase.WAITING, StepPhase.RUNNING)

    @property
    def allows_dependents(self) -> bool:
        """True if the steps that need this one may start.

        A partial step allows it: its result names the failed items, and the others are complete.
        """
        return self.outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL)

    def blocked(self, outcome: Outcome, reason: str) -> StepState:
        """The state of the same step if it is not run for that reason."""
        return replace(self, phase=StepPhase.BLOCKED, outcome=outcome, reason=reason)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for the record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StepState:
        """The inverse of `to_dict`."""
        outcome = data.get("outcome")
        return cls(
            **{
                **data,
                "phase": StepPhase(data["phase"]),
                "outcome": Outcome(outcome) if outcome else None,
            }
        )


def pipeline_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a pipeline, derived from the outcomes of its steps.

    A step is not an item: if one failed, crashed or was rejected, the product is missing, so the
    pipeline failed. Otherwise it is partial if a step was, or if some steps were skipped; skipped
    if all were; and succeeded if all did.
    """
    distinct = set(outcomes)
    if distinct & {Outcome.FAILED, Outcome.CRASHED, Outcome.REJECTED}:
        return Outcome.FAILED
    if distinct <= {Outcome.SUCCEEDED}:
        return Outcome.SUCCEEDED
    return Outcome.SKIPPED if distinct == {Outcome.SKIPPED} else Outcome.PARTIAL


def summarize_steps(states: Collection[StepState]) -> str:
    """One line for the run list: the steps by outcome, unsuccessful ones by name.

    If nothing was done, why the first step did nothing.
    """
    first = next(iter(states), None)
    if first and first.reason and {state.outcome for state in states} == {Outcome.SKIPPED}:
        return f"{first.name}: {first.reason}"
    bad = [
        f"{state.name} {state.word}"
        for state in states
        if state.outcome and not state.outcome.is_good
    ]
    if bad:
        return "; ".join(bad)
    done = sum(state.phase is StepPhase.ALREADY_DONE for state in states)
    count = f"{len(states)} step{'s' * (len(states) != 1)}"
    return f"{count}, {done} already done" if done else f"all of {count} succeeded"


def blocking_reason(needs: Iterable[StepState]) -> str:
    """Why a step can't start, from the states of its required steps; '' if it can."""
    for need in needs:
        if not need.allows_dependents:
            verb = f"was {need.outcome}" if need.outcome is Outcome.SKIPPED else need.outcome
            return f"needs {need.name}, which {verb}"
    return ""


def json_digest(*parts: Any) -> str:
    """A short digest of JSON values; the order of keys does not matter."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def get_path(values: Any, path: str) -> Any:
    """The value at a dotted path such as `counts.L1` or `files.0`.

    `LookupError` lists the values that exist.
    """
    for part in path.split("."):
        known = values if isinstance(values, dict) else dict(_numbered_values(values))
        if part not in known:
            raise LookupError(f"no value {path!r}; values are: {', '.join(known) or 'none'}")
        values = known[part]
    return values


def _numbered_values(values: Any) -> Iterable[tuple[str, Any]]:
    return ((str(n), value) for n, value in enumerate(values if isinstance(values, list) else []))
