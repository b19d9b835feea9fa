"""Trimmed setups of many datasets below one directory."""

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
from kpfnb.adap.profiles.spectrograph import Profile, load_profile
from kpfnb.compute.item_map import map_items
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_count, frame_html

if TYPE_CHECKING:
    import pandas as pd


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
    """Write the `.pypeit` files of datasets below their `complete`; a failure stops no other.

    Parameters
    ----------
    root : directory of the datasets
    names : datasets; by default all complete ones
    spectrograph : name of a profile, or the path of one
    custom : directory of custom files of datasets; '' for none
    exclude : file with names of frames not to use, one a line; '' for none

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument can't be used; before any work
    """
    profile = load_profile(spectrograph)
    root = Path(root).expanduser().absolute()
    wanted = [str(dataset.parse_dataset(name)) for name in names] or _complete_datasets(root)
    if not wanted:
        raise InvalidInputError(
            f"no complete dataset in {root}", "name the directory of the datasets"
        )
    excluded = trim.read_excluded_names(Path(exclude).expanduser()) if str(exclude) else ()
    custom_folder = Path(custom).expanduser() if str(custom) else None
    for name in wanted:
        trim.find_custom_files(custom_folder, name)
    options = _TrimOptions(root, profile, custom_folder, tuple(excluded), dry_run)
    outcomes = map_items(
        partial(_trim_one, options=options), wanted, title="trimming", progress=progress
    )
    failed = {item.key: item.error.splitlines()[0] or "not reached" for item in outcomes.failed}
    return TrimManyResult(tuple(item.value for item in outcomes if item.value), failed, dry_run)


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
    """The trimmed setups of many datasets; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    failed : the error of each dataset that failed
    """

    results: tuple[TrimResult, ...]
    failed: dict[str, str]
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Judged by the datasets."""
        outcomes = [result.outcome for result in self.results]
        return merge_outcomes(outcomes + [Outcome.FAILED] * len(self.failed))

    @property
    def reason(self) -> str:
        """One line."""
        files = [file for result in self.results for file in result.file_results]
        changed = sum(file.changed for file in files)
        verb = "would be written" if self.dry_run else "written"
        text = f"{changed} of {format_count(len(files), '.pypeit file')}"
        text += f" of {format_count(len(self.results), 'dataset')} {verb}"
        text += "" if changed else ", nothing to do"
        problems = [f"{name}: {error}" for name, error in self.failed.items()]
        problems += [
            f"{result.dataset}: {problem}" for result in self.results for problem in result.problems
        ]
        return "; ".join([text, *problems])

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the list of runs."""
        return {
            "datasets": len(self.results) + len(self.failed),
            "reduction files": sum(len(result.file_results) for result in self.results),
            "failed": len(self.failed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "datasets": [result.to_dict() for result in self.results],
            "failed": self.failed,
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each `.pypeit` file."""
        import pandas as pd

        rows = [
            (
                result.dataset,
                file.path.parent.parent.name,
                file.used,
                file.frames,
                file.custom,
                file.problem,
            )
            for result in self.results
            for file in result.file_results
        ]
        rows += [(name, "", 0, 0, "", error) for name, error in self.failed.items()]
        names = ["dataset", "reduction", "used", "frames", "custom file", "problem"]
        return pd.DataFrame(rows, columns=names)

    def frames(self) -> pd.DataFrame:
        """One row for each frame of all datasets: used or not, and why."""
        import pandas as pd

        tables = [result.to_frame().assign(dataset=result.dataset) for result in self.results]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}\n\n{self.to_frame().to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The `.pypeit` files; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + frame_html(self.to_frame())
