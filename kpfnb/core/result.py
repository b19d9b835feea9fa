"""What the work of a notebook returns: it tells its outcome and knows how to show itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from kpfnb.outcomes import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Brief(ABC):
    """A result whose `repr` is one line: a stored notebook holds it beside the HTML."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """One line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.reason}>"


@runtime_checkable
class Plotted(Protocol):
    """What has a picture: a result, or a part of one."""

    def plot(self) -> Figure:
        """The picture that a person looks at first."""


@runtime_checkable
class Result(Plotted, Protocol):
    """The result of one piece of work, for a person, a record and the next step."""

    @property
    def outcome(self) -> Outcome:
        """How the work ended, judged by its products."""

    @property
    def reason(self) -> str:
        """One line for the run list: what was done, or what went wrong."""

    def figures(self) -> dict[str, int | float | str]:
        """A few key figures for the run list, in the order they are shown."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values that a later step may read; every failed item is named in it."""

    def to_frame(self) -> pd.DataFrame:
        """One row an item."""

    def _repr_html_(self) -> str:
        """The table as HTML, all text escaped."""
