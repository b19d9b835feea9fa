"""What a task is told of its claim."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kpfnb.core import settings
from kpfnb.core.errors import InvalidSettingsError, KpfnbError
from kpfnb.core.result import to_jsonable
from kpfnb.queue.records import AttemptReport

# How long a lease lasts, how often an item is tried, and how long it rests in between.

MAX_DELAY_SECONDS = 3600.0


@dataclass(frozen=True)
class QueuePolicy:
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
            raise InvalidSettingsError(
                f"a heartbeat every {self.heartbeat_seconds:g} s does not keep"
                f" a lease of {self.lease_seconds:g} s",
                "make queue_lease_seconds at least twice queue_heartbeat_seconds",
            )

    def retry_delay(self, attempt: int, chance: float) -> float:
        """How long an item rests after its attempt (1, 2, ...) failed.

        Twice as long each time, an hour at most; `chance` (0 to 1) spreads it by a quarter up or
        down, so that items that failed together do not come back together.
        """
        doubled = self.backoff_seconds * 2 ** min(attempt - 1, 20)
        return min(doubled, MAX_DELAY_SECONDS) * (0.75 + chance / 2)


def load_policy() -> QueuePolicy:
    """The policy that the settings name."""
    now = settings.load_settings()
    return QueuePolicy(
        lease_seconds=now.queue_lease_seconds,
        heartbeat_seconds=now.queue_heartbeat_seconds,
        attempts=now.queue_attempts,
        backoff_seconds=now.queue_backoff_seconds,
    )


# A worker's report as the server takes it: bounded, since the queue's memory is for queues.

MAX_RESULT_BYTES = 65536
MAX_ERROR_LENGTH = 2000
MAX_LOG_LENGTH = 8000
OUTCOME_KEY = "outcome"


def encode_report(report: AttemptReport, policy: QueuePolicy, chance: float) -> dict[str, str]:
    """The report for the script `turn`, all of it texts.

    chance : 0 to 1; spreads the rests of items that failed together
    """
    claim = report.claim
    rest = policy.retry_delay(claim.attempt, chance)
    return {
        "name": claim.item,
        "token": str(claim.token),
        "ending": report.ending,
        "result": encode_result(report.result),
        "error": report.error[:MAX_ERROR_LENGTH],
        "log": report.log[-MAX_LOG_LENGTH:],
        "seconds": f"{report.seconds:.6f}",
        "final": str(int(report.final)),
        "delay": str(round(rest * 1000)),
    }


def encode_result(value: Any) -> str:
    """A task's result as JSON; of one that is too large its outcome, if it has one, and its size.

    What is large belongs into the item's own files.
    """
    told = to_jsonable(value)
    text = json.dumps(told, ensure_ascii=False)
    size = len(text.encode(errors="replace"))
    if size <= MAX_RESULT_BYTES:
        return text
    kept = (
        {OUTCOME_KEY: told[OUTCOME_KEY]} if isinstance(told, dict) and OUTCOME_KEY in told else {}
    )
    return json.dumps({**kept, "left_out_bytes": size})


class LeaseLost(KpfnbError):
    """Another worker has the item by now; what was made must not be published."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one item.

    Attributes
    ----------
    token : larger than that of any claim before; to be written beside products, if they can be told
    attempt : 1 for the first
    """

    queue: str
    item: str
    token: int
    attempt: int
    _ask: Callable[[], bool] = field(repr=False)
    _say: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def note(self, text: str) -> None:
        """Tell how far the item is, in a few words; `kpfnb queue show` shows them."""
        self._say(text)

    def confirm(self) -> None:
        """Renew the lease, to be called just before products are published; `LeaseLost` if gone."""
        if not self._ask():
            raise LeaseLost(f"{self.item}: the lease was lost", "its new worker publishes it")
