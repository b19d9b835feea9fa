"""How a run ended, judged from the raw facts: the one place where that is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kpfnb.core.errors import HINT_MARK
from kpfnb.core.result import Outcome

OUTCOME_BY_ERROR = {
    "InvalidParameterError": Outcome.REJECTED,
    "InvalidSettingsError": Outcome.REJECTED,
    "InvalidInputError": Outcome.REJECTED,
    "AlreadyRunningError": Outcome.SKIPPED,
}
"""Errors (by name, as a notebook keeps them) that mean: nothing was done. Others are failures."""


@dataclass(frozen=True)
class CellError:
    """The error that ended a notebook; `cell` is its number as the notebook shows it, `[5]`."""

    cell: int
    name: str
    message: str

    def __str__(self) -> str:
        first, _, rest = self.message.strip().partition("\n")
        if rest.lstrip().startswith(HINT_MARK):
            # What to do about it belongs to the reason
            first = f"{first} {rest.strip().splitlines()[0]}"
        if self.name in OUTCOME_BY_ERROR:
            return first
        return f"cell [{self.cell}]: {self.name}: {first}".rstrip(": ")


@dataclass(frozen=True)
class RunEndFacts:
    """What is known of a run, without judging it."""

    ended: bool = True
    """False while nobody has recorded an end."""
    process_alive: bool = True
    """The process that was to record the end."""
    stop_reason: str = ""
    """Why it was stopped from outside: an operator, a timeout."""
    environment_error: str = ""
    """What went wrong around the notebook: a full disk, a kernel that did not start."""
    kernel_died: bool = False
    error: CellError | None = None
    result: Mapping[str, Any] | None = None
    """What `result.json` holds."""


def classify_run(facts: RunEndFacts) -> tuple[Outcome | None, str]:
    """The outcome and its reason in one line; no outcome while the run goes on.

    A later fact never hides an earlier one: a result counts only where nothing went wrong
    after it was written.
    """
    if not facts.ended:
        if facts.process_alive:
            return None, ""
        return Outcome.CRASHED, "the process that ran it died"
    if facts.stop_reason:
        return Outcome.FAILED, facts.stop_reason
    if facts.environment_error:
        return Outcome.FAILED, facts.environment_error
    if facts.kernel_died:
        return Outcome.CRASHED, "the kernel died"
    if facts.error:
        return OUTCOME_BY_ERROR.get(facts.error.name, Outcome.FAILED), str(facts.error)
    if facts.result is None:
        return Outcome.FAILED, "it ended without a result: run.finish(result) was not reached"
    return Outcome(facts.result["outcome"]), str(facts.result["reason"])
