"""A span of time that is drawn, and times as matplotlib counts them: days since 1970, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """From `start` to `end` (UTC); what is after `until` has not come yet."""

    start: datetime
    end: datetime
    until: datetime

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.end - self.start) / _DAY


def to_days(moment: datetime) -> float:
    """Days since 1970."""
    return (moment - EPOCH) / _DAY
