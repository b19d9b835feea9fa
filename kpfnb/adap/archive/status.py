"""How a delivery stands: what is delivered, what is on its way, and how much was uploaded."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.adap.archive import index_files, locations
from kpfnb.adap.archive.delivery import PlaceName
from kpfnb.adap.archive.manifest import Manifest
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.storage.transfer_result import format_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

IN_PROGRESS = "on its way"


@dataclass(frozen=True, repr=False)
class DeliveryStatus(OneLineRepr):
    """A look at a delivery; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    manifests : by unit
    days : uploads by day, of all workers of the queue where its server is named
    used : bytes of today
    """

    destination: str
    manifests: Mapping[str, Manifest]
    days: Mapping[str, Mapping[str, Any]]
    used_bytes: int

    @property
    def outcome(self) -> Outcome:
        """Looking succeeds."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What is delivered and what is not, in one line."""
        done = [one for one in self.manifests.values() if one.delivered]
        size = format_bytes(sum(one.size for one in done))
        text = f"{len(done)} units delivered ({size})"
        if left := len(self.manifests) - len(done):
            text += f", {left} {IN_PROGRESS}"
        return f"{text}; {format_bytes(self.used_bytes)} uploaded today"

    def key_figures(self) -> dict[str, int | float | str]:
        """Counts and volumes."""
        done = [one for one in self.manifests.values() if one.delivered]
        return {
            "delivered": len(done),
            IN_PROGRESS: len(self.manifests) - len(done),
            "files": sum(len(one.files) for one in done),
            "MB": round(sum(one.size for one in done) / 1e6, 3),
            "MB today": round(self.used_bytes / 1e6, 3),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "destination": self.destination,
            "figures": self.key_figures(),
            "units": {name: one.delivered or None for name, one in self.manifests.items()},
            "days": dict(self.days),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a unit; times in UTC."""
        import pandas as pd

        names = ["unit", "delivered", "files", "size (MB)", "left out", "missing", "unrecognised"]
        rows = [
            (
                *(one.unit, one.delivered or IN_PROGRESS, len(one.files), round(one.size / 1e6, 2)),
                *(len(one.problems), len(one.missing), len(one.unrecognised)),
            )
            for one in self.manifests.values()
        ]
        return pd.DataFrame(rows, columns=names)

    def plot(self) -> Figure:
        """Uploaded a day."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and what each day had."""
        from kpfnb.adap.archive import plots

        return plots.plot_uploads(self.days, 0, self.destination)

    def __str__(self) -> str:
        table = self.to_frame()
        shown = [table.to_string(index=False)] if len(table) else []
        return "\n".join([*shown, f"{self.destination}: {self.reason}"])

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, escape=True, border=0)
        return f"<p>{html.escape(f'{self.destination}: {self.reason}')}</p>{table}"


def read_status(destination: PlaceName = "") -> DeliveryStatus:
    """How the delivery at a place stands; nothing there is an empty one.

    Raises
    ------
    InvalidInputError : no such remote
    StorageError : the place can't be read
    """
    place = locations.delivery_location(destination)
    quota = locations.upload_quota(place)
    found = index_files.load_manifests(place, locations.local_state_dir(place))
    return DeliveryStatus(str(place), found, quota.days(), quota.used_bytes())
