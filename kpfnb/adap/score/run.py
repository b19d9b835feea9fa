"""Score many reductions: one, those of a dataset, or all below a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kpfnb import compute, files, settings
from kpfnb.adap import dataset as datasets
from kpfnb.adap.reducing import workplace
from kpfnb.adap.scoring import scorecard, scorelimits, scorerow
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.adap.scoring.scorelimits import Criteria
from kpfnb.adap.scoring.scorerow import Row
from kpfnb.adap.scoring.scores import Scores
from kpfnb.errors import BadInput

DEPTH = 3
"""Folders of a dataset's name: mask, configuration and date."""


@dataclass(frozen=True)
class Place:
    """A reduction and the dataset that it is of."""

    folder: Path
    dataset: str

    def __str__(self) -> str:
        return f"{self.dataset} ({self.folder.name})"


def run(
    root: str | Path | Sequence[str | Path],
    *,
    limits: str | Path = "",
    dry_run: bool = False,
    progress: bool = True,
) -> Scores:
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
    BadInput : nothing to score there, or the limits can't be read; before any work
    """
    criteria = scorelimits.load(limits)
    roots = [root] if isinstance(root, str | Path) else list(root)
    places = list(dict.fromkeys(place for one in roots for place in find(Path(one))))
    work = partial(_score, criteria=criteria, write=not dry_run)
    outcomes = compute.run(work, places, title="scorecards", progress=progress)
    scored = [one.value for one in outcomes if one.value is not None]
    return Scores(
        cards=tuple(card for card, _ in scored),
        criteria=criteria,
        failed=tuple((str(one.key), one.error) for one in outcomes if one.value is None),
        written=tuple(path for _, paths in scored for path in paths),
        dry_run=dry_run,
    )


def find(root: Path) -> list[Place]:
    """The reductions at or below a folder, in order. `BadInput` where there is none.

    A relative folder that is not here is looked for in the work directory, and among its datasets.
    """
    root = root.expanduser()
    if not root.is_dir() and not root.is_absolute():
        work_dir = settings.load().work_dir
        places = (work_dir / root, work_dir / datasets.FOLDER / root)
        root = next((place for place in places if place.is_dir()), places[-1])
    root = root.absolute()
    if not root.is_dir():
        raise BadInput(f"no folder {root}", "name a reduction, a dataset or a folder of datasets")
    found = [root] if any(root.glob("*/*.pypeit")) else _below(root)
    if not found:
        raise BadInput(
            f"no reduction in {root}",
            "reductions are in mask/config/date/complete/reduce, with a .pypeit file in a folder",
        )
    return [Place(folder, name_of(folder)) for folder in found]


def name_of(folder: Path) -> str:
    """The dataset of a reduction by its place; that of the folder itself elsewhere."""
    if folder.parent.name != datasets.COMPLETE:
        return folder.name
    parts = folder.parent.parent.parts
    try:
        return str(datasets.parse("/".join(parts[-DEPTH:])))
    except BadInput:
        return parts[-1]


def _below(root: Path) -> list[Path]:
    """The reductions of a dataset, or of datasets up to three folders down; raw is not entered."""
    patterns = [f"{'*/' * depth}{datasets.COMPLETE}/{datasets.REDUCTIONS}" for depth in range(4)]
    candidates = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return [
        path
        for path in candidates
        if datasets.is_reduction(path.name) and any(path.glob("*/*.pypeit"))
    ]


def _score(place: Place, *, criteria: Criteria, write: bool) -> tuple[Scorecard, list[Path]]:
    card = scorecard.score(
        place.folder, place.dataset, criteria=criteria, kept=_earlier(place.folder)
    )
    return card, card.write() if write else []


def _earlier(folder: Path) -> list[Row]:
    """The rows of an earlier scorecard of this very reduction, by its date."""
    path, record = folder / scorecard.FILE, folder / workplace.RECORD
    if not path.is_file():
        return []
    started = str(files.read_json(record).get("started") or "") if record.is_file() else ""
    return [row for row in scorerow.read(path) if not started or row.date == started[:10]]
