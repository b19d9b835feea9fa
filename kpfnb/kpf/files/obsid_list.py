"""Lists of observations: the first column of a CSV file, and the list of junk observations.

Jump and spreadsheets write such files. Junk observations are never processed and never counted as
missing.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.obsid import ObsID

JUNK_HEADER_LINES = 2


class JunkList(NamedTuple):
    """The junk observations, and notes about the list for a person.

    Attributes
    ----------
    nights : night (YYYYMMDD) to the ObsIDs of its junk
    problem : why an existing list can't be read; '' normally
    """

    nights: dict[str, frozenset[str]]
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def obsids(self) -> frozenset[str]:
        """The ObsIDs of all nights."""
        return frozenset().union(*self.nights.values())

    def for_night(self, night: str) -> frozenset[str]:
        """The ObsIDs of a night's junk."""
        return self.nights.get(night, frozenset())


def read_junk_list(path: Path) -> JunkList:
    """The observations in the list, with or without `.fits`; without a list nothing is junk."""
    if not path.exists():
        return JunkList({}, (f"no junk list at {path}: nothing counts as junk",))
    try:
        cells = read_first_column(path)
    except InvalidInputError as error:
        return JunkList({}, (f"{error.what}: nothing counts as junk",), error.what)
    names = [_parse_obsid(cell) for cell in cells]
    body = list(zip(cells, names, strict=True))[JUNK_HEADER_LINES:]
    invalid = [cell for cell, name in body if cell and not name]
    notes = (
        (f"junk list: {len(invalid)} rows name no observation, first {invalid[0]!r}",)
        if invalid
        else ()
    )
    obsids = sorted({name for name in names if name})
    by_night = groupby(obsids, key=attrgetter("night"))
    return JunkList({night: frozenset(map(str, group)) for night, group in by_night}, notes)


def read_first_column(path: Path | str) -> list[str]:
    """The first cell of each line without quotes and spaces, '' for a blank line.

    Lines are split by hand: an unbalanced quote in one row must not affect the rows below it.
    CRLF, a byte order mark and invalid UTF-8 are accepted. An unreadable file is an
    `InvalidInputError`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InvalidInputError(
            f"can't read the list {path}: {error.strerror}", "give the path of a CSV file"
        ) from None
    return [clean_name(line.split(",", 1)[0]) for line in text.splitlines()]


def clean_name(cell: str) -> str:
    """A name without the quotes and spaces around it."""
    return cell.strip().strip("\"'").strip()


def _parse_obsid(cell: str) -> ObsID | None:
    try:
        return ObsID.parse(cell)
    except InvalidInputError:
        return None
