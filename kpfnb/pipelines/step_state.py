"""How far each step of a pipeline is, as its record holds it, and what may be taken over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from kpfnb.core.result import Outcome


class StepPhase(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    """Its turn has not come."""
    RUNNING = "running"
    """Its notebook runs, or waits for its next attempt."""
    RAN = "ran"
    """Its notebook ran; the outcome tells how."""
    ALREADY_DONE = "already done"
    """An earlier run did it with the same inputs; its record is taken over."""
    NOT_NEEDED = "not needed"
    """Its `when` is empty: there is nothing to do."""
    BLOCKED = "blocked"
    """It was not run, for the reason that is told."""


@dataclass(frozen=True)
class StepState:
    """One step of one run of a pipeline."""

    name: str
    notebook: str
    needs: list[str] = field(default_factory=list)
    """The steps that end before it starts; see `definition.Step.earlier`."""
    phase: StepPhase = StepPhase.WAITING
    outcome: Outcome | None = None
    reason: str = ""
    attempts: int = 0
    started: str | None = None
    seconds: float | None = None
    run: str = ""
    """The step's own run, the last attempt's: its directory below the runs directory."""
    inputs: str = ""
    """The digest of all that the result depends on; see `digest`."""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The one word that people see."""
        if self.phase is StepPhase.RAN and self.outcome:
            return self.outcome.value
        return self.phase.value

    @property
    def is_settled(self) -> bool:
        """True where nothing more becomes of it in this run."""
        return self.phase not in (StepPhase.WAITING, StepPhase.RUNNING)

    @property
    def allows_dependents(self) -> bool:
        """True where what needs this step may start.

        A partial step does: its failed items are named in its result, and the others are there.
        """
        return self.outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL)

    def blocked(self, outcome: Outcome, reason: str) -> StepState:
        """The same step, not run for that reason."""
        return replace(self, phase=StepPhase.BLOCKED, outcome=outcome, reason=reason)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for the record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StepState:
        """The state that `to_dict` gave."""
        outcome = data.get("outcome")
        return cls(
            **{
                **data,
                "phase": StepPhase(data["phase"]),
                "outcome": Outcome(outcome) if outcome else None,
            }
        )


def pipeline_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a pipeline from those of its steps.

    A step is no item: where one failed, crashed or was rejected, what was asked for is not there,
    so the pipeline failed. Else it is partial where a step was, or where some steps were skipped;
    skipped where all were; and succeeded where all did.
    """
    found = set(outcomes)
    if found & {Outcome.FAILED, Outcome.CRASHED, Outcome.REJECTED}:
        return Outcome.FAILED
    if found <= {Outcome.SUCCEEDED}:
        return Outcome.SUCCEEDED
    return Outcome.SKIPPED if found == {Outcome.SKIPPED} else Outcome.PARTIAL


def summarize_steps(states: Collection[StepState]) -> str:
    """One line for the run list: what became of the steps, the bad ones by name."""
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
    """Why a step can't start, from the states of those it needs; '' where it can."""
    for need in needs:
        if not need.allows_dependents:
            became = f"was {need.outcome}" if need.outcome is Outcome.SKIPPED else need.outcome
            return f"needs {need.name}, which {became}"
    return ""


def json_digest(*parts: Any) -> str:
    """A short digest of JSON values; equal values in another order of keys give the same."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def get_path(values: Any, path: str) -> Any:
    """The value at a dotted path such as `counts.L1` or `files.0`.

    LookupError tells what is there instead.
    """
    for part in path.split("."):
        known = values if isinstance(values, dict) else dict(_numbered_values(values))
        if part not in known:
            raise LookupError(f"no value {path!r}; there are: {', '.join(known) or 'none'}")
        values = known[part]
    return values


def _numbered_values(values: Any) -> Iterable[tuple[str, Any]]:
    return ((str(n), value) for n, value in enumerate(values if isinstance(values, list) else []))
