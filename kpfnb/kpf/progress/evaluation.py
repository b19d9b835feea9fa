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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb.kpf import inventory, judgement
from kpfnb.kpf import version as versions
from kpfnb.kpf.index import Index
from kpfnb.kpf.inventory import Inventory
from kpfnb.kpf.judgement import Count, Missing, Night, Reason
from kpfnb.kpf.obsid import KPF, level_dir
from kpfnb.settings import Settings

INDEX_NAME = "kpf-index.sqlite"

SETTLED_SECONDS = 7 * 86_400
TRUSTED_SECONDS = 86_400

RULES = 1
"""Raised when the rules change, so that nights judged by older ones are judged anew."""


def index_path(settings: Settings) -> Path:
    """Where the index is."""
    return settings.work_dir / INDEX_NAME


def touched(index: Index, root: Path, night: str) -> None:
    """Tell the index that files of a night were touched in place."""
    index.forget_night(level_dir(root, KPF.raw, night))


@dataclass
class Survey:
    """One look at a range of nights.

    Attributes
    ----------
    started : POSIX time, s; what changes later may or may not be seen
    notes : what could not be looked at
    """

    root: Path
    levels: Sequence[str]
    index: Index
    started: float = field(default_factory=time.time)
    notes: list[str] = field(default_factory=list)

    @property
    def started_at(self) -> datetime:
        """When the look began, UTC; `looked_at` of the nights that were looked at."""
        return _utc(self.started)

    def night(self, name: str, *, version: str, junk: Collection[str], fresh: bool) -> Night:
        """One night judged, from the index where it may be and `fresh` is not asked for."""
        places = inventory.folders(self.root, name, self.levels)
        # Before the look: what comes during it makes the stamp differ next time
        stamps = inventory.stamps(places)
        if not self._is_quiet(max(stamps.values())):
            return self._look(name, places, version, junk)[0]
        stamp = json.dumps([stamps, inventory.sum_of_times(places[KPF.raw])])
        question = json.dumps([RULES, version, list(self.levels), sorted(junk)])
        key = (places[KPF.raw], question, stamp)
        if not fresh:
            answer = self.index.night(*key, since=self.started - TRUSTED_SECONDS)
            if answer:
                return _from_json(name, answer)
        judged, found = self._look(name, places, version, junk)
        if not found.notes and self._is_quiet(found.newest_ns):
            self.index.keep_night(*key, looked_at=self.started, answer=_to_json(judged))
        return judged

    def newest_tag(self, name: str) -> str:
        """The latest DRPTAG among the products of a night; '' where there is none."""
        places = inventory.folders(self.root, name, self.levels)
        found = inventory.look(places, name, index=self.index, tags=True)
        return versions.newest(
            {product.tag for products in found.products.values() for product in products.values()}
        )

    def finish(self) -> None:
        """Drop from the index what nobody may trust any more."""
        self.index.drop_nights(before=self.started - TRUSTED_SECONDS)

    def _look(
        self, name: str, places: Mapping[str, Path], version: str, junk: Collection[str]
    ) -> tuple[Night, Inventory]:
        found = inventory.look(places, name, index=self.index, tags=bool(version))
        self.notes.extend(found.notes)
        last = max((raw.modified_ns for raw in found.raws.values()), default=0)
        judged = judgement.count(
            name,
            found.raws,
            found.products,
            junk=junk,
            version=version,
            looked_at=self.started_at,
            last_l0=_utc(last / 1e9) if last else None,
        )
        return judged, found

    def _is_quiet(self, modified_ns: int) -> bool:
        return modified_ns / 1e9 < self.started - SETTLED_SECONDS


def _to_json(night: Night) -> str:
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


def _from_json(name: str, text: str) -> Night:
    kept: dict[str, Any] = json.loads(text)
    return Night(
        night=name,
        observations=kept["observations"],
        junk=kept["junk"],
        last_l0=_utc(kept["last_l0"]) if kept["last_l0"] else None,
        counts={level: Count(*count) for level, count in kept["counts"].items()},
        missing=tuple(
            Missing(obsid, level, Reason(reason), detail)
            for obsid, level, reason, detail in kept["missing"]
        ),
        looked_at=_utc(kept["looked_at"]),
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
