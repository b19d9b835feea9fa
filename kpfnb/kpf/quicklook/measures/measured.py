"""What a measure of a file gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.quality import Verdict


class Measured(NamedTuple):
    """A number; or None, with the reason and the verdict of that.

    Attributes
    ----------
    note : what belongs to the number, such as the names of what was counted; or why there is none
    verdict : if there is no number
    """

    value: float | None
    note: str = ""
    verdict: Verdict = Verdict.NOT_JUDGED


NOT_IN_FILE = Measured(None, "not in the file")

MeasureFunction = Callable[[FitsContent], Measured]

MAX_NAMES = 12


def join_names(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join([*names[:MAX_NAMES], *([f"and {more} more"] if more > 0 else [])])
