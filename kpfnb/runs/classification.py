"""The outcome of a run, derived from facts about its end; the only place where it is decided."""

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
"""Errors, by the names that notebooks store, after which nothing was done; others are failures."""


@dataclass(frozen=True)
class CellError:
    """The error that ended a notebook; `cell` is the cell's execution count, as in `[5]`."""

    cell: int
    name: str
    message: str

    def __str__(self) -> str:
        first, _, rest = self.message.strip().partition("\n")
        if rest.lstrip().startswith(HINT_MARK):
            # The hint is part of the reason
            first = f"{first} {rest.strip().splitlines()[0]}"
        if self.name in OUTCOME_BY_ERROR:
            return first
        return f"cell [{self.cell}]: {self.name}: {first}".rstrip(": ")


@dataclass(frozen=True)
class RunEndFacts:
    """What is known of the end of a run."""

    ended: bool = True
    """False while no end is recorded."""
    process_alive: bool = True
    """Whether the process that records the end is alive."""
    stop_reason: str = ""
    """Why it was stopped from outside: an operator, a timeout."""
    environment_error: str = ""
    """A failure outside the notebook: a full disk, a kernel that did not start."""
    kernel_died: bool = False
    error: CellError | None = None
    result: Mapping[str, Any] | None = None
    """The content of `result.json`."""


def classify_run(facts: RunEndFacts) -> tuple[Outcome | None, str]:
    """The outcome and its reason in one line; no outcome while the run has not ended.

    A result counts only if nothing went wrong after it was written.
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
