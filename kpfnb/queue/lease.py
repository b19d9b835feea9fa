"""Leases: the right of a task to work on an item, and the rules of leases, retries and reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kpfnb.core import settings
from kpfnb.core.errors import InvalidSettingsError, KpfnbError
from kpfnb.core.result import to_jsonable
from kpfnb.queue.records import AttemptReport

MAX_DELAY_SECONDS = 3600.0

# Reports are bounded, because the server's memory is for queues
MAX_RESULT_BYTES = 65536
MAX_ERROR_LENGTH = 2000
MAX_LOG_LENGTH = 8000
OUTCOME_KEY = "outcome"


class LeaseLostError(KpfnbError):
    """Another worker has the item by now; the products must not be published."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one item, as its task sees it.

    Attributes
    ----------
    token : larger than the tokens of all earlier claims; write it beside the products if possible
    attempt : 1 for the first
    """

    queue: str
    item: str
    token: int
    attempt: int
    _renew: Callable[[], bool] = field(repr=False)
    _report: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def note(self, text: str) -> None:
        """Report the progress of the item in a few words; `kpfnb queue show` shows them."""
        self._report(text)

    def confirm(self) -> None:
        """Renew the lease just before products are published; `LeaseLostError` if it is lost."""
        if not self._renew():
            raise LeaseLostError(f"{self.item}: the lease was lost", "its new worker publishes it")


@dataclass(frozen=True)
class QueuePolicy:
    """The rules of a queue; see the settings of the same names."""

    lease_seconds: float = 30
    heartbeat_seconds: float = 10
    attempts: int = 3
    backoff_seconds: float = 30
    keep_done: int = 100_000
    """Number of done items whose results are kept; of older ones only that they are done."""
    keep_events: int = 10_000
    """Number of attempts that are kept for the time line (a few more may be)."""

    def __post_init__(self) -> None:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise InvalidSettingsError(
                f"a heartbeat every {self.heartbeat_seconds:g} s does not keep"
                f" a lease of {self.lease_seconds:g} s",
                "make queue_lease_seconds at least twice queue_heartbeat_seconds",
            )

    def retry_delay(self, attempt: int, jitter: float) -> float:
        """The delay (s) before the next attempt, after attempt 1, 2, ... failed.

        It doubles each time, up to an hour. `jitter` (0 to 1) changes it by up to a quarter, so
        that items that failed together are not retried together.
        """
        doubled = self.backoff_seconds * 2 ** min(attempt - 1, 20)
        return min(doubled, MAX_DELAY_SECONDS) * (0.75 + jitter / 2)


def load_policy() -> QueuePolicy:
    """The policy in the settings."""
    current = settings.load_settings()
    return QueuePolicy(
        lease_seconds=current.queue_lease_seconds,
        heartbeat_seconds=current.queue_heartbeat_seconds,
        attempts=current.queue_attempts,
        backoff_seconds=current.queue_backoff_seconds,
    )


def encode_report(report: AttemptReport, policy: QueuePolicy, jitter: float) -> dict[str, str]:
    """A worker's report for the script `report_and_claim.lua`; all values are texts.

    jitter : 0 to 1; see `QueuePolicy.retry_delay`
    """
    claim = report.claim
    delay = policy.retry_delay(claim.attempt, jitter)
    return {
        "name": claim.item,
        "token": str(claim.token),
        "ending": report.ending,
        "result": encode_result(report.result),
        "error": report.error[:MAX_ERROR_LENGTH],
        "log": report.log[-MAX_LOG_LENGTH:],
        "seconds": f"{report.seconds:.6f}",
        "final": str(int(report.final)),
        "delay": str(round(delay * 1000)),
    }


def encode_result(value: Any) -> str:
    """A task's result as JSON; of one that is too large only its outcome, if any, and its size.

    Large results belong in the item's own files.
    """
    values = to_jsonable(value)
    text = json.dumps(values, ensure_ascii=False)
    size = len(text.encode(errors="replace"))
    if size <= MAX_RESULT_BYTES:
        return text
    has_outcome = isinstance(values, dict) and OUTCOME_KEY in values
    outcome = {OUTCOME_KEY: values[OUTCOME_KEY]} if has_outcome else {}
    return json.dumps({**outcome, "left_out_bytes": size})
