"""How a reprocessing works: its options, checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from kpfnb.compute.programs import SupervisionLimits
from kpfnb.core.errors import InvalidParameterError

ORDERS = ("newest", "forward")

DEFAULT_BATCH_SIZE = 200
"""Observations for one start of the DRP: its start-up is nothing against them, and with `delete`
no more than their old products are out of their places at a time."""


@dataclass(frozen=True)
class ReprocessOptions:
    """An impossible one is a `InvalidParameterError`.

    Attributes
    ----------
    ncpus : processes of the DRP
    force : process what is done too
    delete : move old products away before, remove them when the new ones are there and good
    order : newest (first) or forward, by time of observation
    nice : added to the DRP's niceness, 0 to 19
    batch_size : observations for one start of the DRP
    """

    ncpus: int
    force: bool = False
    delete: bool = False
    order: str = "newest"
    nice: int = 0
    patience: SupervisionLimits = field(default_factory=SupervisionLimits)
    batch_size: int = DEFAULT_BATCH_SIZE

    def __post_init__(self) -> None:
        """Refuse what can't be."""
        if self.order not in ORDERS:
            raise InvalidParameterError(
                f"order: {self.order!r}", f"it is one of {', '.join(ORDERS)}"
            )
        many = float("inf")
        limits = {
            "ncpus": (self.ncpus, 1, many),
            "batch_size": (self.batch_size, 1, many),
            "nice": (self.nice, 0, 19),
            "silence_seconds": (self.patience.silence_seconds, 1, many),
            "grace_seconds": (self.patience.grace_seconds, 0, many),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                allowed = f"from {low} to {high}" if high < many else f"{low} or more"
                raise InvalidParameterError(f"{name}: {value}", f"it is {allowed}")
