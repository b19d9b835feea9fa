"""What a reprocessing is to do: its options, and the worklist of observations."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kpfnb.compute.programs import SupervisionLimits
from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.obsid import KPF, ObsID, validate_product_levels
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem, ReprocessResult
from kpfnb.kpf.reprocess.selection import ObservationSelection

ORDERS = ("newest", "forward")

DEFAULT_BATCH_SIZE = 200
"""Observations for one start of the DRP. Its start-up time is negligible for that number, and
`delete` moves away the old products of only one batch at a time."""

MAX_EMPTY_BATCHES = 3
"""After this many batches in a row without any product the DRP is not started again."""

_OUTCOMES = {
    ObservationStatus.JUNK: ObservationOutcome.JUNK,
    ObservationStatus.NO_L0: ObservationOutcome.FAILED,
    ObservationStatus.BAD_L0: ObservationOutcome.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class ReprocessOptions:
    """The options of a reprocessing; an invalid value is an `InvalidParameterError`.

    Attributes
    ----------
    targets, start, end : which observations; see `kpfnb.kpf.reprocess.selection`
    objects, sources : only these of them; see `selection.ObservationFilter`
    resume : instead of targets, the nights that the last run did not finish, with its version
    root : the KPF data root; as in the settings if None
    version : products of an earlier DRP version count as missing
    levels : the products to make; ignored for masters
    ncpus : processes of the DRP; the setting `workers` if None
    force : also process what is done
    delete : move old products away first, and remove them when the new ones are good
    order : newest (first) or forward, by time of observation
    nice : added to the DRP's niceness, 0 to 19
    silence_seconds, grace_seconds : see `kpfnb.compute.programs.SupervisionLimits`
    batch_size : observations for one start of the DRP
    wait_seconds : how long to wait for another reprocessing or the watcher to finish
    dry_run : only report what would be processed
    progress : show a progress bar
    """

    targets: str | Path | Sequence[str | Path] = ()
    start: str = ""
    end: str = ""
    objects: Sequence[str] = ()
    sources: Sequence[str] = ()
    resume: bool = False
    root: Path | str | None = None
    version: str = ""
    levels: Sequence[str] = KPF.products
    ncpus: int | None = None
    force: bool = False
    delete: bool = False
    order: str = "newest"
    nice: int = 0
    silence_seconds: float = SupervisionLimits.silence_seconds
    grace_seconds: float = SupervisionLimits.grace_seconds
    batch_size: int = DEFAULT_BATCH_SIZE
    wait_seconds: float = 0
    dry_run: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        """Validate the values."""
        if self.order not in ORDERS:
            raise InvalidParameterError(
                f"order: {self.order!r}", f"it is one of {', '.join(ORDERS)}"
            )
        unlimited = float("inf")
        limits = {
            "ncpus": (1 if self.ncpus is None else self.ncpus, 1, unlimited),
            "batch_size": (self.batch_size, 1, unlimited),
            "nice": (self.nice, 0, 19),
            "silence_seconds": (self.silence_seconds, 1, unlimited),
            "grace_seconds": (self.grace_seconds, 0, unlimited),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                allowed = f"from {low} to {high}" if high < unlimited else f"{low} or more"
                raise InvalidParameterError(f"{name}: {value}", f"it is {allowed}")
        if self.version:
            drp.validate_version(self.version)
        validate_product_levels(self.levels)

    @property
    def target_names(self) -> list[str]:
        """The targets as text."""
        single = isinstance(self.targets, (str, Path))
        return [str(target) for target in ([self.targets] if single else self.targets)]  # type: ignore[union-attr]

    @property
    def newest_first(self) -> bool:
        """The order of the work."""
        return self.order == "newest"

    @property
    def limits(self) -> SupervisionLimits:
        """When to stop a DRP that does not end or makes nothing."""
        return SupervisionLimits(self.silence_seconds, self.grace_seconds)


@dataclass
class Worklist:
    """The observations of a run.

    Attributes
    ----------
    items : all, by name, in the order of the work
    todo : those to process, in that order
    is_empty : the targets have no observations
    """

    items: dict[str, ReprocessItem]
    todo: list[ObservationCheck]
    batches: list[DrpBatch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    is_empty: bool = False

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
        return cls(items | unknown_names(chosen), todo, is_empty=chosen.is_empty)

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
            is_empty=self.is_empty,
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
