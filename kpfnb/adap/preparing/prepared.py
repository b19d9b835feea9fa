"""What a preparation did, part by part."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.adap.preparing.fixedheaders import FixedHeaders
from kpfnb.adap.preparing.reorganised import Reorganised
from kpfnb.adap.preparing.trimmedsets import TrimmedSets
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered


@dataclass(frozen=True, repr=False)
class Prepared(Brief):
    """The frames in their places; their setups and the fixed headers, where there are any."""

    frames: Reorganised
    setups: TrimmedSets | None = None
    headers: FixedHeaders | None = None

    @property
    def _parts(self) -> list[FixedHeaders | Reorganised | TrimmedSets]:
        return [part for part in (self.headers, self.frames, self.setups) if part]

    @property
    def outcome(self) -> Outcome:
        """Failed where no frame could be placed; partial where anything else is wrong."""
        if self.frames.outcome is Outcome.FAILED:
            return Outcome.FAILED
        good = all(part.outcome.is_good for part in self._parts)
        return Outcome.SUCCEEDED if good else Outcome.PARTIAL

    @property
    def reason(self) -> str:
        """One line."""
        return "; ".join(part.reason for part in self._parts)

    def figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return self.frames.figures()

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a later step takes `datasets`, the complete ones, from it."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "datasets": self.frames.complete,
            "frames": self.frames.to_dict(),
            "setups": self.setups.to_dict() if self.setups else None,
            "headers": self.headers.to_dict() if self.headers else None,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a dataset."""
        return self.frames.to_frame()

    def calibrations(self) -> pd.DataFrame:
        """One row a frame of the complete datasets: used in the trimmed setup or not, and why."""
        import pandas as pd

        return self.setups.frames() if self.setups else pd.DataFrame()

    def lead(self, row: Mapping[str, Any]) -> str:
        """What a row about a dataset leads to, as HTML: its frames, and its reduction if there."""
        from kpfnb.adap import dataset, evidence

        name = str(row["dataset"])
        told = ["file", "night", "types", "target", "state", "note"]
        frames = self.frames.frames()
        shown = frames.loc[frames["dataset"] == name, told]
        text = f"<h4>{html.escape(name)}</h4>{evidence.table('frames', shown, is_open=True)}"
        chosen = self.calibrations()
        if len(chosen):
            own = chosen[chosen["dataset"] == name].drop(columns="dataset")
            text += evidence.table("what PypeIt is to use", own)
        folder = self.frames.root / name / dataset.COMPLETE / "reduce"
        return text + (evidence.of(folder, name) if folder.is_dir() else "")

    def plot(self) -> Figure:
        """The frames of each type: in place and not."""
        return self.hovered().figure

    def hovered(self) -> Hovered:
        """The plot, and which frames are at the mouse."""
        return self.frames.hovered()

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._parts))

    def _repr_html_(self) -> str:
        """The tables of all parts; all text escaped."""
        return "".join(part._repr_html_() for part in self._parts)
