"""Score reductions (one, all of a dataset, or all below a directory) and publish the scorecards.

The Google sheet has tabs of the latest rows, of failed frames, and by first letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kpfnb.adap.products import dataset
from kpfnb.adap.products.reduction import RECORD_NAME
from kpfnb.adap.score.limits import ScoreCriteria, load_criteria
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.row import FrameStatus, ScorecardRow, read_rows
from kpfnb.adap.score.scorecard import SCORECARD_FILE, Scorecard, score_reduction
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count
from kpfnb.storage import sheets
from kpfnb.storage.sheets import SheetChanges, SheetTable, Workbook
from kpfnb.storage.sheets.workbook import ChangePlan

LATEST_TAB, FAILED_TAB = "latest", "Failed"
LETTER_TABS = ("0-9", "A-B", "C", "D-F", "G-H", "I-L", "M", "N-R", "S", "T-V", "W-Z")
TABS = (LATEST_TAB, FAILED_TAB, *LETTER_TABS)
LATEST_DAYS = 5

KEY_COLUMNS = ("dataset", "science_file", "reduce_dir")
"""The columns that identify a row. All rows of a dataset are replaced at once."""

NAME_DEPTH = 3
"""Directories of a dataset's name: mask, configuration and date."""


@dataclass(frozen=True, repr=False)
class SheetUpdateResult(OneLineRepr):
    """What was changed in a sheet.

    Attributes
    ----------
    place : name of the workbook
    changes : by tab
    """

    place: str
    datasets: tuple[str, ...]
    changes: Mapping[str, SheetChanges] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Always succeeded, because errors are raised."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        changed = [f"{tab}: {changes}" for tab, changes in self.changes.items() if changes]
        what = f"{format_count(len(self.datasets), 'dataset')} in {self.place}"
        start = "dry run: would update " if self.dry_run else "updated "
        return start + what + ("; " + "; ".join(changed) if changed else "; nothing changed")

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "sheet": self.place,
            "datasets": list(self.datasets),
            "tabs": {tab: str(changes) for tab, changes in self.changes.items()},
            "dry_run": self.dry_run,
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


def publish_scorecards(
    scorecards: Iterable[Scorecard],
    workbook: Workbook | None = None,
    *,
    latest_days: int = LATEST_DAYS,
    dry_run: bool = False,
) -> SheetUpdateResult:
    """Write scorecards to a sheet, in one batch.

    In each tab the rows of a dataset are replaced by its new rows; a dataset without failed frames
    has no rows in `Failed`. Rows of other datasets are not touched, except old rows in `latest`.

    Parameters
    ----------
    workbook : by default the one in the settings
    latest_days : drop rows of `latest` that are this number of days older than the oldest new row

    Raises
    ------
    InvalidInputError, InvalidSettingsError, ServiceUnavailableError : the sheet can't be used
    """
    cards = list(scorecards)
    workbook = workbook or sheets.open_workbook()
    names = tuple(sorted({card.dataset for card in cards}))
    plans = plan_tabs(cards, latest_days=latest_days)
    if not names:
        return SheetUpdateResult(workbook.name, (), {}, dry_run)
    existing = set(workbook.tabs())
    # A missing tab is created only if it gets a row
    wanted = {
        tab: plan for tab, plan in plans.items() if tab in existing or plan(SheetTable()).added
    }
    if dry_run:
        tables = {tab: workbook.read(tab) if tab in existing else SheetTable() for tab in wanted}
        changes = {tab: plan(tables[tab]) for tab, plan in wanted.items()}
    else:
        changes = workbook.update_many(wanted, create=True)
    return SheetUpdateResult(workbook.name, names, changes, dry_run)


def plan_tabs(
    cards: Sequence[Scorecard], *, latest_days: int = LATEST_DAYS
) -> dict[str, ChangePlan]:
    """The changes of each tab that has rows of these scorecards."""
    names = {card.dataset for card in cards}
    rows = [row for card in cards for row in card.rows]
    oldest = min(filter(None, (_parse_day(row.date) for row in rows)), default="")
    letters = sorted({tab_for(name) for name in names}, key=TABS.index)
    return {
        LATEST_TAB: _plan_tab(rows, names, before=_date_before(oldest, latest_days)),
        FAILED_TAB: _plan_tab([row for row in rows if row.status == FrameStatus.FAILED], names),
        **{
            tab: _plan_tab([row for row in rows if tab_for(row.dataset) == tab], names)
            for tab in letters
        },
    }


def tab_for(dataset: str) -> str:
    """The tab of a dataset, by its first letter; 0-9 if the name begins with another character."""
    first = dataset[:1].upper()
    return next((tab for tab in LETTER_TABS if tab[0] <= first <= tab[-1]), LETTER_TABS[0])


def _plan_tab(rows: Sequence[ScorecardRow], names: set[str], *, before: str = "") -> ChangePlan:
    """Replace all rows of these datasets in a tab; drop rows with a date before `before`."""

    def is_dropped(texts: Mapping[str, str]) -> bool:
        is_replaced = texts.get("dataset", "").strip() in names
        return is_replaced or "" < _parse_day(texts.get("date", "")) < before

    return sheets.replace_rows([row.to_dict() for row in rows], key=KEY_COLUMNS, drop=is_dropped)


def _date_before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days)).isoformat() if day else ""


def _parse_day(text: str) -> str:
    """The date in a cell; '' if it is not a date: such a row is never dropped."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return ""


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
