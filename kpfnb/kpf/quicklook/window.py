"""A span of time as the names of files have it: from one moment to another, both included."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kpfnb.errors import BadParameter
from kpfnb.parameters import check_night

HINT = "write it as YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss, as the names of files have it"

_BOUND = re.compile(r"\d{8}(\.(\d{1,5}|\d{5}\.\d{1,2}))?", re.ASCII)
_LOWEST, _HIGHEST = "00000000.00000.00", "99999999.99999.99"


@dataclass(frozen=True)
class Window:
    """The moments (YYYYMMDD.SSSSS.ss, UT) from `first` to `last`; texts sort as times do."""

    first: str
    last: str
    newest_first: bool = False

    def __contains__(self, moment: str) -> bool:
        return self.first <= moment <= self.last

    def meets(self, night: str) -> bool:
        """True where some moment of a night (YYYYMMDD) is within."""
        return self.first[:8] <= night <= self.last[:8]


def parse(start: str, end: str = "") -> Window:
    """The window between two bounds; an empty end is the start again.

    A bound is the beginning of a name's time: 20240115 is that whole night, 20240115.17 all of its
    seconds from 17000 to 17999. So the end is included in full. An end before the start turns the
    order round: newest first. A wrong bound is a `BadParameter`.
    """
    low, high = _checked("start", start), _checked("end", end or start)
    # A bound within the other is no reversal: from some second on to the end of its night
    newest_first = _lowest(low) > _highest(high)
    if newest_first:
        low, high = high, low
    return Window(_lowest(low), _highest(high), newest_first)


def _lowest(bound: str) -> str:
    return bound + _LOWEST[len(bound) :]


def _highest(bound: str) -> str:
    return bound + _HIGHEST[len(bound) :]


def _checked(name: str, text: str) -> str:
    bound = str(text).strip().removeprefix("KP.")
    if not _BOUND.fullmatch(bound):
        raise BadParameter(f"{name}: {text!r} is no moment of a file name", HINT)
    try:
        check_night(bound[:8])
    except ValueError as error:
        raise BadParameter(f"{name}: {text!r}: {error}", HINT) from None
    return bound
