"""Whether a page still shows what the database holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from kpfnb import settings
from kpfnb.errors import BadInput
from kpfnb.kpf.timeseries.period import Period
from kpfnb.kpf.tsdb import database, layout
from kpfnb.kpf.tsdb.plots import eras
from kpfnb.kpf.tsdb.plots.panel import Panel

LOOK = 1
"""Raised when pictures or pages look different: all are made anew."""


class Mark(NamedTuple):
    """Of a night: it changes whenever something is ingested, read again or deleted."""

    chunks: int
    newest: int


def nights() -> dict[str, Mark]:
    """All nights of the database, in order. Nothing where there is no database yet."""
    own = layout.chunk.c
    query = select(own.night, func.count(), func.max(own.id)).group_by(own.night)
    try:
        with database.reading() as connection:
            rows = connection.execute(query.order_by(own.night)).all()
    except BadInput:
        # Not made yet: a service that keeps the pages waits for the first night
        if database.is_there():
            raise
        return {}
    return {night: Mark(count, newest) for night, count, newest in rows}


def look(panels: Iterable[Panel]) -> str:
    """What pages are made by, beside the data: panels, eras, junk list."""
    junk = settings.load().junk_path
    parts = [panel.model_dump_json() for panel in panels]
    parts += [str(LOOK), str(eras.load())]
    parts += [str(junk.stat().st_mtime_ns)] if junk.is_file() else []
    return _digest(parts)


def mark(period: Period, look: str, nights: Mapping[str, Mark], now: datetime) -> str:
    """What a page of the period is made of: the page is stale where it was made of another.

    A page made while the period ran is stale when it is over: what has no data then is a gap.
    """
    own: list[list[str | int]] = [
        [night, *one] for night, one in nights.items() if period.covers(night)
    ]
    span = period.span(now)
    own += [["running"]] if span.until < span.end else []
    return _digest([look, json.dumps(own)])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
