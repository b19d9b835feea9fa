"""How work ended and what it returns: outcomes, their exit codes, the interface of results."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd


class Outcome(StrEnum):
    """How work ended, for screens, logs, records, sheets and exit codes alike."""

    SUCCEEDED = "succeeded"
    """Everything that was requested exists."""
    PARTIAL = "partial"
    """Some items failed; the result names each."""
    FAILED = "failed"
    """The work ran and did not produce what was requested."""
    CRASHED = "crashed"
    """The kernel or the process died."""
    REJECTED = "rejected"
    """A parameter or setting is invalid; nothing was done."""
    SKIPPED = "skipped"
    """Nothing was done: no files, another process holds the lock, or a needed step has failed."""

    @property
    def exit_code(self) -> int:
        """The exit code of a kpfnb command that ends this way."""
        return EXIT_CODES[self]

    @property
    def is_good(self) -> bool:
        """True if nothing needs a person's attention."""
        return self is Outcome.SUCCEEDED


EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.REJECTED: 2,
    Outcome.PARTIAL: 3,
    Outcome.CRASHED: 4,
    Outcome.SKIPPED: 5,
}


def merge_outcomes(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of work with several parts: succeeded if all are good or there are none.

    Failed if no part is good, else partial.
    """
    parts = list(outcomes)
    good_count = sum(part.is_good for part in parts)
    if good_count == len(parts):
        return Outcome.SUCCEEDED
    return Outcome.PARTIAL if good_count else Outcome.FAILED


def to_jsonable(value: Any) -> Any:
    """The value in JSON's own types.

    Mappings and iterables are converted item by item, numpy's numbers become Python's, a number
    that is not finite becomes None (JSON can't hold it), everything else becomes its text.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        # Enum members become plain text
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    # Scalars and arrays of numpy
    if hasattr(value, "tolist"):
        return to_jsonable(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [to_jsonable(item) for item in value]
    return str(value)


class OneLineRepr(ABC):
    """A result with a `repr` of one line, which stored notebooks keep beside the HTML."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """What was done, or what went wrong, in one line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.reason}>"


@runtime_checkable
class Result(Protocol):
    """The result of one piece of work, for a person, a record and the next step."""

    @property
    def outcome(self) -> Outcome:
        """How the work ended, according to its products."""

    @property
    def reason(self) -> str:
        """One line for the run list: what was done, or what went wrong."""

    def key_figures(self) -> dict[str, int | float | str]:
        """A few numbers for the run list, in the order in which they are shown."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values that a later step may read, every failed item among them."""

    def to_frame(self) -> pd.DataFrame:
        """One row for each item."""

    def _repr_html_(self) -> str:
        """The table as HTML, all text escaped."""
