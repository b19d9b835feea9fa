"""The commands that ran, for people: how long each took, and how much memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kpfnb.adap.pypeit.command import Step

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("step", "seconds", "peak memory (MB)", "failure")


def row(step: Step) -> tuple[str, float, int, str]:
    """The values of the columns."""
    return step.name, round(step.seconds, 1), round((step.peak_bytes or 0) / 1e6), step.failure


def frame(steps: Iterable[Step]) -> pd.DataFrame:
    """One row a command."""
    import pandas as pd

    return pd.DataFrame(map(row, steps), columns=list(COLUMNS))


def peak_bytes(steps: Iterable[Step]) -> int:
    """The memory of the largest process at its largest; 0 where it is not known."""
    return max((step.peak_bytes or 0 for step in steps), default=0)


def figures(steps: Sequence[Step]) -> dict[str, float]:
    """Key figures for the run list; none where nothing ran."""
    if not steps:
        return {}
    return {
        "minutes": round(sum(step.seconds for step in steps) / 60, 1),
        "peak memory (GB)": round(peak_bytes(steps) / 1e9, 2),
    }
