"""Scorecards in a sheet: a tab of the latest, one of what failed, the rest by first letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from kpfnb.adap.score.row import FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.storage import sheets
from kpfnb.storage.sheets import SheetChanges, SheetTable, Workbook
from kpfnb.storage.sheets.workbook import ChangePlan

LATEST_TAB, FAILED_TAB = "latest", "Failed"
LETTER_TABS = ("0-9", "A-B", "C", "D-F", "G-H", "I-L", "M", "N-R", "S", "T-V", "W-Z")
TABS = (LATEST_TAB, FAILED_TAB, *LETTER_TABS)
LATEST_DAYS = 5

KEY_COLUMNS = ("dataset", "science_file", "reduce_dir")
"""What tells rows apart; the dataset first, whose rows are replaced as a whole."""


@dataclass(frozen=True, repr=False)
class SheetUpdateResult(OneLineRepr):
    """What a sheet was told; a `kpfnb.core.result.Result` but for tables and pictures.

    Attributes
    ----------
    place : the book
    changes : by tab
    """

    place: str
    datasets: tuple[str, ...]
    changes: Mapping[str, SheetChanges] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """What goes wrong is raised."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        told = [f"{tab}: {changes}" for tab, changes in self.changes.items() if changes]
        what = f"{len(self.datasets)} datasets in {self.place}"
        start = "dry run: would tell of " if self.dry_run else "told of "
        return start + what + ("; " + "; ".join(told) if told else "; nothing changed")

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


def update_sheet(
    scorecards: Iterable[Scorecard],
    book: Workbook | None = None,
    *,
    latest_days: int = LATEST_DAYS,
    dry_run: bool = False,
) -> SheetUpdateResult:
    """Write scorecards into a sheet, in one batch.

    A dataset's rows are replaced by its new ones, in every tab where they belong; they go from
    `Failed` where it failed no more. Rows of other datasets are never touched, but for `latest`.

    Parameters
    ----------
    book : by default that of the settings
    latest_days : rows of `latest` that are so many days older than the oldest new one go

    Raises
    ------
    InvalidInputError, InvalidSettingsError, ServiceUnavailableError : the sheet can't be used
    """
    cards = list(scorecards)
    book = book or sheets.open_workbook()
    names = tuple(sorted({card.dataset for card in cards}))
    plans = plan_tabs(cards, latest_days=latest_days)
    if not names:
        return SheetUpdateResult(book.name, (), {}, dry_run)
    there = set(book.tabs())
    # A tab that is not there is made only where it gets a row
    wanted = {tab: plan for tab, plan in plans.items() if tab in there or plan(SheetTable()).added}
    if dry_run:
        tables = {tab: book.read(tab) if tab in there else SheetTable() for tab in wanted}
        changes = {tab: plan(tables[tab]) for tab, plan in wanted.items()}
    else:
        changes = book.update_many(wanted, create=True)
    return SheetUpdateResult(book.name, names, changes, dry_run)


def plan_tabs(
    cards: Sequence[Scorecard], *, latest_days: int = LATEST_DAYS
) -> dict[str, ChangePlan]:
    """What is to be done to each tab that these scorecards concern."""
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
    """The tab of a dataset, by its first letter; what begins with none is in 0-9."""
    first = dataset[:1].upper()
    return next((tab for tab in LETTER_TABS if tab[0] <= first <= tab[-1]), LETTER_TABS[0])


def _plan_tab(rows: Sequence[ScorecardRow], names: set[str], *, before: str = "") -> ChangePlan:
    """These rows are all that a tab says of these datasets; rows of a date before that go."""

    def is_over(texts: Mapping[str, str]) -> bool:
        is_theirs = texts.get("dataset", "").strip() in names
        return is_theirs or "" < _parse_day(texts.get("date", "")) < before

    return sheets.replace_rows([row.to_dict() for row in rows], key=KEY_COLUMNS, drop=is_over)


def _date_before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days)).isoformat() if day else ""


def _parse_day(text: str) -> str:
    """The date in a cell; '' for what is none: such a row stays."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return ""
