"""Scorecards in a sheet: a tab of the latest, one of what failed, the rest by first letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from kpfnb import sheets
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.adap.scoring.scorerow import Row, Status
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief
from kpfnb.sheets import Book, Changes, Table
from kpfnb.sheets.table import Plan

LATEST, FAILED = "latest", "Failed"
LETTERS = ("0-9", "A-B", "C", "D-F", "G-H", "I-L", "M", "N-R", "S", "T-V", "W-Z")
TABS = (LATEST, FAILED, *LETTERS)
LATEST_DAYS = 5

KEY = ("dataset", "science_file", "reduce_dir")
"""What tells rows apart; the dataset first, whose rows are replaced as a whole."""


@dataclass(frozen=True, repr=False)
class Published(Brief):
    """What a sheet was told; a `kpfnb.result.Result` but for tables and pictures.

    Attributes
    ----------
    place : the book
    changes : by tab
    """

    place: str
    datasets: tuple[str, ...]
    changes: Mapping[str, Changes] = field(default_factory=dict)
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


def publish(
    scorecards: Iterable[Scorecard],
    book: Book | None = None,
    *,
    latest_days: int = LATEST_DAYS,
    dry_run: bool = False,
) -> Published:
    """Write scorecards into a sheet, in one batch.

    A dataset's rows are replaced by its new ones, in every tab where they belong; they go from
    `Failed` where it failed no more. Rows of other datasets are never touched, but for `latest`.

    Parameters
    ----------
    book : by default that of the settings
    latest_days : rows of `latest` that are so many days older than the oldest new one go

    Raises
    ------
    BadInput, BadSettings, ServiceUnavailable : the sheet can't be used
    """
    cards = list(scorecards)
    book = book or sheets.open()
    names = tuple(sorted({card.dataset for card in cards}))
    plans = plans_of(cards, latest_days=latest_days)
    if not names:
        return Published(book.name, (), {}, dry_run)
    there = set(book.tabs())
    # A tab that is not there is made only where it gets a row
    wanted = {tab: plan for tab, plan in plans.items() if tab in there or plan(Table()).added}
    if dry_run:
        tables = {tab: book.read(tab) if tab in there else Table() for tab in wanted}
        changes = {tab: plan(tables[tab]) for tab, plan in wanted.items()}
    else:
        changes = book.revise_all(wanted, create=True)
    return Published(book.name, names, changes, dry_run)


def plans_of(cards: Sequence[Scorecard], *, latest_days: int = LATEST_DAYS) -> dict[str, Plan]:
    """What is to be done to each tab that these scorecards concern."""
    names = {card.dataset for card in cards}
    rows = [row for card in cards for row in card.rows]
    oldest = min(filter(None, (_day(row.date) for row in rows)), default="")
    letters = sorted({tab_of(name) for name in names}, key=TABS.index)
    return {
        LATEST: _plan(rows, names, before=_days_before(oldest, latest_days)),
        FAILED: _plan([row for row in rows if row.status == Status.FAILED], names),
        **{
            tab: _plan([row for row in rows if tab_of(row.dataset) == tab], names)
            for tab in letters
        },
    }


def tab_of(dataset: str) -> str:
    """The tab of a dataset, by its first letter; what begins with none is in 0-9."""
    first = dataset[:1].upper()
    return next((tab for tab in LETTERS if tab[0] <= first <= tab[-1]), LETTERS[0])


def _plan(rows: Sequence[Row], names: set[str], *, before: str = "") -> Plan:
    """These rows are all that a tab says of these datasets; rows of a date before that go."""

    def is_over(texts: Mapping[str, str]) -> bool:
        is_theirs = texts.get("dataset", "").strip() in names
        return is_theirs or "" < _day(texts.get("date", "")) < before

    return sheets.replace([row.to_dict() for row in rows], key=KEY, drop=is_over)


def _days_before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days)).isoformat() if day else ""


def _day(text: str) -> str:
    """The date in a cell; '' for what is none: such a row stays."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return ""
