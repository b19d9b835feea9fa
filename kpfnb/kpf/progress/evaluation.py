"""Evaluation of observations and nights: the files on disk compared with what is expected.

`CompletenessRules` checks single observations, `ProgressScanner` assesses nights. The rules are in
`kpfnb.kpf.progress.completeness`.

An assessment reads size and time of every file of a night; headers are read once and kept in the
index. That takes seconds for a long range, so there is one shortcut: unless a fresh scan is
requested, a night's result is taken from the index if

- the same question (version, levels, junk) was answered by a full scan less than
  `TRUSTED_SECONDS` ago,
- none of its files and directories had changed for `SETTLED_SECONDS` before that scan,
- its directories still have the same modification times (no file was added, removed or replaced),
  and so have its L0 files (none was touched).

The price: if another program touches or rewrites a product of such a night in place, it is noticed
up to `TRUSTED_SECONDS` late. What kpfnb itself touches it reports to the index (`mark_touched`).
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
    NightOddities,
    NightProgress,
    check_levels,
)
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.progress.night_scan import NightInventory

INDEX_NAME = "kpf-index.sqlite"

SETTLED_SECONDS = 7 * 86_400
TRUSTED_SECONDS = 86_400

RULES_VERSION = 2
"""Increased when the rules change, so that stored results of older rules are not used."""


class ObservationStatus(StrEnum):
    """Status of an observation before or after processing."""

    DONE = "done"
    INCOMPLETE = "incomplete"
    """An expected product is not done."""
    JUNK = "junk"
    NO_L0 = "no L0 file"
    BAD_L0 = "L0 unreadable"
    """Processing can't help: the file has to be transferred again."""


@dataclass(frozen=True)
class ObservationCheck:
    """One observation compared with what is expected of it.

    Attributes
    ----------
    expected : the levels that it should have, of those requested
    defects : level to a description of its defect; the other levels are done
    reasons : level to the reason of its defect
    """

    obsid: ObsID
    status: ObservationStatus
    expected: tuple[str, ...] = ()
    defects: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, IncompleteReason] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """All defects in one line; '' if there are none."""
        defects = "; ".join(f"{level} {defect}" for level, defect in self.defects.items())
        return defects or ("" if self.status is ObservationStatus.DONE else str(self.status))


@dataclass(frozen=True)
class CompletenessRules:
    """What is required of the products.

    Attributes
    ----------
    version : the lowest DRP version that a product may have; '' for any
    junk : ObsIDs of which nothing is expected
    """

    root: Path
    levels: Sequence[str]
    version: str = ""
    junk: Collection[str] = ()

    def check_observations(
        self, obsids: Iterable[ObsID], index: HeaderIndex
    ) -> dict[ObsID, ObservationCheck]:
        """Check observations by what is on disk now; each night is scanned once.

        A directory that can't be listed is a `ServiceUnavailableError`: its files are unknown, not
        missing.
        """
        by_night = groupby(sorted(obsids), key=lambda obsid: obsid.night)
        return {
            check.obsid: check
            for night, group in by_night
            for check in self._check_night(night, list(group), index)
        }

    def _check_night(
        self, night: str, obsids: list[ObsID], index: HeaderIndex
    ) -> Iterator[ObservationCheck]:
        directories = night_scan.level_dirs(self.root, night, self.levels)
        inventory = night_scan.scan_night(directories, night, index=index, tags=bool(self.version))
        if inventory.notes:
            raise ServiceUnavailableError(
                inventory.notes[0], "make it readable, or mount its disk again"
            )
        for obsid in obsids:
            yield self._check_observation(obsid, inventory)

    def _check_observation(self, obsid: ObsID, inventory: NightInventory) -> ObservationCheck:
        raw = inventory.raws.get(obsid.text)
        if raw is None:
            return ObservationCheck(obsid, ObservationStatus.NO_L0)
        if obsid.text in self.junk:
            return ObservationCheck(obsid, ObservationStatus.JUNK)
        if raw.problem:
            return ObservationCheck(obsid, ObservationStatus.BAD_L0, (), {"L0": raw.problem})
        products = {level: inventory.products[level].get(obsid.text) for level in self.levels}
        levels = check_levels(raw, products, version=self.version)
        defects = {level: _describe_defect(*defect) for level, defect in levels.items() if defect}
        reasons = {level: defect[0] for level, defect in levels.items() if defect}
        status = ObservationStatus.INCOMPLETE if defects else ObservationStatus.DONE
        return ObservationCheck(obsid, status, tuple(levels), defects, reasons)


@dataclass
class ProgressScanner:
    """Assesses a range of nights.

    Attributes
    ----------
    started : POSIX time, s; later changes of files may or may not be noticed
    notes : what could not be read
    """

    root: Path
    levels: Sequence[str]
    index: HeaderIndex
    started: float = field(default_factory=time.time)
    notes: list[str] = field(default_factory=list)

    @property
    def started_at(self) -> datetime:
        """When the scan began, UTC; `looked_at` of the nights that it has scanned."""
        return _from_posix(self.started)

    def assess_night(
        self, name: str, *, version: str, junk: Collection[str], fresh: bool
    ) -> NightProgress:
        """How far a night is; from the index if allowed, and if `fresh` is not requested."""
        directories = night_scan.level_dirs(self.root, name, self.levels)
        # Before the scan, so that a file that arrives during it changes the next stamp
        mtimes = night_scan.directory_mtimes(directories)
        if not self._is_settled(max(mtimes.values())):
            return self._scan_night(name, directories, version, junk)[0]
        stamp = json.dumps([mtimes, night_scan.sum_mtimes(directories[KPF.raw])])
        question = json.dumps([RULES_VERSION, version, list(self.levels), sorted(junk)])
        key = (directories[KPF.raw], question, stamp)
        if not fresh:
            answer = self.index.load_night(*key, since=self.started - TRUSTED_SECONDS)
            if answer:
                return _night_from_json(name, answer)
        night, inventory = self._scan_night(name, directories, version, junk)
        if not inventory.notes and self._is_settled(inventory.newest_ns):
            self.index.store_night(*key, looked_at=self.started, answer=_night_to_json(night))
        return night

    def newest_tag(self, name: str) -> str:
        """The latest DRPTAG among the products of a night; '' if there is none."""
        directories = night_scan.level_dirs(self.root, name, self.levels)
        inventory = night_scan.scan_night(directories, name, index=self.index, tags=True)
        return drp.newest_version(
            {
                file.facts.tag
                for products in inventory.products.values()
                for file in products.values()
            }
        )

    def prune_index(self) -> None:
        """Delete stored results that are too old to be used."""
        self.index.delete_nights(before=self.started - TRUSTED_SECONDS)

    def _scan_night(
        self, name: str, directories: Mapping[str, Path], version: str, junk: Collection[str]
    ) -> tuple[NightProgress, NightInventory]:
        inventory = night_scan.scan_night(directories, name, index=self.index, tags=bool(version))
        self.notes.extend(inventory.notes)
        last_ns = max((raw.modified_ns for raw in inventory.raws.values()), default=0)
        night = completeness.assess_night(
            name,
            inventory.raws,
            inventory.products,
            junk=junk,
            version=version,
            looked_at=self.started_at,
            last_l0=_from_posix(last_ns / 1e9) if last_ns else None,
            oddities=inventory.oddities,
        )
        return night, inventory

    def _is_settled(self, modified_ns: int) -> bool:
        return modified_ns / 1e9 < self.started - SETTLED_SECONDS


def index_path(settings: Settings) -> Path:
    """Path of the index file."""
    return settings.work_dir / INDEX_NAME


def show_nights(names: Sequence[str]) -> Iterable[str]:
    """The nights, with a progress bar if it is a terminal and takes more than a second."""
    from tqdm import tqdm

    return tqdm(names, disable=None, delay=1, leave=False, unit="night")


def mark_touched(index: HeaderIndex, root: Path, night: str) -> None:
    """Record in the index that files of a night were touched in place."""
    index.invalidate_night(level_dir(root, KPF.raw, night))


def _describe_defect(reason: IncompleteReason, detail: str) -> str:
    return f"{reason} ({detail})" if detail else str(reason)


def _night_to_json(night: NightProgress) -> str:
    return json.dumps(
        {
            "observations": night.observations,
            "junk": night.junk,
            "last_l0": night.last_l0.timestamp() if night.last_l0 else None,
            "counts": night.counts,
            "missing": night.missing,
            "looked_at": night.looked_at.timestamp(),
            "oddities": night.oddities,
        }
    )


def _night_from_json(name: str, text: str) -> NightProgress:
    values: dict[str, Any] = json.loads(text)
    return NightProgress(
        night=name,
        observations=values["observations"],
        junk=values["junk"],
        last_l0=_from_posix(values["last_l0"]) if values["last_l0"] else None,
        counts={level: LevelCount(*count) for level, count in values["counts"].items()},
        missing=tuple(
            MissingLevel(obsid, level, IncompleteReason(reason), detail)
            for obsid, level, reason, detail in values["missing"]
        ),
        looked_at=_from_posix(values["looked_at"]),
        oddities=NightOddities(*map(tuple, values["oddities"])),
    )


def _from_posix(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
