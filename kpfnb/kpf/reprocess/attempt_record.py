"""The record of what a start of the DRP came to, for each observation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from kpfnb.core.clock import format_utc
from kpfnb.core.settings import Settings
from kpfnb.kpf.progress.attempts import Attempt, AttemptSource, record_attempts
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessItem

logger = logging.getLogger(__name__)


def record_items(
    settings: Settings,
    root: Path,
    source: AttemptSource,
    items: Sequence[ReprocessItem],
    log: Path,
) -> None:
    """Record an attempt for each item; if that fails, it is logged and the work continues."""
    ended = format_utc()
    attempts = [
        Attempt(
            root=str(root),
            obsid=item.name,
            ended=ended,
            source=source,
            outcome=item.outcome,
            reason=item.reason,
            log="" if item.outcome is ObservationOutcome.DONE else str(log),
            excerpt=item.excerpt,
        )
        for item in items
    ]
    if failure := record_attempts(settings, attempts):
        logger.warning("%s", failure)
