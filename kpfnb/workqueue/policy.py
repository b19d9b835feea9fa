"""How long a lease lasts, how often an item is tried, and how long it rests in between."""

from __future__ import annotations

from dataclasses import dataclass

from kpfnb import settings
from kpfnb.errors import BadSettings

LONGEST_REST_SECONDS = 3600.0


@dataclass(frozen=True)
class Policy:
    """The rules of a queue; see the settings of the same names."""

    lease_seconds: float = 30
    heartbeat_seconds: float = 10
    attempts: int = 3
    backoff_seconds: float = 30
    keep_done: int = 100_000
    """Items done whose results are kept; of older ones only that they are done."""
    keep_events: int = 10_000
    """Ends of attempts that are kept for the time line (a few more may be)."""

    def __post_init__(self) -> None:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise BadSettings(
                f"a heartbeat every {self.heartbeat_seconds:g} s does not keep"
                f" a lease of {self.lease_seconds:g} s",
                "make queue_lease_seconds at least twice queue_heartbeat_seconds",
            )

    def rest_seconds(self, attempt: int, chance: float) -> float:
        """How long an item rests after its attempt (1, 2, ...) failed.

        Twice as long each time, an hour at most; `chance` (0 to 1) spreads it by a quarter up or
        down, so that items that failed together do not come back together.
        """
        doubled = self.backoff_seconds * 2 ** min(attempt - 1, 20)
        return min(doubled, LONGEST_REST_SECONDS) * (0.75 + chance / 2)


def current() -> Policy:
    """The policy that the settings name."""
    now = settings.load()
    return Policy(
        lease_seconds=now.queue_lease_seconds,
        heartbeat_seconds=now.queue_heartbeat_seconds,
        attempts=now.queue_attempts,
        backoff_seconds=now.queue_backoff_seconds,
    )
