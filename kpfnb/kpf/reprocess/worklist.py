"""What is to be processed, and what became of it so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from kpfnb.kpf.obsid import ObsID
from kpfnb.kpf.options import Options
from kpfnb.kpf.reprocessing import Batch, Fate, Item, Reprocessing
from kpfnb.kpf.selection import Selection
from kpfnb.kpf.standing import Rules, Standing, State

BARREN_BATCHES = 3
"""After so many batches in a row that made no product at all, the DRP is not tried again."""

_FATES = {State.JUNK: Fate.JUNK, State.NO_L0: Fate.FAILED, State.BAD_L0: Fate.FAILED}


@dataclass
class Worklist:
    """What became of each observation so far.

    Attributes
    ----------
    items : by name, in the order of the work
    todo : the observations to process, in that order
    """

    items: dict[str, Item]
    todo: list[Standing]
    batches: list[Batch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)

    @classmethod
    def of(
        cls, chosen: Selection, standings: Mapping[ObsID, Standing], options: Options
    ) -> Worklist:
        """The beginning: what is to be done, and what is not and why."""
        items, todo = {}, []
        for obsid in sorted(standings, reverse=options.order == "newest"):
            standing = standings[obsid]
            fate, reason = _fate(standing, force=options.force)
            items[obsid.text] = Item(obsid.text, obsid.night, fate, reason)
            if fate is Fate.PLANNED:
                todo.append(standing)
        return cls(items | strangers(chosen), todo)

    def add(self, batch: Batch, items: Iterable[Item]) -> None:
        """Enter what came of a batch."""
        self.batches.append(batch)
        self.items.update((item.name, item) for item in items)

    def leave(self, reason: str) -> None:
        """Enter that what is still to be done will not be."""
        for item in self.items.values():
            if item.fate is Fate.PLANNED:
                self.items[item.name] = replace(item, fate=Fate.UNREACHED, reason=reason)
        self.notes.append(f"ended early: {reason}")

    def of_night(self, night: str) -> Counter[Fate]:
        """How many observations of a night have which fate."""
        return Counter(item.fate for item in self.items.values() if item.night == night)

    def result(self, rules: Rules, command: Sequence[str], *, dry_run: bool) -> Reprocessing:
        """The result as it stands."""
        return Reprocessing(
            root=rules.root,
            version=rules.version,
            levels=tuple(rules.levels),
            command=tuple(command),
            started=iso(self.started),
            seconds=round(time.time() - self.started, 3),
            items=tuple(self.items.values()),
            batches=tuple(self.batches),
            notes=tuple(dict.fromkeys(self.notes)),
            dry_run=dry_run,
        )


def strangers(chosen: Selection) -> dict[str, Item]:
    """What is named and is no observation."""
    return {
        name: Item(name, "", Fate.FAILED, f"not the name of an observation, in {place}")
        for name, place in chosen.unknown.items()
    }


def why_stop(batches: Sequence[Batch]) -> str:
    """Why it is no use to start the DRP once more; '' where it may be."""
    if batches[-1].stop:
        return batches[-1].stop
    last = batches[-BARREN_BATCHES:]
    if len(last) == BARREN_BATCHES and not any(any(batch.made.values()) for batch in last):
        return f"the DRP made no product in {BARREN_BATCHES} batches in a row"
    return ""


def _fate(standing: Standing, *, force: bool) -> tuple[Fate, str]:
    if standing.state in _FATES:
        return _FATES[standing.state], standing.reason
    if standing.state is State.LACKING or (force and standing.expected):
        return Fate.PLANNED, standing.reason
    return Fate.SKIPPED, ""


def iso(seconds: float) -> str:
    """A POSIX time as UTC, ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
