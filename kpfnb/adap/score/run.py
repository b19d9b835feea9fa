"""Score many reductions: one, those of a dataset, or all below a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kpfnb.adap.products import dataset as datasets
from kpfnb.adap.products import reduction
from kpfnb.adap.score import limits as scorelimits
from kpfnb.adap.score import row as scorerow
from kpfnb.adap.score import scorecard
from kpfnb.adap.score.limits import ScoreCriteria
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.row import ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError

NAME_DEPTH = 3
"""Folders of a dataset's name: mask, configuration and date."""


@dataclass(frozen=True)
class ReductionPlace:
    """A reduction and the dataset that it is of."""

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
    """Score reductions and write scorecard.csv, bad_slits.csv and scorecard_slits.csv beside each.

    A frame that failed has its row, with FAILED; a reduction that can't be scored at all is in the
    result, and does not stop the others. Files that would be the same are not touched.

    Parameters
    ----------
    root : a reduction (`complete/reduce`), a dataset, a folder with datasets below it, or several
    limits : a file of limits; the package's own by default
    dry_run : write nothing

    Raises
    ------
    InvalidInputError : nothing to score there, or the limits can't be read; before any work
    """
    criteria = scorelimits.load_criteria(limits)
    roots = [root] if isinstance(root, str | Path) else list(root)
    places = list(dict.fromkeys(place for one in roots for place in find_reductions(Path(one))))
    work = partial(_score_and_write, criteria=criteria, write=not dry_run)
    outcomes = map_items(work, places, title="scorecards", progress=progress)
    scored = [one.value for one in outcomes if one.value is not None]
    return ScoreResult(
        cards=tuple(card for card, _ in scored),
        criteria=criteria,
        failed=tuple((str(one.key), one.error) for one in outcomes if one.value is None),
        changed_files=tuple(path for _, paths in scored for path in paths),
        dry_run=dry_run,
    )


def find_reductions(root: Path) -> list[ReductionPlace]:
    """The reductions at or below a folder, in order. `InvalidInputError` where there is none.

    A relative folder that is not here is looked for in the work directory, and among its datasets.
    """
    root = root.expanduser()
    if not root.is_dir() and not root.is_absolute():
        work_dir = settings.load_settings().work_dir
        places = (work_dir / root, work_dir / datasets.DATASETS_FOLDER / root)
        root = next((place for place in places if place.is_dir()), places[-1])
    root = root.absolute()
    if not root.is_dir():
        raise InvalidInputError(
            f"no folder {root}", "name a reduction, a dataset or a folder of datasets"
        )
    found = [root] if any(root.glob("*/*.pypeit")) else _reductions_below(root)
    if not found:
        raise InvalidInputError(
            f"no reduction in {root}",
            "reductions are in mask/config/date/complete/reduce, with a .pypeit file in a folder",
        )
    return [ReductionPlace(folder, dataset_name(folder)) for folder in found]


def dataset_name(folder: Path) -> str:
    """The dataset of a reduction by its place; that of the folder itself elsewhere."""
    if folder.parent.name != datasets.COMPLETE:
        return folder.name
    parts = folder.parent.parent.parts
    try:
        return str(datasets.parse_dataset("/".join(parts[-NAME_DEPTH:])))
    except InvalidInputError:
        return parts[-1]


def _reductions_below(root: Path) -> list[Path]:
    """The reductions of a dataset, or of datasets up to three folders down; raw is not entered."""
    patterns = [
        f"{'*/' * depth}{datasets.COMPLETE}/{datasets.REDUCTION_PATTERN}" for depth in range(4)
    ]
    candidates = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return [
        path
        for path in candidates
        if datasets.is_reduction_folder(path.name) and any(path.glob("*/*.pypeit"))
    ]


def _score_and_write(
    place: ReductionPlace, *, criteria: ScoreCriteria, write: bool
) -> tuple[Scorecard, list[Path]]:
    card = scorecard.score_reduction(
        place.folder, place.dataset, criteria=criteria, earlier_rows=_earlier_rows(place.folder)
    )
    return card, card.write() if write else []


def _earlier_rows(folder: Path) -> list[ScorecardRow]:
    """The rows of an earlier scorecard of this very reduction, by its date."""
    path, record = folder / scorecard.SCORECARD_FILE, folder / reduction.RECORD_NAME
    if not path.is_file():
        return []
    started = str(atomic.read_json(record).get("started") or "") if record.is_file() else ""
    return [row for row in scorerow.read_rows(path) if not started or row.date == started[:10]]
