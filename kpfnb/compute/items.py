"""How each of many items ended, in the order the items were given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from kpfnb.outcomes import Outcome, combine

if TYPE_CHECKING:
    import pandas as pd

NAMED_FAILURES = 10


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """How one item ended."""

    key: str
    """The item's name, for people."""
    item: Any
    outcome: Outcome
    """Succeeded; failed; or skipped, where Ctrl-C came before its turn."""
    value: Any = None
    """What the function returned; None unless it succeeded."""
    error: str = ""
    """The last exception's type and message, or why the item was stopped; '' on success."""
    seconds: float = 0.0
    """Wall-clock time of the last attempt."""
    attempts: int = 0
    """How often the function was called to its end or stopped in it."""
    traceback: str = ""
    """The last exception's traceback, as text."""


class Outcomes(Sequence[ItemOutcome]):
    """The outcomes of all items, in the order of the items."""

    def __init__(self, parts: Sequence[ItemOutcome], *, interrupted: bool = False) -> None:
        self._parts = list(parts)
        self.interrupted = interrupted
        """True where Ctrl-C stopped the work."""

    @overload
    def __getitem__(self, index: int) -> ItemOutcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[ItemOutcome]: ...
    def __getitem__(self, index: int | slice) -> ItemOutcome | list[ItemOutcome]:
        return self._parts[index]

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[ItemOutcome]:
        return iter(self._parts)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the whole: succeeded, partial or failed."""
        return combine(part.outcome for part in self._parts)

    @property
    def failed(self) -> list[ItemOutcome]:
        """The items that did not succeed, those never started among them."""
        return [part for part in self._parts if not part.outcome.is_good]

    def values(self) -> list[Any]:
        """What the function returned, item by item; None where it failed."""
        return [part.value for part in self._parts]

    def to_frame(self) -> pd.DataFrame:
        """One row an item: key, outcome, error, seconds, attempts."""
        import pandas as pd

        columns = ["key", "outcome", "error", "seconds", "attempts"]
        rows = [
            [
                str(getattr(part, name)) if name == "outcome" else getattr(part, name)
                for name in columns
            ]
            for part in self._parts
        ]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        failed = [part for part in self._parts if part.outcome is Outcome.FAILED]
        skipped = sum(part.outcome is Outcome.SKIPPED for part in self._parts)
        counts = f"{len(self) - len(failed) - skipped} of {len(self)} done, {len(failed)} failed"
        if self.interrupted:
            counts = f"stopped by Ctrl-C: {counts}, {skipped} not started"
        lines = [f"  {part.key}: {part.error}" for part in failed[:NAMED_FAILURES]]
        if len(failed) > NAMED_FAILURES:
            lines.append(f"  and {len(failed) - NAMED_FAILURES} more")
        return "\n".join([counts, *lines])
