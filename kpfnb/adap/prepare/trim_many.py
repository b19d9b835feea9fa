"""Trimmed setups of many datasets below one folder."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import storage
from kpfnb.adap.prepare import trim
from kpfnb.adap.prepare.trim_result import TrimResult
from kpfnb.adap.products import dataset
from kpfnb.adap.profiles import spectrograph as profiles
from kpfnb.adap.profiles.spectrograph import Profile
from kpfnb.compute.item_map import map_items
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


@dataclass(frozen=True)
class _TrimOptions:
    root: Path
    profile: Profile
    custom: Path | None
    excluded: tuple[str, ...]
    dry_run: bool


def trim_datasets(
    root: str | Path,
    names: Iterable[str] = (),
    *,
    spectrograph: str | Path,
    custom: str | Path = "",
    exclude: str | Path = "",
    dry_run: bool = False,
    progress: bool = True,
) -> TrimManyResult:
    """Write the reduction files of datasets, each below its `complete`; one failure stops no other.

    Parameters
    ----------
    root : the folder of the datasets
    names : datasets; by default all that are complete
    custom : folder of datasets' own files; '' for none
    exclude : file with names of frames not to be used, one a line; '' for none

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing that can be used; before any work
    """
    profile = profiles.load_profile(spectrograph)
    root = Path(root).expanduser().absolute()
    wanted = [str(dataset.parse_dataset(name)) for name in names] or _complete_datasets(root)
    if not wanted:
        raise InvalidInputError(f"no complete dataset in {root}", "name the folder of the datasets")
    excluded = trim.read_excluded_names(Path(exclude).expanduser()) if str(exclude) else ()
    own = Path(custom).expanduser() if str(custom) else None
    for name in wanted:
        trim.find_custom_files(own, name)
    options = _TrimOptions(root, profile, own, tuple(excluded), dry_run)
    outcomes = map_items(
        partial(_trim_one, options=options), wanted, title="trimming", progress=progress
    )
    failed = {one.key: one.error.splitlines()[0] or "not reached" for one in outcomes.failed}
    return TrimManyResult(tuple(one.value for one in outcomes if one.value), failed, dry_run)


def _complete_datasets(root: Path) -> list[str]:
    names = dataset.find_datasets(storage.resolve_location(root))
    return [name for name in names if (root / name / dataset.COMPLETE / dataset.RAW).is_dir()]


def _trim_one(name: str, options: _TrimOptions) -> TrimResult:
    folder = options.root / name / dataset.COMPLETE
    return trim.trim_dataset(
        folder / dataset.RAW,
        folder,
        options.profile,
        dataset=name,
        custom=options.custom,
        exclude=options.excluded,
        dry_run=options.dry_run,
    )


@dataclass(frozen=True, repr=False)
class TrimManyResult(OneLineRepr):
    """The trimmed setups, and the datasets that failed with the reason."""

    results: tuple[TrimResult, ...]
    failed: dict[str, str]
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Judged by the datasets."""
        ends = [one.outcome for one in self.results] + [Outcome.FAILED] * len(self.failed)
        return merge_outcomes(ends)

    @property
    def reason(self) -> str:
        """One line."""
        files = [file for one in self.results for file in one.file_results]
        new = sum(file.changed for file in files)
        verb = "would be written" if self.dry_run else "written"
        text = f"{new} of {len(files)} reduction files of {len(self.results)} datasets {verb}"
        text += "" if new else ", nothing to do"
        wrong = [f"{name}: {error}" for name, error in self.failed.items()]
        wrong += [f"{one.dataset}: {problem}" for one in self.results for problem in one.problems]
        return "; ".join([text, *wrong])

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return {
            "datasets": len(self.results) + len(self.failed),
            "reduction files": sum(len(one.file_results) for one in self.results),
            "failed": len(self.failed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "datasets": [one.to_dict() for one in self.results],
            "failed": self.failed,
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a reduction file."""
        import pandas as pd

        rows = [
            (
                one.dataset,
                file.path.parent.parent.name,
                file.used,
                file.frames,
                file.custom,
                file.problem,
            )
            for one in self.results
            for file in one.file_results
        ]
        rows += [(name, "", 0, 0, "", error) for name, error in self.failed.items()]
        names = ["dataset", "reduction", "used", "frames", "custom file", "problem"]
        return pd.DataFrame(rows, columns=names)

    def frames(self) -> pd.DataFrame:
        """One row a frame of all datasets: used or not, and why."""
        import pandas as pd

        tables = [one.to_frame().assign(dataset=one.dataset) for one in self.results]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def plot(self) -> Figure:
        """The frames of each type: used and not."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which frames are at the mouse."""
        from kpfnb.adap.prepare import plots
        from kpfnb.adap.prepare.plots import FrameLabel

        return plots.hover_frame_counts(
            FrameLabel(frame.types, f"{one.dataset} {frame.file}", one.reasons.get(frame.file, ""))
            for one in self.results
            for frame in one.exposures
        )

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}\n\n{self.to_frame().to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The reduction files; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + self.to_frame().to_html(index=False, escape=True, border=0, justify="left")
