"""How far the work on many items may go: time, memory, niceness, load."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import fmean

from kpfnb import machine
from kpfnb.compute.clusters import Crew
from kpfnb.errors import BadParameter, ServiceUnavailable

WORKER_BYTES = 250_000_000
"""What a worker takes before it has an item: Python with the usual libraries."""
MEMORY_TOLERANCE = 1.5
"""An item is stopped when it takes this many times its budget."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one call; None or 0 is no limit."""

    workers: int | None = None
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    nice: int = 0
    max_load: float | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "timeout_seconds", "memory_bytes", "max_load"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise BadParameter(f"{name} must be above 0, not {value!r}")
        if not 0 <= self.nice < 20:
            raise BadParameter(f"nice must be from 0 to 19, not {self.nice!r}")

    @property
    def stops_items(self) -> bool:
        """True where an item may have to be stopped."""
        return bool(self.timeout_seconds or self.memory_bytes)

    @property
    def need_processes(self) -> bool:
        """True where an item must not run in kpfnb's own process."""
        return self.stops_items or bool(self.nice)

    def most_at_once(self) -> int:
        """How many items there is memory for on this machine; `BadParameter` if not for one."""
        available = machine.available_bytes()
        if not self.memory_bytes:
            return sys.maxsize
        if self.memory_bytes > available:
            raise BadParameter(
                f"one item may take {self.memory_bytes / 1e9:.1f} GB, and only "
                f"{available / 1e9:.1f} GB are free",
                "free memory, or lower memory_bytes",
            )
        return available // self.memory_bytes

    def check_nannies(self, crew: Crew) -> None:
        """`ServiceUnavailable` if an item may have to be stopped and nobody there could do it."""
        if self.stops_items and not all(one["nanny"] for one in crew.workers()):
            raise ServiceUnavailable(
                "with a limit of time or memory, workers need a nanny that can stop them",
                "start the workers without --no-nanny",
            )

    def gate(self, crew: Crew | None = None) -> machine.Gate:
        """The gate that is shut while the load is above the ceiling, here or where the crew is."""
        if crew is None or crew.is_local:
            return machine.Gate(self.max_load)
        return machine.Gate(self.max_load, lambda: crew_load_percent(crew))

    def reason_to_stop(self, seconds: float, taken_bytes: int) -> str:
        """Why an item `seconds` in work, its worker taking `taken_bytes`, is stopped, or ''."""
        if self.timeout_seconds and seconds > self.timeout_seconds:
            return f"timed out after {self.timeout_seconds:g} s"
        if self.memory_bytes:
            taken = taken_bytes - WORKER_BYTES
            if taken > MEMORY_TOLERANCE * self.memory_bytes:
                return (
                    f"took {taken / 1e9:.2f} GB of memory, its budget is "
                    f"{self.memory_bytes / 1e9:.2f} GB"
                )
        return ""


def crew_load_percent(crew: Crew) -> float:
    """The mean load of the machines where the workers are, in percent of their cores."""
    loads = crew.ask_nannies(machine.load_percent).values()
    return fmean(loads) if loads else 0.0
