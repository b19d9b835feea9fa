"""The list of junk observations: they are never processed and never missed."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from kpfnb.errors import BadInput
from kpfnb.kpf import namelist
from kpfnb.kpf.obsid import ObsID

HEADER_LINES = 2


class Junk(NamedTuple):
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

    def of(self, night: str) -> frozenset[str]:
        """The ObsIDs of the junk of a night."""
        return self.nights.get(night, frozenset())


def read(path: Path) -> Junk:
    """The observations that the list names, with or without `.fits`; no list: nothing is junk."""
    if not path.exists():
        return Junk({}, (f"no junk list at {path}: nothing counts as junk",))
    try:
        cells = namelist.first_column(path)
    except BadInput as error:
        return Junk({}, (f"{error.what}: nothing counts as junk",), error.what)
    names = [_obsid(cell) for cell in cells]
    body = list(zip(cells, names, strict=True))[HEADER_LINES:]
    odd = [cell for cell, name in body if cell and not name]
    notes = (f"junk list: {len(odd)} rows name no observation, first {odd[0]!r}",) if odd else ()
    found = sorted({name for name in names if name})
    by_night = groupby(found, key=attrgetter("night"))
    return Junk({night: frozenset(map(str, group)) for night, group in by_night}, notes)


def _obsid(cell: str) -> ObsID | None:
    try:
        return ObsID.parse(cell)
    except BadInput:
        return None
