"""Trimmed setups of many datasets below one folder."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import compute, storage
from kpfnb.adap import dataset
from kpfnb.adap import profile as profiles
from kpfnb.adap.preparing import trimming
from kpfnb.adap.preparing.trimmed import Trimmed
from kpfnb.adap.profile import Profile
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome, combine
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered


@dataclass(frozen=True)
class _Options:
    root: Path
    profile: Profile
    custom: Path | None
    excluded: tuple[str, ...]
    dry_run: bool


def trim(
    root: str | Path,
    names: Iterable[str] = (),
    *,
    spectrograph: str | Path,
    custom: str | Path = "",
    exclude: str | Path = "",
    dry_run: bool = False,
    progress: bool = True,
) -> TrimmedSets:
    """Write the reduction files of datasets, each below its `complete`; one failure stops no other.

    Parameters
    ----------
    root : the folder of the datasets
    names : datasets; by default all that are complete
    custom : folder of datasets' own files; '' for none
    exclude : file with names of frames not to be used, one a line; '' for none

    Raises
    ------
    BadInput, BadParameter : an argument names nothing that can be used; before any work
    """
    profile = profiles.load(spectrograph)
    root = Path(root).expanduser().absolute()
    wanted = [str(dataset.parse(name)) for name in names] or _complete(root)
    if not wanted:
        raise BadInput(f"no complete dataset in {root}", "name the folder of the datasets")
    excluded = trimming.excluded_names(Path(exclude).expanduser()) if str(exclude) else ()
    own = Path(custom).expanduser() if str(custom) else None
    for name in wanted:
        trimming.customs(own, name)
    options = _Options(root, profile, own, tuple(excluded), dry_run)
    outcomes = compute.run(
        partial(_trim, options=options), wanted, title="trimming", progress=progress
    )
    failed = {one.key: one.error.splitlines()[0] or "not reached" for one in outcomes.failed}
    return TrimmedSets(tuple(one.value for one in outcomes if one.value), failed, dry_run)


def _complete(root: Path) -> list[str]:
    names = dataset.find(storage.at(root))
    return [name for name in names if (root / name / dataset.COMPLETE / dataset.RAW).is_dir()]


def _trim(name: str, options: _Options) -> Trimmed:
    folder = options.root / name / dataset.COMPLETE
    return trimming.trim(
        folder / dataset.RAW,
        folder,
        options.profile,
        dataset=name,
        custom=options.custom,
        exclude=options.excluded,
        dry_run=options.dry_run,
    )


@dataclass(frozen=True, repr=False)
class TrimmedSets(Brief):
    """The trimmed setups, and the datasets that failed with the reason."""

    sets: tuple[Trimmed, ...]
    failed: dict[str, str]
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Judged by the datasets."""
        ends = [one.outcome for one in self.sets] + [Outcome.FAILED] * len(self.failed)
        return combine(ends)

    @property
    def reason(self) -> str:
        """One line."""
        files = [file for one in self.sets for file in one.written]
        new = sum(file.changed for file in files)
        verb = "would be written" if self.dry_run else "written"
        text = f"{new} of {len(files)} reduction files of {len(self.sets)} datasets {verb}"
        text += "" if new else ", nothing to do"
        wrong = [f"{name}: {error}" for name, error in self.failed.items()]
        wrong += [f"{one.dataset}: {problem}" for one in self.sets for problem in one.problems]
        return "; ".join([text, *wrong])

    def figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return {
            "datasets": len(self.sets) + len(self.failed),
            "reduction files": sum(len(one.written) for one in self.sets),
            "failed": len(self.failed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "datasets": [one.to_dict() for one in self.sets],
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
            for one in self.sets
            for file in one.written
        ]
        rows += [(name, "", 0, 0, "", error) for name, error in self.failed.items()]
        names = ["dataset", "reduction", "used", "frames", "custom file", "problem"]
        return pd.DataFrame(rows, columns=names)

    def frames(self) -> pd.DataFrame:
        """One row a frame of all datasets: used or not, and why."""
        import pandas as pd

        tables = [one.to_frame().assign(dataset=one.dataset) for one in self.sets]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def plot(self) -> Figure:
        """The frames of each type: used and not."""
        return self.hovered().figure

    def hovered(self) -> Hovered:
        """The plot, and which frames are at the mouse."""
        from kpfnb.adap.preparing import framecounts
        from kpfnb.adap.preparing.framecounts import Told

        return framecounts.hovered(
            Told(frame.types, f"{one.dataset} {frame.file}", one.reasons.get(frame.file, ""))
            for one in self.sets
            for frame in one.exposures
        )

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}\n\n{self.to_frame().to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The reduction files; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + self.to_frame().to_html(index=False, escape=True, border=0, justify="left")
