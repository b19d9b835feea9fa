"""A local workbook: a folder with one CSV file a tab, that any spreadsheet program opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kpfnb.core import atomic, locks, spreadsheet_cells
from kpfnb.core.errors import InvalidInputError
from kpfnb.storage.sheets.workbook import ChangePlan, SheetChanges, SheetTable, missing_tab_error

LOCK_TIMEOUT_SECONDS = 30
"""For another process that writes into the same workbook."""


class LocalWorkbook:
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

    def read(self, tab: str) -> SheetTable:
        """A tab as it is now."""
        return SheetTable.from_rows(self._read_rows(tab), f"{self.name}, tab {tab}")

    def update(self, tab: str, plan: ChangePlan, *, create: bool = False) -> SheetChanges:
        """Change a tab by a plan; see `Workbook.revise`."""
        return self.update_many({tab: plan}, create=create)[tab]

    def update_many(
        self, plans: Mapping[str, ChangePlan], *, create: bool = False
    ) -> dict[str, SheetChanges]:
        """Change several tabs; see `Workbook.revise_all`. Each file is written as a whole."""
        with locks.acquire_lock(f"workbook-{self._folder}", wait_seconds=LOCK_TIMEOUT_SECONDS):
            found = {tab: self._existing_rows(tab, create=create) for tab in plans}
            done = {
                tab: plan(SheetTable.from_rows(found[tab] or [], f"{self.name}, tab {tab}"))
                for tab, plan in plans.items()
            }
            for tab, changes in done.items():
                if changes or found[tab] is None:
                    atomic.write_text(
                        self._file(tab), _encode_csv(_apply_changes(found[tab] or [], changes))
                    )
        return done

    def _existing_rows(self, tab: str, *, create: bool) -> list[list[str]] | None:
        """The rows of a tab; None where it is to be made."""
        return None if create and not self._file(tab).exists() else self._read_rows(tab)

    def _file(self, tab: str) -> Path:
        if not tab or tab.startswith(".") or set(tab) & set("/\\\0"):
            raise InvalidInputError(
                f"{tab!r} is no name of a tab", "it must be good as a file's name"
            )
        return self._folder / f"{tab}.csv"

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


def _apply_changes(
    rows: Sequence[Sequence[str]], changes: SheetChanges
) -> list[list[spreadsheet_cells.CellValue]]:
    """The rows after the changes; what was not changed is as it was, to the letter."""
    result: list[list[spreadsheet_cells.CellValue]] = [list(row) for row in rows]
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


def _encode_csv(rows: Iterable[Sequence[spreadsheet_cells.CellValue]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([spreadsheet_cells.display_text(value) for value in row] for row in rows)
    return text.getvalue()
