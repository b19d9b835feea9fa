"""A local workbook: a directory with one CSV file per tab, which any spreadsheet program opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kpfnb.core import atomic, locks, spreadsheet_cells
from kpfnb.core.errors import InvalidInputError
from kpfnb.storage.sheets.workbook import ChangePlan, SheetChanges, SheetTable, missing_tab_error

LOCK_TIMEOUT_SECONDS = 30
"""How long to wait for another process that writes to the same workbook."""


class LocalWorkbook:
    """The workbook in a directory, which is created by the first change."""

    tab = ""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()

    @property
    def name(self) -> str:
        """Its directory."""
        return str(self._directory)

    def tabs(self) -> list[str]:
        """The names of its tabs, which are the names of its files."""
        paths = self._directory.glob("*.csv") if self._directory.is_dir() else ()
        return sorted(path.stem for path in paths if not path.name.startswith("."))

    def read(self, tab: str) -> SheetTable:
        """Read a tab."""
        return SheetTable.from_rows(self._read_rows(tab), f"{self.name}, tab {tab}")

    def update(self, tab: str, plan: ChangePlan, *, create: bool = False) -> SheetChanges:
        """Change a tab by a plan; see `Workbook.update`."""
        return self.update_many({tab: plan}, create=create)[tab]

    def update_many(
        self, plans: Mapping[str, ChangePlan], *, create: bool = False
    ) -> dict[str, SheetChanges]:
        """Change several tabs; see `Workbook.update_many`. Each file is written as a whole."""
        with locks.acquire_lock(f"workbook-{self._directory}", wait_seconds=LOCK_TIMEOUT_SECONDS):
            rows = {tab: self._existing_rows(tab, create=create) for tab in plans}
            changes_by_tab = {
                tab: plan(SheetTable.from_rows(rows[tab] or [], f"{self.name}, tab {tab}"))
                for tab, plan in plans.items()
            }
            for tab, changes in changes_by_tab.items():
                if changes or rows[tab] is None:
                    text = _encode_csv(apply_changes(rows[tab] or [], changes))
                    atomic.write_text(self._file(tab), text)
        return changes_by_tab

    def _existing_rows(self, tab: str, *, create: bool) -> list[list[str]] | None:
        """The rows of a tab; None if it is to be created."""
        return None if create and not self._file(tab).exists() else self._read_rows(tab)

    def _file(self, tab: str) -> Path:
        if not tab or tab.startswith(".") or set(tab) & set("/\\\0"):
            raise InvalidInputError(
                f"{tab!r} is not a valid name of a tab", "use a name that a file may have"
            )
        return self._directory / f"{tab}.csv"

    def _read_rows(self, tab: str) -> list[list[str]]:
        file = self._file(tab)
        try:
            # Spreadsheet programs put a byte order mark first; line ends belong to the cells
            with file.open(encoding="utf-8-sig", newline="") as stream:
                rows = list(csv.reader(stream, strict=True))
        except FileNotFoundError:
            raise missing_tab_error(self.name, tab, self.tabs()) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidInputError(
                f"can't read {file}: {error}", "save it as CSV in UTF-8"
            ) from None
        if rows and len(rows[0]) == 1 and ";" in rows[0][0]:
            raise InvalidInputError(f"{file} is separated by semicolons", "save it with commas")
        return rows


def apply_changes(
    rows: Sequence[Sequence[str]], changes: SheetChanges
) -> list[list[spreadsheet_cells.CellValue]]:
    """The rows after the changes; cells that were not changed keep their exact text."""
    result: list[list[spreadsheet_cells.CellValue]] = [list(row) for row in rows]
    while result and not any(result[-1]):
        result.pop()
    for (row, column), value in changes.cells.items():
        while len(result) <= row:
            result.append([])
        result[row] += [""] * (column + 1 - len(result[row]))
        result[row][column] = value
    remaining = [row for number, row in enumerate(result) if number not in changes.removed]
    remaining += map(list, changes.added)
    width = max(map(len, remaining), default=0)
    return [[*row, *[""] * (width - len(row))] for row in remaining]


def _encode_csv(rows: Iterable[Sequence[spreadsheet_cells.CellValue]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([spreadsheet_cells.display_text(value) for value in row] for row in rows)
    return text.getvalue()
