"""How a piece of work ended: one enum, one table of exit codes, one way to add outcomes up."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """How a run, a pipeline or a step ended. Screen, log, record, sheet and exit code use it."""

    SUCCEEDED = "succeeded"
    """All that was asked for is there."""
    PARTIAL = "partial"
    """Some items failed; each is named in the result."""
    FAILED = "failed"
    """The work ran and did not give what was asked for."""
    CRASHED = "crashed"
    """The kernel or the process died."""
    REJECTED = "rejected"
    """A parameter or setting is wrong; nothing was done."""
    SKIPPED = "skipped"
    """Nothing was done: something else holds the lock, or what it needs has failed."""

    @property
    def exit_code(self) -> int:
        """The exit code of every kpfnb command that ends this way."""
        return EXIT_CODES[self]

    @property
    def is_good(self) -> bool:
        """True where nothing needs a person's attention."""
        return self is Outcome.SUCCEEDED


EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.REJECTED: 2,
    Outcome.PARTIAL: 3,
    Outcome.CRASHED: 4,
    Outcome.SKIPPED: 5,
}


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole from those of its parts; a whole without parts succeeded.

    All parts good: succeeded. None good: failed. Else partial.
    """
    parts = list(outcomes)
    good = sum(part.is_good for part in parts)
    if good == len(parts):
        return Outcome.SUCCEEDED
    return Outcome.PARTIAL if good else Outcome.FAILED
