"""A local workbook: a folder with one CSV file a tab, that any spreadsheet program opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kpfnb import cells, files, locks
from kpfnb.errors import BadInput
from kpfnb.sheets.table import Changes, Plan, Table, no_tab

WAIT_SECONDS = 30
"""For another process that writes into the same workbook."""


class LocalBook:
    """The workbook in a folder, which is made when it is first written to."""

    tab = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @property
    def name(self) -> str:
        """Its folder."""
        return str(self._folder)

    def tabs(self) -> list[str]:
        """The names of its files."""
        paths = self._folder.glob("*.csv") if self._folder.is_dir() else ()
        return sorted(one.stem for one in paths if not one.name.startswith("."))

    def read(self, tab: str) -> Table:
        """A tab as it is now."""
        return Table.of(self._rows(tab), f"{self.name}, tab {tab}")

    def revise(self, tab: str, plan: Plan, *, create: bool = False) -> Changes:
        """Change a tab by a plan; see `Book.revise`."""
        return self.revise_all({tab: plan}, create=create)[tab]

    def revise_all(self, plans: Mapping[str, Plan], *, create: bool = False) -> dict[str, Changes]:
        """Change several tabs; see `Book.revise_all`. Each file is written as a whole."""
        with locks.hold(f"workbook-{self._folder}", wait_seconds=WAIT_SECONDS):
            found = {tab: self._found(tab, create=create) for tab in plans}
            done = {
                tab: plan(Table.of(found[tab] or [], f"{self.name}, tab {tab}"))
                for tab, plan in plans.items()
            }
            for tab, changes in done.items():
                if changes or found[tab] is None:
                    files.write_text(self._file(tab), _written(_changed(found[tab] or [], changes)))
        return done

    def _found(self, tab: str, *, create: bool) -> list[list[str]] | None:
        """The rows of a tab; None where it is to be made."""
        return None if create and not self._file(tab).exists() else self._rows(tab)

    def _file(self, tab: str) -> Path:
        if not tab or tab.startswith(".") or set(tab) & set("/\\\0"):
            raise BadInput(f"{tab!r} is no name of a tab", "it must be good as a file's name")
        return self._folder / f"{tab}.csv"

    def _rows(self, tab: str) -> list[list[str]]:
        file = self._file(tab)
        try:
            # Spreadsheet programs put a byte order mark first; line ends belong to the cells
            with file.open(encoding="utf-8-sig", newline="") as stream:
                rows = list(csv.reader(stream, strict=True))
        except FileNotFoundError:
            raise no_tab(self.name, tab, self.tabs()) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadInput(f"can't read {file}: {error}", "save it as CSV in UTF-8") from None
        if rows and len(rows[0]) == 1 and ";" in rows[0][0]:
            raise BadInput(f"{file} is separated by semicolons", "save it with commas")
        return rows


def _changed(rows: Sequence[Sequence[str]], changes: Changes) -> list[list[cells.Value]]:
    """The rows after the changes; what was not changed is as it was, to the letter."""
    result: list[list[cells.Value]] = [list(row) for row in rows]
    while result and not any(result[-1]):
        result.pop()
    for (row, column), value in changes.cells.items():
        while len(result) <= row:
            result.append([])
        result[row] += [""] * (column + 1 - len(result[row]))
        result[row][column] = value
    kept = [row for number, row in enumerate(result) if number not in changes.removed]
    kept += map(list, changes.added)
    width = max(map(len, kept), default=0)
    return [[*row, *[""] * (width - len(row))] for row in kept]


def _written(rows: Iterable[Sequence[cells.Value]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([cells.shown(value) for value in row] for row in rows)
    return text.getvalue()
