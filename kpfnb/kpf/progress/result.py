"""How far the processing of a range of nights is, and what is missing.

The rules are in `kpfnb.kpf.progress.completeness`; `kpfnb.kpf.progress.evaluation` says which files
are read and what comes from the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.settings import load_settings
from kpfnb.core.text import format_count
from kpfnb.kpf.files import data_root, drp, exposure
from kpfnb.kpf.files.obsid import KPF, ObsID, list_nights, validate_product_levels
from kpfnb.kpf.progress import evaluation, missing_groups, tables
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
)
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.progress.missing import MissingProduct, explain_missing

if TYPE_CHECKING:
    import pandas as pd

ALWAYS_FRESH_NIGHTS = 31
"""A range up to this number of nights is always scanned in full: it takes almost no time."""


@dataclass(frozen=True, repr=False)
class ProgressResult(OneLineRepr):
    """Progress of a range of nights: a `kpfnb.core.result.Result`.

    The assessment itself succeeds even if products are missing; see `complete`.
    """

    root: Path
    start: str
    end: str
    version: str
    """The lowest DRP version that products may have; '' for any."""
    levels: tuple[str, ...]
    nights: tuple[NightProgress, ...]
    """In the requested order: newest first if start is later than end."""
    zone: ZoneInfo
    """The time zone of the times that are shown."""
    started: datetime
    notes: tuple[str, ...] = ()
    require_complete: bool = False
    """Report `partial` if anything is missing, or if there are no observations."""
    empty_reason: str = ""
    """Why nothing could be assessed; '' if there are observations."""

    @property
    def missing(self) -> list[MissingLevel]:
        """Each expected level that is not done."""
        return [item for night in self.nights for item in night.missing]

    @property
    def missing_obsids(self) -> list[str]:
        """The observations to process: those with a missing level and a readable L0."""
        readable = (
            item for item in self.missing if item.reason is not IncompleteReason.L0_UNREADABLE
        )
        return list(dict.fromkeys(item.obsid for item in readable))

    @property
    def missing_l0(self) -> list[Path]:
        """The L0 files of `missing_obsids`, to touch or to process."""
        return [ObsID(obsid).path(self.root, KPF.raw) for obsid in self.missing_obsids]

    @property
    def unreadable_l0(self) -> list[Path]:
        """The L0 files to transfer again: processing can't help."""
        unreadable = IncompleteReason.L0_UNREADABLE
        broken = (item.obsid for item in self.missing if item.reason is unreadable)
        return [ObsID(obsid).path(self.root, KPF.raw) for obsid in broken]

    @property
    def without_l0(self) -> list[str]:
        """The names of the products of observations without an L0: they are not counted."""
        return [name for night in self.nights for name in night.oddities.without_l0]

    @property
    def misplaced(self) -> list[str]:
        """The files in the directory of another night or level, as level/night/name."""
        return [name for night in self.nights for name in night.oddities.misplaced]

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
        """L0 files, including junk."""
        return sum(night.observations for night in self.nights)

    @property
    def complete(self) -> bool:
        """Whether there are observations, and all their expected levels are done."""
        return bool(self.observations) and not any(night.missing for night in self.nights)

    @property
    def outcome(self) -> Outcome:
        """Succeeded, or skipped without files; with `require_complete` partial if incomplete."""
        if self.require_complete and not self.complete:
            return Outcome.PARTIAL
        has_files = self.observations or self.without_l0
        return Outcome.SUCCEEDED if has_files else Outcome.SKIPPED

    @property
    def reason(self) -> str:
        """The percentages in one line; why there are none."""
        others = format_count(len(self.without_l0), "product")
        without = f", {others} without an L0" if self.without_l0 else ""
        if not self.observations:
            return self.empty_reason + without
        parts = [f"{lvl} {_format_percent(count)}" for lvl, count in self.totals.items()]
        rest = f"{len(self.missing)} missing" if self.missing else "complete"
        nights = format_count(len(self.nights), "night")
        return f"{nights}, {', '.join([*parts, rest])}{without}"

    @property
    def range(self) -> str:
        """The requested range in words."""
        if self.start == self.end:
            return f"night {self.start}" if self.start else "all nights"
        return f"nights {self.start or 'from the first'} to {self.end or 'the last'}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Nights, observations, and the percentage and number missing by level."""
        return {
            "nights": len(self.nights),
            "observations": self.observations,
            **{level: _format_percent(count) for level, count in self.totals.items()},
            "missing": len(self.missing),
            **({"products without an L0": len(self.without_l0)} if self.without_l0 else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """For the next step: `complete`, `missing_obsids`, `missing_l0`, and all other values."""
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
            "without_l0": self.without_l0,
            "misplaced": self.misplaced,
            "notes": list(self.remarks),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """Notes about the table."""
        return (
            *self.notes,
            *tables.describe_oddities(self.nights),
            *tables.describe_stored(self.nights, self.started, self.zone),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a night."""
        return tables.make_nights_frame(self.nights, self.levels)

    def missing_frame(self) -> pd.DataFrame:
        """One row a missing level, with the reason in words."""
        return missing_groups.make_frame(self.explained)

    @cached_property
    def explained(self) -> list[MissingProduct]:
        """Each missing level, with what is known of the cause."""
        return explain_missing(self.missing, load_settings(data_root=self.root))

    def __str__(self) -> str:
        table = tables.format_text(self.nights, self.levels, self.zone)
        empty = [] if self.nights else [self.reason]
        remarks = ["", *(f"* {remark}" for remark in self.remarks)] if self.remarks else []
        return "\n".join([table, *empty, *remarks])

    def _repr_html_(self) -> str:
        return (
            f"<p><strong>{escape(self.reason)}</strong></p>"
            f"{tables.format_html(self.nights, self.levels, self.zone)}"
            f"{missing_groups.groups_html(self.explained, self.version) if self.missing else ''}"
            f"{tables.format_remarks(self.remarks)}"
        )


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
    """Assess how far the processing is, night by night.

    Parameters
    ----------
    start, end : nights as YYYYMMDD (UT), both included. `end` empty: only `start`; both empty: all
        nights. `start` later than `end`: newest first
    root : the KPF data root; as in the settings if None
    version : the lowest DRP version that products may have
    check_version : without `version`: require the newest DRPTAG in the range
    levels : the levels to assess
    index : use the index in the work directory
    fresh : read size and time of every file, even in nights that the index would answer for
    require_complete : report `partial` if anything is missing, or if there are no observations

    Raises
    ------
    InvalidParameterError : a date that does not exist, an unknown level, an invalid version
    InvalidInputError : no L0 directory in the data root, or an index of a newer kpfnb
    """
    start, end = _validate_night("start", start), _validate_night("end", end or start)
    levels = validate_product_levels(levels)
    if version:
        drp.validate_version(version)
    config = load_settings(**({"data_root": root} if root else {}))
    names = list_nights(config.kpf_root, start, end, levels=tuple(KPF.levels))
    junk = exposure.read_junk_list(config.junk_path)
    notes = list(junk.notes)
    with HeaderIndex(evaluation.index_path(config) if index else None) as header_index:
        scanner = evaluation.ProgressScanner(config.kpf_root, levels, header_index)
        if check_version and not version:
            version = drp.newest_version(map(scanner.newest_tag, evaluation.show_nights(names)))
            notes.append(f"required version: {version or 'none'}, the newest DRPTAG in the range")
        nights = tuple(
            scanner.assess_night(
                name,
                version=version,
                junk=junk.for_night(name),
                fresh=fresh or len(names) <= ALWAYS_FRESH_NIGHTS,
            )
            for name in evaluation.show_nights(names)
        )
        scanner.prune_index()
    return ProgressResult(
        root=config.kpf_root,
        start=start,
        end=end,
        version=version,
        levels=levels,
        nights=nights,
        zone=config.zone,
        started=scanner.started_at,
        notes=(*notes, *scanner.notes, *header_index.notes),
        require_complete=require_complete,
        empty_reason=""
        if any(night.observations for night in nights)
        else data_root.describe_empty_nights(config.kpf_root, start, end),
    )


def _validate_night(name: str, night: str) -> str:
    try:
        return check_night(night)
    except ValueError as error:
        raise InvalidParameterError(
            f"{name}: {error}, not {night!r}", "for example 20240131"
        ) from None


def _format_percent(count: LevelCount) -> str:
    return "-" if count.percent is None else f"{count.percent} %"
