"""What the work of a notebook returns: it tells its outcome and knows how to show itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd


# How a piece of work ended: one enum, one table of exit codes, one way to add outcomes up.


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


def merge_outcomes(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole from those of its parts; a whole without parts succeeded.

    All parts good: succeeded. None good: failed. Else partial.
    """
    parts = list(outcomes)
    good = sum(part.is_good for part in parts)
    if good == len(parts):
        return Outcome.SUCCEEDED
    return Outcome.PARTIAL if good else Outcome.FAILED


# Values as JSON can hold them.


def to_jsonable(value: Any) -> Any:
    """The value made of JSON's own types.

    Mappings and iterables are gone through, numpy's numbers become Python's, a number that is not
    finite becomes None (JSON has no word for it), everything else its text.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        # Enum members among them
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(one) for key, one in value.items()}
    # numpy's scalars and arrays
    if hasattr(value, "tolist"):
        return to_jsonable(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [to_jsonable(one) for one in value]
    return str(value)


class OneLineRepr(ABC):
    """A result whose `repr` is one line: a stored notebook holds it beside the HTML."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """One line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.reason}>"


@runtime_checkable
class Result(Protocol):
    """The result of one piece of work, for a person, a record and the next step."""

    @property
    def outcome(self) -> Outcome:
        """How the work ended, judged by its products."""

    @property
    def reason(self) -> str:
        """One line for the run list: what was done, or what went wrong."""

    def key_figures(self) -> dict[str, int | float | str]:
        """A few key figures for the run list, in the order they are shown."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values that a later step may read; every failed item is named in it."""

    def to_frame(self) -> pd.DataFrame:
        """One row an item."""

    def _repr_html_(self) -> str:
        """The table as HTML, all text escaped."""
