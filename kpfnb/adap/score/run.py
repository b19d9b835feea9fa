"""The scoring of many reductions: one, those of a dataset, or all below a directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kpfnb.adap.products import dataset
from kpfnb.adap.products.reduction import RECORD_NAME
from kpfnb.adap.score.limits import ScoreCriteria, load_criteria
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.row import ScorecardRow, read_rows
from kpfnb.adap.score.scorecard import SCORECARD_FILE, Scorecard, score_reduction
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError

NAME_DEPTH = 3
"""Directories of a dataset's name: mask, configuration and date."""


@dataclass(frozen=True)
class ReductionPlace:
    """A reduction and its dataset."""

    folder: Path
    dataset: str

    def __str__(self) -> str:
        return f"{self.dataset} ({self.folder.name})"


def score_reductions(
    root: str | Path | Sequence[str | Path],
    *,
    limits: str | Path = "",
    dry_run: bool = False,
    progress: bool = True,
) -> ScoreResult:
    """Score reductions and write scorecard.csv, bad_slits.csv and scorecard_slits.csv to each.

    A failed frame has a row with FAILED. A reduction that can't be scored is named in the result,
    and does not stop the others. Unchanged files are not touched.

    Parameters
    ----------
    root : a reduction (`complete/reduce`), a dataset, a directory with datasets, or several
    limits : a file of limits; the package's own by default
    dry_run : write nothing

    Raises
    ------
    InvalidInputError : there is nothing to score, or the limits can't be read; before any work
    """
    criteria = load_criteria(limits)
    roots = [root] if isinstance(root, str | Path) else list(root)
    places = list(dict.fromkeys(place for path in roots for place in find_reductions(Path(path))))
    outcomes = map_items(
        partial(_score_and_write, criteria=criteria, write=not dry_run),
        places,
        title="scorecards",
        progress=progress,
    )
    scored = [item.value for item in outcomes if item.value is not None]
    return ScoreResult(
        cards=tuple(card for card, _ in scored),
        criteria=criteria,
        failed=tuple((str(item.key), item.error) for item in outcomes if item.value is None),
        changed_files=tuple(path for _, paths in scored for path in paths),
        dry_run=dry_run,
    )


def find_reductions(root: Path) -> list[ReductionPlace]:
    """The reductions at or below a directory, in order. `InvalidInputError` if there is none.

    A relative path is also searched in the work directory, and among its datasets.
    """
    root = root.expanduser()
    if not root.is_dir() and not root.is_absolute():
        work_dir = settings.load_settings().work_dir
        candidates = (work_dir / root, work_dir / dataset.DATASETS_FOLDER / root)
        root = next((path for path in candidates if path.is_dir()), candidates[-1])
    root = root.absolute()
    if not root.is_dir():
        raise InvalidInputError(
            f"no directory {root}", "name a reduction, a dataset or a directory of datasets"
        )
    folders = [root] if any(root.glob("*/*.pypeit")) else _reductions_below(root)
    if not folders:
        raise InvalidInputError(
            f"no reduction in {root}",
            "a reduction is mask/config/date/complete/reduce, with a .pypeit file in a directory",
        )
    return [ReductionPlace(folder, dataset_name(folder)) for folder in folders]


def dataset_name(folder: Path) -> str:
    """The dataset of a reduction by its path; the directory's name if it is not in a dataset."""
    if folder.parent.name != dataset.COMPLETE:
        return folder.name
    parts = folder.parent.parent.parts
    try:
        return str(dataset.parse_dataset("/".join(parts[-NAME_DEPTH:])))
    except InvalidInputError:
        return parts[-1]


def _reductions_below(root: Path) -> list[Path]:
    """The reductions of a dataset, or of datasets up to three levels down; skips raw frames."""
    patterns = [
        f"{'*/' * depth}{dataset.COMPLETE}/{dataset.REDUCTION_PATTERN}"
        for depth in range(NAME_DEPTH + 1)
    ]
    candidates = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return [
        path
        for path in candidates
        if dataset.is_reduction_folder(path.name) and any(path.glob("*/*.pypeit"))
    ]


def _score_and_write(
    place: ReductionPlace, *, criteria: ScoreCriteria, write: bool
) -> tuple[Scorecard, list[Path]]:
    earlier_rows = _earlier_rows(place.folder)
    card = score_reduction(
        place.folder, place.dataset, criteria=criteria, earlier_rows=earlier_rows
    )
    return card, card.write() if write else []


def _earlier_rows(folder: Path) -> list[ScorecardRow]:
    """The rows of an earlier scorecard of this same reduction, by its date."""
    path, record = folder / SCORECARD_FILE, folder / RECORD_NAME
    if not path.is_file():
        return []
    started = str(atomic.read_json(record).get("started") or "") if record.is_file() else ""
    return [row for row in read_rows(path) if not started or row.date == started[:10]]
