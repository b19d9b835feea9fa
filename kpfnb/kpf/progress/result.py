"""How far is the processing of a range of nights, and what is missing?

The rules are in `kpfnb.kpf.progress.completeness`; what is looked at and what is taken from the index, in
`kpfnb.kpf.progress.evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.kpf.files import drp, obsid_list
from kpfnb.kpf.files.obsid import KPF, ObsID, list_nights, validate_product_levels
from kpfnb.kpf.progress import (
    evaluation,
    plots,
    tables,
    touch,
)
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
)
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.notebook.parameters import check_night

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

ALWAYS_FRESH_NIGHTS = 31
"""In a range of so many nights all files are looked at: it takes no time."""


@dataclass(frozen=True, repr=False)
class ProgressResult(OneLineRepr):
    """The result: a `kpfnb.core.result.Result`.

    The assessment itself succeeds whatever is missing; `complete` says whether anything is.
    """

    root: Path
    start: str
    end: str
    version: str
    """The DRP version that products must have at least; '' where none was asked for."""
    levels: tuple[str, ...]
    nights: tuple[NightProgress, ...]
    """In the order asked for: newest first where start is later than end."""
    zone: ZoneInfo
    """Of the times that people see."""
    started: datetime
    notes: tuple[str, ...] = ()
    require_complete: bool = False
    """Call it partial while anything is missing."""

    @property
    def missing(self) -> list[MissingLevel]:
        """Each level that is expected and not done."""
        return [item for night in self.nights for item in night.missing]

    @property
    def missing_obsids(self) -> list[str]:
        """The observations to process: those with a level missing and an L0 that can be read."""
        lacking = (
            item for item in self.missing if item.reason is not IncompleteReason.L0_UNREADABLE
        )
        return list(dict.fromkeys(item.obsid for item in lacking))

    @property
    def missing_l0(self) -> list[Path]:
        """The L0 files of `missing_obsids`, to touch or to process."""
        return [ObsID(obsid).path(self.root, KPF.raw) for obsid in self.missing_obsids]

    @property
    def unreadable_l0(self) -> list[Path]:
        """The L0 files to transfer again: no processing can help them."""
        broken = (item for item in self.missing if item.reason is IncompleteReason.L0_UNREADABLE)
        return [ObsID(item.obsid).path(self.root, KPF.raw) for item in broken]

    @property
    def totals(self) -> dict[str, LevelCount]:
        """Done and expected by level, over all nights."""
        return {
            level: LevelCount(
                sum(night.counts[level].done for night in self.nights),
                sum(night.counts[level].expected for night in self.nights),
            )
            for level in self.levels
        }

    @property
    def observations(self) -> int:
        """L0 files, junk among them."""
        return sum(night.observations for night in self.nights)

    @property
    def complete(self) -> bool:
        """Observations were found, and all that is expected of them is done."""
        return bool(self.observations) and not any(night.missing for night in self.nights)

    @property
    def outcome(self) -> Outcome:
        """An incomplete processing is not a failure of the look at it, unless that was asked."""
        return Outcome.PARTIAL if self.require_complete and not self.complete else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What was found, in one line."""
        if not self.nights:
            return f"no nights {self.range} in {self.root / KPF.raw}"
        if not self.observations:
            return f"{self._night_count}, no observations"
        parts = [f"{lvl} {_format_percent(count)}" for lvl, count in self.totals.items()]
        missing = f", {len(self.missing)} missing" if not self.complete else ", complete"
        return f"{self._night_count}, {', '.join(parts)}{missing}"

    @property
    def _night_count(self) -> str:
        return f"{len(self.nights)} night{'s' if len(self.nights) > 1 else ''}"

    @property
    def range(self) -> str:
        """The range asked for, in words."""
        if self.start == self.end:
            return self.start or "at all"
        return f"from {self.start or 'the first'} to {self.end or 'the last'}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Nights, observations, and the percentage and number missing by level."""
        return {
            "nights": len(self.nights),
            "observations": self.observations,
            **{level: _format_percent(count) for level, count in self.totals.items()},
            "missing": len(self.missing),
        }

    def to_dict(self) -> dict[str, Any]:
        """For the next step: `complete`, `missing_obsids`, `missing_l0`, and all else by name."""
        return {
            "root": str(self.root),
            "start": self.start,
            "end": self.end,
            "version": self.version,
            "levels": list(self.levels),
            "complete": self.complete,
            "counts": {
                level: {"done": count.done, "expected": count.expected, "percent": count.percent}
                for level, count in self.totals.items()
            },
            "nights": [night.to_dict() for night in self.nights],
            "missing": [item._asdict() for item in self.missing],
            "missing_obsids": self.missing_obsids,
            "missing_l0": [str(path) for path in self.missing_l0],
            "unreadable_l0": [str(path) for path in self.unreadable_l0],
            "notes": list(self.remarks),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the table should know."""
        old = [night.looked_at for night in self.nights if night.looked_at < self.started]
        if not old:
            return self.notes
        moment = min(old).astimezone(self.zone).strftime("%Y-%m-%d %H:%M")
        return (
            *self.notes,
            f"{len(old)} of {len(self.nights)} nights are as last looked at in full, {moment} or"
            " later: no file came or went and no L0 was touched since; --fresh looks at every file",
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a night."""
        return tables.make_nights_frame(self)

    def missing_frame(self) -> pd.DataFrame:
        """One row a level that is missing, with the reason."""
        return tables.make_missing_frame(self)

    def plot(self) -> Figure:
        """Nights × levels, so that a gap is seen at once."""
        return plots.plot_progress(self)

    def hover_plot(self) -> HoverFigure:
        """The plot, and what is missing at the mouse."""
        return plots.hover_progress_plot(self)

    def __str__(self) -> str:
        return tables.format_text(self)

    def _repr_html_(self) -> str:
        return tables.format_html(self)


def assess_progress(
    start: str = "",
    end: str = "",
    *,
    root: Path | str | None = None,
    version: str = "",
    check_version: bool = False,
    levels: Sequence[str] = KPF.products,
    index: bool = True,
    fresh: bool = False,
    require_complete: bool = False,
) -> ProgressResult:
    """How far the processing is, night by night.

    Parameters
    ----------
    start, end : nights as YYYYMMDD (UT), both included. `end` empty: the night `start` alone;
        both empty: all nights. `start` later than `end`: newest first
    root : the KPF data root; that of the settings if None
    version : a product must have this DRP version or a later one
    check_version : without `version`: check for the newest DRPTAG found in the range
    levels : the levels to judge
    index : use the index in the work directory
    fresh : stat every file, even in nights that the index would answer for
    require_complete : call it partial while anything is missing, or there is nothing at all

    Raises
    ------
    InvalidParameterError : a date that does not exist, an unknown level, an impossible version
    InvalidInputError : no L0 directory in the data root, or an index of a newer kpfnb
    """
    start, end = _validate_night("start", start), _validate_night("end", end or start)
    levels = validate_product_levels(levels)
    if version:
        drp.validate_version(version)
    here = settings.load_settings(**({"data_root": root} if root else {}))
    names = list_nights(here.kpf_root, start, end)
    listed = obsid_list.read_junk_list(here.junk_path)
    with HeaderIndex(evaluation.index_path(here) if index else None) as memory:
        look = evaluation.ProgressScanner(here.kpf_root, levels, memory)
        about = []
        if check_version and not version:
            version = drp.newest_version(map(look.newest_tag, _show_progress(names)))
            about = [f"version asked for: {version or 'none'}, the newest DRPTAG in the range"]
        judged = tuple(
            look.assess_night(
                name,
                version=version,
                junk=listed.for_night(name),
                fresh=fresh or len(names) <= ALWAYS_FRESH_NIGHTS,
            )
            for name in _show_progress(names)
        )
        look.prune_index()
    return ProgressResult(
        root=here.kpf_root,
        start=start,
        end=end,
        version=version,
        levels=levels,
        nights=judged,
        zone=here.zone,
        started=look.started_at,
        notes=(*listed.notes, *about, *look.notes, *memory.notes),
        require_complete=require_complete,
    )


def touch_missing(
    progress: ProgressResult,
    *,
    dry_run: bool = False,
    interval_seconds: float = touch.INTERVAL_SECONDS,
) -> touch.TouchResult:
    """Touch the L0 of every observation that lacks a level, so that a watching DRP takes it up."""
    return touch.touch_files(
        progress.missing_obsids,
        root=progress.root,
        interval_seconds=interval_seconds,
        dry_run=dry_run,
    )


def _validate_night(name: str, night: str) -> str:
    try:
        return check_night(night)
    except ValueError as error:
        raise InvalidParameterError(
            f"{name}: {error}, not {night!r}", "for example 20240131"
        ) from None


def _show_progress(names: list[str]) -> Iterable[str]:
    """The nights with a progress bar, in a terminal only, where it takes more than a second."""
    from tqdm import tqdm

    return tqdm(names, disable=None, delay=1, leave=False, unit="night")


def _format_percent(count: LevelCount) -> str:
    return "-" if count.percent is None else f"{count.percent} %"
