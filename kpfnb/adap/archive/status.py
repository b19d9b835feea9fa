"""The status of a delivery: what is delivered, what is on its way, and how much was uploaded."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.adap.archive import index_files, locations
from kpfnb.adap.archive.locations import PlaceName
from kpfnb.adap.archive.manifest import Manifest
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_size, frame_html

if TYPE_CHECKING:
    import pandas as pd

IN_PROGRESS = "on its way"


@dataclass(frozen=True, repr=False)
class DeliveryStatus(OneLineRepr):
    """The status of a delivery; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    manifests : by unit
    days : uploads by day, of all workers if the settings name a queue server
    used_bytes : uploaded today
    """

    destination: str
    manifests: Mapping[str, Manifest]
    days: Mapping[str, Mapping[str, Any]]
    used_bytes: int

    @property
    def _delivered(self) -> list[Manifest]:
        return [manifest for manifest in self.manifests.values() if manifest.delivered]

    @property
    def outcome(self) -> Outcome:
        """Always succeeded."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What is delivered and what is not, in one line."""
        delivered = self._delivered
        size = format_size(sum(manifest.size for manifest in delivered))
        text = f"{len(delivered)} units delivered ({size})"
        if remaining := len(self.manifests) - len(delivered):
            text += f", {remaining} {IN_PROGRESS}"
        return f"{text}; {format_size(self.used_bytes)} uploaded today"

    def key_figures(self) -> dict[str, int | float | str]:
        """Counts and volumes."""
        delivered = self._delivered
        return {
            "delivered": len(delivered),
            IN_PROGRESS: len(self.manifests) - len(delivered),
            "files": sum(len(manifest.files) for manifest in delivered),
            "MB": round(sum(manifest.size for manifest in delivered) / 1e6, 3),
            "MB today": round(self.used_bytes / 1e6, 3),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "destination": self.destination,
            "figures": self.key_figures(),
            "units": {name: m.delivered or None for name, m in self.manifests.items()},
            "days": dict(self.days),
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each unit; times in UTC."""
        import pandas as pd

        columns = ["unit", "delivered", "files", "size (MB)", "left out", "missing", "unrecognised"]
        rows = [
            (
                manifest.unit,
                manifest.delivered or IN_PROGRESS,
                len(manifest.files),
                round(manifest.size / 1e6, 2),
                len(manifest.problems),
                len(manifest.missing),
                len(manifest.unrecognised),
            )
            for manifest in self.manifests.values()
        ]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        table = self.to_frame()
        lines = [table.to_string(index=False)] if len(table) else []
        return "\n".join([*lines, f"{self.destination}: {self.reason}"])

    def _repr_html_(self) -> str:
        head = html.escape(f"{self.destination}: {self.reason}")
        return f"<p>{head}</p>{frame_html(self.to_frame())}"


def read_status(destination: PlaceName = "") -> DeliveryStatus:
    """The status of the delivery at a place; empty if nothing was delivered there.

    Raises
    ------
    InvalidInputError : no such remote
    StorageError : the place can't be read
    """
    place = locations.delivery_location(destination)
    quota = locations.upload_quota(place)
    manifests = index_files.load_manifests(place, locations.local_state_dir(place))
    return DeliveryStatus(str(place), manifests, quota.days(), quota.used_bytes())
