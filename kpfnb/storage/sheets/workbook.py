"""A tab as it was read, the changes to be made in it, and what all kinds of books can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kpfnb import cells
from kpfnb.cells import Value
from kpfnb.errors import BadInput


@dataclass(frozen=True)
class Table:
    """The rows of a tab, the first included, as text; all are of the same width.

    Attributes
    ----------
    place : the book and the tab, for messages
    """

    rows: tuple[tuple[str, ...], ...] = ()
    place: str = "the sheet"

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]], place: str = "the sheet") -> Table:
        """From rows of any length; what `cells.value` did is undone, empty last rows are left."""
        kept = [[cells.read(text) for text in row] for row in rows]
        while kept and not any(kept[-1]):
            kept.pop()
        width = max(map(len, kept), default=0)
        return cls(tuple((*row, *[""] * (width - len(row))) for row in kept), place)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.rows[0]) if self.rows else 0

    def column(self, name: str) -> int:
        """The index of a column by its title (in the first row, in any case) or its letters."""
        titles = [title.strip().lower() for title in self.rows[0]] if self.rows else []
        if name.strip().lower() in titles:
            return titles.index(name.strip().lower())
        found = cells.index(name)
        if found is None:
            known = ", ".join(filter(None, self.rows[0])) if self.rows else "none"
            raise BadInput(
                f"{self.place} has no column {name!r}",
                f"name it by letters, as B or AB, or by its title; titles are: {known}",
            )
        return found

    def cell(self, row: int, column: int) -> str:
        """The text of a cell; '' outside the table."""
        in_table = row < len(self.rows) and column < self.width
        return self.rows[row][column] if in_table else ""

    def rows_of(self, column: int, start: int = 0) -> dict[str, list[int]]:
        """The indices of the rows by their name in a column; a name may stand there twice."""
        found: dict[str, list[int]] = {}
        for row in range(start, len(self.rows)):
            if name := self.cell(row, column).strip():
                found.setdefault(name, []).append(row)
        return found


@dataclass(frozen=True)
class Changes:
    """What is to be done to a table, all of it or nothing; indices are those before it.

    Attributes
    ----------
    cells : new values by row and column
    removed : rows that go
    added : rows to come after the last one
    """

    cells: Mapping[tuple[int, int], Value] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: tuple[tuple[Value, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.cells or self.removed or self.added)

    def __str__(self) -> str:
        told = {"changed": len({row for row, _ in self.cells}), "removed": len(self.removed)}
        told["added"] = len(self.added)
        parts = [f"{count} rows {what}" for what, count in told.items() if count]
        return ", ".join(parts) or "nothing changed"


Plan = Callable[[Table], Changes]
"""What is to be changed, by what is there. It may be asked again, after trouble on the way."""


class Book(Protocol):
    """A spreadsheet with its tabs. Every call may raise `BadInput` or `ServiceUnavailable`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def tab(self) -> str:
        """The tab and column that its address names, as `WorkQueue@B`, or ''."""

    def tabs(self) -> list[str]:
        """The titles of its tabs."""

    def read(self, tab: str) -> Table:
        """A tab as it is now."""

    def revise(self, tab: str, plan: Plan, *, create: bool = False) -> Changes:
        """Read a tab, let `plan` decide what is to be changed, and change that in one batch.

        Parameters
        ----------
        create : make the tab, empty, where there is none
        """

    def revise_all(self, plans: Mapping[str, Plan], *, create: bool = False) -> dict[str, Changes]:
        """`revise` for several tabs by their plans, all of it in one batch; the changes by tab."""


def no_tab(book: str, tab: str, known: Iterable[str]) -> BadInput:
    """The error for a tab that is not there."""
    return BadInput(f"{book} has no tab {tab!r}", f"its tabs are: {', '.join(known) or 'none'}")
