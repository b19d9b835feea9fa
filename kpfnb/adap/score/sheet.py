"""Scorecards in a Google sheet: tabs of the latest rows, of failed frames, and by first letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from kpfnb.adap.score.row import FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
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


def update_sheet(
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
    workbook : by default that of the settings
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
