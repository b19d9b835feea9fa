"""The observations of a reprocessing: what is to be processed, and the results so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kpfnb.core.clock import format_utc
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.reprocess.options import ReprocessOptions
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem, ReprocessResult
from kpfnb.kpf.reprocess.selection import ObservationSelection

MAX_EMPTY_BATCHES = 3
"""After this many batches in a row without any product the DRP is not started again."""

_OUTCOMES = {
    ObservationStatus.JUNK: ObservationOutcome.JUNK,
    ObservationStatus.NO_L0: ObservationOutcome.FAILED,
    ObservationStatus.BAD_L0: ObservationOutcome.FAILED,
}


@dataclass
class Worklist:
    """The observations of a run.

    Attributes
    ----------
    items : all, by name, in the order of the work
    todo : those to process, in that order
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
        checks: Mapping[ObsID, ObservationCheck],
        options: ReprocessOptions,
    ) -> Worklist:
        """The worklist before the first batch."""
        items, todo = {}, []
        for obsid in sorted(checks, reverse=options.newest_first):
            check = checks[obsid]
            outcome, reason = _initial_outcome(check, force=options.force)
            items[obsid.text] = ReprocessItem(obsid.text, obsid.night, outcome, reason)
            if outcome is ObservationOutcome.PLANNED:
                todo.append(check)
        return cls(items | unknown_names(chosen), todo)

    def add(self, batch: DrpBatch, items: Iterable[ReprocessItem]) -> None:
        """Add the results of a batch."""
        self.batches.append(batch)
        self.items.update((item.name, item) for item in items)

    def mark_unreached(self, reason: str) -> None:
        """Record that all that is still planned will not be processed."""
        for item in self.items.values():
            if item.outcome is ObservationOutcome.PLANNED:
                self.items[item.name] = replace(
                    item, outcome=ObservationOutcome.NOT_REACHED, reason=reason
                )
        self.notes.append(f"ended early: {reason}")

    def night_counts(self, night: str) -> Counter[ObservationOutcome]:
        """The number of observations of a night by outcome."""
        return Counter(item.outcome for item in self.items.values() if item.night == night)

    def to_result(
        self, rules: CompletenessRules, command: Sequence[str], *, dry_run: bool
    ) -> ReprocessResult:
        """The result for a person, a record and the next step."""
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
    """A failed item for each name that is not an observation."""
    return {
        name: ReprocessItem(
            name, "", ObservationOutcome.FAILED, f"not the name of an observation, in {source}"
        )
        for name, source in chosen.unknown.items()
    }


def why_stop(batches: Sequence[DrpBatch]) -> str:
    """The reason not to start the DRP again; '' if there is none."""
    if batches[-1].stop:
        return batches[-1].stop
    last = batches[-MAX_EMPTY_BATCHES:]
    if len(last) == MAX_EMPTY_BATCHES and not any(batch.product_count for batch in last):
        return f"the DRP made no product in {MAX_EMPTY_BATCHES} batches in a row"
    return ""


def _initial_outcome(check: ObservationCheck, *, force: bool) -> tuple[ObservationOutcome, str]:
    if check.status in _OUTCOMES:
        return _OUTCOMES[check.status], check.reason
    if check.status is ObservationStatus.INCOMPLETE or (force and check.expected):
        return ObservationOutcome.PLANNED, check.reason
    return ObservationOutcome.SKIPPED, ""
