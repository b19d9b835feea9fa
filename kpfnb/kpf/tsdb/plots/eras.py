"""The eras of the instrument: a CSV of `era,start,comment`, one line an era, start in UT.

The package's own is `panels/eras.csv`; one in the user's folder of panels takes its place.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kpfnb.errors import BadInput
from kpfnb.kpf.tsdb.plots import definitions

FILE_NAME = "eras.csv"
COLUMNS = ("era", "start", "comment")


class Era(NamedTuple):
    """From `start` (UTC) to the start of the next."""

    name: str
    start: datetime
    comment: str = ""


def path() -> Path:
    """The file in force."""
    users = definitions.folder() / FILE_NAME
    return users if users.is_file() else definitions.OWN / FILE_NAME


def load() -> list[Era]:
    """All eras, oldest first. `BadInput` names the file and the line."""
    return read(path())


def read(file: Path) -> list[Era]:
    """The eras of a file."""
    found = []
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, skipinitialspace=True)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise BadInput(f"{file}, line 1: the columns are {', '.join(COLUMNS)}")
            for row in rows:
                found.append(_era(row, f"{file}, line {rows.line_num}"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} can't be read: {error}") from None
    return sorted(found, key=lambda era: era.start)


def _era(row: dict[str, str], where: str) -> Era:
    try:
        start = datetime.fromisoformat(row["start"] or "")
    except ValueError:
        hint = "write it as 2024-02-23 or 2024-02-23T12:00"
        raise BadInput(f"{where}: {row['start']!r} is no time", hint) from None
    return Era(row["era"], start.replace(tzinfo=start.tzinfo or UTC), row["comment"] or "")
