"""The list of junk observations: they are never processed and never missed."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.obsid import ObsID

# Lists of observations: the first column of a CSV file, as Jump and spreadsheets write it.


def read_first_column(path: Path | str) -> list[str]:
    """The first cell of each line without quotes and spaces, '' for a blank one.

    Lines are split by hand: one row with an unbalanced quote must not swallow those below it.
    CRLF, a byte order mark and odd bytes do no harm. A file that can't be read is a `InvalidInputError`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InvalidInputError(
            f"can't read the list {path}: {error.strerror}", "name a CSV file that is there"
        ) from None
    return [clean_name(line.split(",", 1)[0]) for line in text.splitlines()]


def clean_name(cell: str) -> str:
    """A name without the quotes and spaces around it."""
    return cell.strip().strip("\"'").strip()


JUNK_HEADER_LINES = 2


class JunkList(NamedTuple):
    """The observations that are junk, and what a person should know about the list.

    Attributes
    ----------
    nights : night (YYYYMMDD) to the ObsIDs of its junk
    problem : why a list that is there can't be read; '' as a rule
    """

    nights: dict[str, frozenset[str]]
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def obsids(self) -> frozenset[str]:
        """All of them."""
        return frozenset().union(*self.nights.values())

    def for_night(self, night: str) -> frozenset[str]:
        """The ObsIDs of the junk of a night."""
        return self.nights.get(night, frozenset())


def read_junk_list(path: Path) -> JunkList:
    """The observations that the list names, with or without `.fits`; no list: nothing is junk."""
    if not path.exists():
        return JunkList({}, (f"no junk list at {path}: nothing counts as junk",))
    try:
        cells = read_first_column(path)
    except InvalidInputError as error:
        return JunkList({}, (f"{error.what}: nothing counts as junk",), error.what)
    names = [_parse_obsid(cell) for cell in cells]
    body = list(zip(cells, names, strict=True))[JUNK_HEADER_LINES:]
    odd = [cell for cell, name in body if cell and not name]
    notes = (f"junk list: {len(odd)} rows name no observation, first {odd[0]!r}",) if odd else ()
    found = sorted({name for name in names if name})
    by_night = groupby(found, key=attrgetter("night"))
    return JunkList({night: frozenset(map(str, group)) for night, group in by_night}, notes)


def _parse_obsid(cell: str) -> ObsID | None:
    try:
        return ObsID.parse(cell)
    except InvalidInputError:
        return None
