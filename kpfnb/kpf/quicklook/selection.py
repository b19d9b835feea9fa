"""Which files of a data root are meant: a range, levels, and how old they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.quicklook import targets
from kpfnb.kpf.quicklook import targets as window
from kpfnb.kpf.quicklook.targets import QuicklookTarget

DAY_SECONDS = 86_400


class FileAge(StrEnum):
    """Which files are meant, by their time of modification."""

    ANY = "any"
    RECENT = "recent"
    """Less than a day ago."""
    OLD = "old"
    """A day ago or more."""


def matches_age(path: str, age: str) -> bool:
    """Whether a file was modified as lately as asked; one that is not there is of any age only."""
    if age == FileAge.ANY:
        return True
    try:
        modified = Path(path).stat().st_mtime
    except OSError:
        return False
    return (modified >= time.time() - DAY_SECONDS) == (age == FileAge.RECENT)


def select_targets(
    start: str,
    end: str = "",
    *,
    levels: Sequence[str] = (),
    age: str = FileAge.ANY,
    root: Path | str | None = None,
) -> list[QuicklookTarget]:
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
    InvalidParameterError : a parameter that is impossible
    InvalidInputError : the data root has none of the levels
    """
    span = window.parse_range(start, end)
    if age not in list(FileAge):
        raise InvalidParameterError(f"age: {age!r}", f"it is one of {', '.join(FileAge)}")
    yesterday = time.time() - DAY_SECONDS
    here = settings.load_settings(**({"data_root": root} if root else {}))
    return targets.scan_targets(
        here.kpf_root,
        span,
        levels,
        since=yesterday if age == FileAge.RECENT else 0,
        before=yesterday if age == FileAge.OLD else 0,
    )
