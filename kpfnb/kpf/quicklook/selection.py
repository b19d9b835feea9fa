"""Which files of a data root are meant: a range, levels, and how old they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from kpfnb import settings
from kpfnb.errors import BadParameter
from kpfnb.kpf.quicklook import targets, window
from kpfnb.kpf.quicklook.targets import Target

DAY_SECONDS = 86_400


class Age(StrEnum):
    """Which files are meant, by their time of modification."""

    ANY = "any"
    RECENT = "recent"
    """Less than a day ago."""
    OLD = "old"
    """A day ago or more."""


def is_of_age(path: str, age: str) -> bool:
    """Whether a file was modified as lately as asked; one that is not there is of any age only."""
    if age == Age.ANY:
        return True
    try:
        modified = Path(path).stat().st_mtime
    except OSError:
        return False
    return (modified >= time.time() - DAY_SECONDS) == (age == Age.RECENT)


def find(
    start: str,
    end: str = "",
    *,
    levels: Sequence[str] = (),
    age: str = Age.ANY,
    root: Path | str | None = None,
) -> list[Target]:
    """The files of a range in the order of the work, from their names.

    Parameters
    ----------
    start, end : YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss (UT), both included in full; an empty
        end is the start; an end before the start: newest first
    levels : of L0, 2D, L1, L2 and master; none: all
    age : any, recent (modified less than a day ago) or old
    root : the KPF data root; that of the settings if None

    Raises
    ------
    BadParameter : a parameter that is impossible
    BadInput : the data root has none of the levels
    """
    span = window.parse(start, end)
    if age not in list(Age):
        raise BadParameter(f"age: {age!r}", f"it is one of {', '.join(Age)}")
    yesterday = time.time() - DAY_SECONDS
    here = settings.load(**({"data_root": root} if root else {}))
    return targets.find(
        here.kpf_root,
        span,
        levels,
        since=yesterday if age == Age.RECENT else 0,
        before=yesterday if age == Age.OLD else 0,
    )
