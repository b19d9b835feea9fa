"""What is to be processed, and what became of it so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.reprocess.options import ReprocessOptions
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem, ReprocessResult
from kpfnb.kpf.reprocess.selection import ObservationSelection

MAX_EMPTY_BATCHES = 3
"""After so many batches in a row that made no product at all, the DRP is not tried again."""

_OUTCOMES = {
    ObservationStatus.JUNK: ObservationOutcome.JUNK,
    ObservationStatus.NO_L0: ObservationOutcome.FAILED,
    ObservationStatus.BAD_L0: ObservationOutcome.FAILED,
}


@dataclass
class Worklist:
    """What became of each observation so far.

    Attributes
    ----------
    items : by name, in the order of the work
    todo : the observations to process, in that order
    """

    items: dict[str, ReprocessItem]
    todo: list[ObservationCheck]
    batches: list[DrpBatch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)

    @classmethod
    def from_selection(
        cls,
        chosen: ObservationSelection,
        standings: Mapping[ObsID, ObservationCheck],
        options: ReprocessOptions,
    ) -> Worklist:
        """The beginning: what is to be done, and what is not and why."""
        items, todo = {}, []
        for obsid in sorted(standings, reverse=options.order == "newest"):
            standing = standings[obsid]
            fate, reason = _initial_outcome(standing, force=options.force)
            items[obsid.text] = ReprocessItem(obsid.text, obsid.night, fate, reason)
            if fate is ObservationOutcome.PLANNED:
                todo.append(standing)
        return cls(items | unknown_names(chosen), todo)

    def add(self, batch: DrpBatch, items: Iterable[ReprocessItem]) -> None:
        """Enter what came of a batch."""
        self.batches.append(batch)
        self.items.update((item.name, item) for item in items)

    def mark_unreached(self, reason: str) -> None:
        """Enter that what is still to be done will not be."""
        for item in self.items.values():
            if item.fate is ObservationOutcome.PLANNED:
                self.items[item.name] = replace(
                    item, fate=ObservationOutcome.NOT_REACHED, reason=reason
                )
        self.notes.append(f"ended early: {reason}")

    def night_counts(self, night: str) -> Counter[ObservationOutcome]:
        """How many observations of a night have which fate."""
        return Counter(item.fate for item in self.items.values() if item.night == night)

    def to_result(
        self, rules: CompletenessRules, command: Sequence[str], *, dry_run: bool
    ) -> ReprocessResult:
        """The result as it stands."""
        return ReprocessResult(
            root=rules.root,
            version=rules.version,
            levels=tuple(rules.levels),
            command=tuple(command),
            started=format_utc(self.started),
            seconds=round(time.time() - self.started, 3),
            items=tuple(self.items.values()),
            batches=tuple(self.batches),
            notes=tuple(dict.fromkeys(self.notes)),
            dry_run=dry_run,
        )


def unknown_names(chosen: ObservationSelection) -> dict[str, ReprocessItem]:
    """What is named and is no observation."""
    return {
        name: ReprocessItem(
            name, "", ObservationOutcome.FAILED, f"not the name of an observation, in {place}"
        )
        for name, place in chosen.unknown.items()
    }


def why_stop(batches: Sequence[DrpBatch]) -> str:
    """Why it is no use to start the DRP once more; '' where it may be."""
    if batches[-1].stop:
        return batches[-1].stop
    last = batches[-MAX_EMPTY_BATCHES:]
    if len(last) == MAX_EMPTY_BATCHES and not any(any(batch.made.values()) for batch in last):
        return f"the DRP made no product in {MAX_EMPTY_BATCHES} batches in a row"
    return ""


def _initial_outcome(standing: ObservationCheck, *, force: bool) -> tuple[ObservationOutcome, str]:
    if standing.status in _OUTCOMES:
        return _OUTCOMES[standing.status], standing.reason
    if standing.status is ObservationStatus.INCOMPLETE or (force and standing.expected):
        return ObservationOutcome.PLANNED, standing.reason
    return ObservationOutcome.SKIPPED, ""


def format_utc(seconds: float) -> str:
    """A POSIX time as UTC, ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
