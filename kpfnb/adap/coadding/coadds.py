"""All coadds of one configuration or dataset: its spectra and its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import settings
from kpfnb.adap import dataset
from kpfnb.adap.coadding import coadd
from kpfnb.adap.coadding.coadded import Coadded
from kpfnb.adap.coadding.coaddtask import Kind
from kpfnb.errors import BadParameter
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered


@dataclass(frozen=True, repr=False)
class Coadds(Brief):
    """What became of the spectra and of the images; a `kpfnb.result.Result`.

    Attributes
    ----------
    root : the folder that has the reductions
    """

    parts: tuple[Coadded, ...]
    root: Path = Path()

    @property
    def outcome(self) -> Outcome:
        """That of its parts where they agree, else partial."""
        outcomes = {part.outcome for part in self.parts}
        return outcomes.pop() if len(outcomes) == 1 else Outcome.PARTIAL

    @property
    def reason(self) -> str:
        """One line."""
        return "; ".join(f"{part.kind.upper()}: {part.reason}" for part in self.parts)

    def figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return {
            f"{part.kind.upper()} {name}": value
            for part in self.parts
            for name, value in part.figures().items()
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        parts = {str(part.kind): part.to_dict() for part in self.parts}
        return {"outcome": str(self.outcome), "reason": self.reason, **parts}

    def to_frame(self) -> pd.DataFrame:
        """One row a coadd."""
        return self._joined([part.to_frame() for part in self.parts])

    def frames(self) -> pd.DataFrame:
        """One row an exposure and kind of coadd."""
        return self._joined([part.frames() for part in self.parts])

    def plot(self) -> Figure:
        """The coadds, spectra first; in a dry run, what would be coadded."""
        return self.hovered().figure

    def hovered(self) -> Hovered:
        """The plot, and what is at the mouse."""
        from kpfnb.adap.coadding import coaddpicture

        return coaddpicture.hovered(self.parts)

    def lead(self, row: Mapping[str, Any]) -> str:
        """What a row of its tables leads to, as HTML: a coadd, or an exposure's reduction."""
        if "coadd" in row:
            found = [one for one in self.parts if one.kind.upper() == row["of"]]
            return "".join(one.lead(row) for one in found)
        from kpfnb.adap import evidence
        from kpfnb.adap.coadding import reducedexposures

        night, _, file = str(row["file"]).rpartition("/")
        return "".join(
            evidence.of(folder, " · ".join(filter(None, [self.root.name, night])), file=file)
            for date, folder in reducedexposures.reductions(self.root)
            if date == night
        )

    def _joined(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        for part, table in zip(self.parts, tables, strict=True):
            table.insert(0, "of", part.kind.upper())
        filled = [table for table in tables if len(table)]
        return pd.concat(filled, ignore_index=True) if filled else tables[0]

    def __str__(self) -> str:
        return "\n\n".join(f"{part.kind.upper()} {part}" for part in self.parts)

    def _repr_html_(self) -> str:
        return "".join(f"<h3>{part.kind.upper()}</h3>{part._repr_html_()}" for part in self.parts)


def run(
    item: str,
    root: str | Path = "",
    *,
    kinds: Sequence[str] = ("1d", "2d"),
    **options: Any,
) -> Coadds:
    """Coadd the spectra and the images of one item; options and errors as for `coadd.run`.

    Parameters
    ----------
    item : mask/config or mask/config/date below `root`, or the path of its folder
    root : folder of the datasets; '' for that in the work directory
    kinds : "1d", "2d" or both
    """
    wanted = [kind for kind in Kind if kind in kinds]
    if not wanted:
        raise BadParameter("kinds: nothing is to be coadded", "name 1d, 2d or both")
    folder = (Path(root) if str(root) else settings.load().work_dir / dataset.FOLDER) / item
    return Coadds(tuple(coadd.run(folder, kind=kind, **options) for kind in wanted), folder)
