"""One night after the other looked at and judged, or taken from the index where that may be.

A look stats every file of a night; headers are read once and then remembered. For a long range
that takes seconds, so there is one shortcut: unless asked for a fresh look, a night is taken from
the index where

- the same question about it (version, levels, junk) was answered by a full look less than
  `TRUSTED_SECONDS` ago,
- none of its files and directories had changed for `SETTLED_SECONDS` before that look,
- its directories still have the same modification times (no file came, went or was replaced) and
  so have its L0 files (none was touched).

The price: where somebody else touches or rewrites a product of such a night in place, without
making, renaming or removing a file, it is seen up to `TRUSTED_SECONDS` late. What kpfnb itself
touches it tells the index (`touched`), and it is seen at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.obsid import KPF, ObsID, level_dir
from kpfnb.kpf.progress import completeness, night_scan
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
    check_levels,
)
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.progress.night_scan import NightInventory

# How observations stand: is there something to process, and what is lacking?
#
# The rules are those of `kpfnb.kpf.progress.completeness`.


class ObservationStatus(StrEnum):
    """What can be said of an observation before or after processing."""

    DONE = "done"
    INCOMPLETE = "lacking"
    """A product is expected and not done."""
    JUNK = "junk"
    NO_L0 = "no L0 file"
    BAD_L0 = "L0 unreadable"
    """No processing can help it: it has to be transferred again."""


@dataclass(frozen=True)
class ObservationCheck:
    """One observation.

    Attributes
    ----------
    expected : the levels that it should have, of those asked for
    flaws : level to what is wrong with it, in words; the others are done
    """

    obsid: ObsID
    status: ObservationStatus
    expected: tuple[str, ...] = ()
    defects: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """What is wrong, in one line; '' where nothing is."""
        flaws = "; ".join(f"{level} {flaw}" for level, flaw in self.defects.items())
        return flaws or ("" if self.status is ObservationStatus.DONE else str(self.status))


@dataclass(frozen=True)
class CompletenessRules:
    """What is asked of the products.

    Attributes
    ----------
    version : the DRP version that a product must have at least; '' for any
    junk : ObsIDs of which nothing is expected
    """

    root: Path
    levels: Sequence[str]
    version: str = ""
    junk: Collection[str] = ()

    def check_observations(
        self, obsids: Iterable[ObsID], index: HeaderIndex
    ) -> dict[ObsID, ObservationCheck]:
        """Each observation judged by what is on disk now; one look at each night.

        `ServiceUnavailableError` where a directory can't be listed: what can't be seen is not missing.
        """
        by_night = groupby(sorted(obsids), key=lambda obsid: obsid.night)
        return {
            standing.obsid: standing
            for night, group in by_night
            for standing in self._check_night(night, list(group), index)
        }

    def _check_night(
        self, night: str, obsids: list[ObsID], index: HeaderIndex
    ) -> Iterator[ObservationCheck]:
        places = night_scan.level_dirs(self.root, night, self.levels)
        found = night_scan.scan_night(places, night, index=index, tags=bool(self.version))
        if found.notes:
            raise ServiceUnavailableError(
                found.notes[0], "make it readable, or mount its disk again"
            )
        for obsid in obsids:
            yield self._check_observation(obsid, found)

    def _check_observation(self, obsid: ObsID, found: NightInventory) -> ObservationCheck:
        raw = found.raws.get(obsid.text)
        if raw is None:
            return ObservationCheck(obsid, ObservationStatus.NO_L0)
        if obsid.text in self.junk:
            return ObservationCheck(obsid, ObservationStatus.JUNK)
        products = {level: found.products[level].get(obsid.text) for level in self.levels}
        judged = check_levels(raw, products, version=self.version)
        flaws = {level: _describe_reason(*flaw) for level, flaw in judged.items() if flaw}
        if raw.problem:
            return ObservationCheck(obsid, ObservationStatus.BAD_L0, (), {"L0": raw.problem})
        return ObservationCheck(
            obsid,
            ObservationStatus.INCOMPLETE if flaws else ObservationStatus.DONE,
            tuple(judged),
            flaws,
        )


def _describe_reason(reason: IncompleteReason, detail: str) -> str:
    return f"{reason} ({detail})" if detail else str(reason)


INDEX_NAME = "kpf-index.sqlite"

SETTLED_SECONDS = 7 * 86_400
TRUSTED_SECONDS = 86_400

RULES_VERSION = 1
"""Raised when the rules change, so that nights judged by older ones are judged anew."""


def index_path(settings: Settings) -> Path:
    """Where the index is."""
    return settings.work_dir / INDEX_NAME


def mark_touched(index: HeaderIndex, root: Path, night: str) -> None:
    """Tell the index that files of a night were touched in place."""
    index.invalidate_night(level_dir(root, KPF.raw, night))


@dataclass
class ProgressScanner:
    """One look at a range of nights.

    Attributes
    ----------
    started : POSIX time, s; what changes later may or may not be seen
    notes : what could not be looked at
    """

    root: Path
    levels: Sequence[str]
    index: HeaderIndex
    started: float = field(default_factory=time.time)
    notes: list[str] = field(default_factory=list)

    @property
    def started_at(self) -> datetime:
        """When the look began, UTC; `looked_at` of the nights that were looked at."""
        return _from_posix(self.started)

    def assess_night(
        self, name: str, *, version: str, junk: Collection[str], fresh: bool
    ) -> NightProgress:
        """One night judged, from the index where it may be and `fresh` is not asked for."""
        places = night_scan.level_dirs(self.root, name, self.levels)
        # Before the look: what comes during it makes the stamp differ next time
        stamps = night_scan.directory_mtimes(places)
        if not self._is_settled(max(stamps.values())):
            return self._scan_night(name, places, version, junk)[0]
        stamp = json.dumps([stamps, night_scan.sum_mtimes(places[KPF.raw])])
        question = json.dumps([RULES_VERSION, version, list(self.levels), sorted(junk)])
        key = (places[KPF.raw], question, stamp)
        if not fresh:
            answer = self.index.load_night(*key, since=self.started - TRUSTED_SECONDS)
            if answer:
                return _night_from_json(name, answer)
        judged, found = self._scan_night(name, places, version, junk)
        if not found.notes and self._is_settled(found.newest_ns):
            self.index.store_night(*key, looked_at=self.started, answer=_night_to_json(judged))
        return judged

    def newest_tag(self, name: str) -> str:
        """The latest DRPTAG among the products of a night; '' where there is none."""
        places = night_scan.level_dirs(self.root, name, self.levels)
        found = night_scan.scan_night(places, name, index=self.index, tags=True)
        return drp.newest_version(
            {product.tag for products in found.products.values() for product in products.values()}
        )

    def prune_index(self) -> None:
        """Drop from the index what nobody may trust any more."""
        self.index.delete_nights(before=self.started - TRUSTED_SECONDS)

    def _scan_night(
        self, name: str, places: Mapping[str, Path], version: str, junk: Collection[str]
    ) -> tuple[NightProgress, NightInventory]:
        found = night_scan.scan_night(places, name, index=self.index, tags=bool(version))
        self.notes.extend(found.notes)
        last = max((raw.modified_ns for raw in found.raws.values()), default=0)
        judged = completeness.assess_night(
            name,
            found.raws,
            found.products,
            junk=junk,
            version=version,
            looked_at=self.started_at,
            last_l0=_from_posix(last / 1e9) if last else None,
        )
        return judged, found

    def _is_settled(self, modified_ns: int) -> bool:
        return modified_ns / 1e9 < self.started - SETTLED_SECONDS


def _night_to_json(night: NightProgress) -> str:
    return json.dumps(
        {
            "observations": night.observations,
            "junk": night.junk,
            "last_l0": night.last_l0.timestamp() if night.last_l0 else None,
            "counts": night.counts,
            "missing": night.missing,
            "looked_at": night.looked_at.timestamp(),
        }
    )


def _night_from_json(name: str, text: str) -> NightProgress:
    kept: dict[str, Any] = json.loads(text)
    return NightProgress(
        night=name,
        observations=kept["observations"],
        junk=kept["junk"],
        last_l0=_from_posix(kept["last_l0"]) if kept["last_l0"] else None,
        counts={level: LevelCount(*count) for level, count in kept["counts"].items()},
        missing=tuple(
            MissingLevel(obsid, level, IncompleteReason(reason), detail)
            for obsid, level, reason, detail in kept["missing"]
        ),
        looked_at=_from_posix(kept["looked_at"]),
    )


def _from_posix(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
