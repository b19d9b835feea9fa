"""What to reprocess and how: one object for commands, notebooks and the watcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpfnb.compute.programs import SupervisionLimits
from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.obsid import KPF, validate_product_levels

ORDERS = ("newest", "forward")

DEFAULT_BATCH_SIZE = 200
"""Observations for one start of the DRP. Its start-up time is negligible for so many, and `delete`
moves the old products of one batch only out of their places at a time."""


@dataclass(frozen=True, kw_only=True)
class ReprocessOptions:
    """An invalid value is an `InvalidParameterError`.

    Attributes
    ----------
    targets, start, end : which observations; see `kpfnb.kpf.reprocess.selection`
    objects, sources : only these of them; see `selection.ObservationFilter`
    resume : instead of targets, the nights that the last run did not finish, with its version
    root : the KPF data root; that of the settings if None
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
