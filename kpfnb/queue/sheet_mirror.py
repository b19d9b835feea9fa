"""A mirror of a queue's statuses in a sheet. It may fall behind and catches up; no work waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kpfnb.core.clock import format_utc, utc_now
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count
from kpfnb.queue.sheet_status import SheetStatus, StatusTab
from kpfnb.storage.sheets.workbook import SheetChanges, SheetTable, Workbook

FIRST_DELAY_SECONDS = 5.0
MAX_DELAY_SECONDS = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MirrorResult(OneLineRepr):
    """The result of one update of the sheet.

    Attributes
    ----------
    place : workbook, tab and column
    changed : what was changed in the sheet
    missing : items that have no row there
    owed : number of items whose status is not in the sheet yet
    behind_since : since when the sheet is out of date, UTC; None if it is up to date
    error : why
    """

    place: str
    changed: SheetChanges = field(default_factory=SheetChanges)
    missing: tuple[str, ...] = ()
    owed: int = 0
    behind_since: datetime | None = None
    error: str = ""

    @property
    def outcome(self) -> Outcome:
        """Failed while the sheet is out of date."""
        return Outcome.FAILED if self.behind_since else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """The state of the sheet in one line."""
        if self.behind_since:
            items = format_count(self.owed, "item")
            return (
                f"{self.place}: {items} behind since {format_utc(self.behind_since)}: {self.error}"
            )
        rest = f"; not in the sheet: {len(self.missing)}" if self.missing else ""
        return f"{self.place}: {self.changed}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "sheet": self.place,
            "cells": len(self.changed.cells),
            "added": len(self.changed.added),
            "missing": list(self.missing),
            "owed": self.owed,
            "behind_since": format_utc(self.behind_since) if self.behind_since else None,
            "error": self.error,
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


class SheetMirror:
    """Writes statuses to one tab of a sheet; used by one thread.

    Never hold a lock of a queue while it works: a call may take as long as Google does. It raises
    nothing; errors are in the result of `update`.
    """

    def __init__(self, book: Workbook, tab: StatusTab | None = None, *, add: bool = False) -> None:
        """
        Parameters
        ----------
        tab : by default the one in the workbook's address
        add : create the tab if it does not exist, and a row for each item without one
        """
        self._book = book
        self._tab = tab or StatusTab.parse(book.tab)
        self._add = add
        self._pending: dict[str, SheetStatus] = {}
        self._failures = 0
        self._not_before = 0.0
        self._since: datetime | None = None
        self._error = ""

    @property
    def place(self) -> str:
        """Workbook, tab and column."""
        return f"{self._book.name}/{self._tab.name}@{self._tab.status}"

    def update(self, statuses: Mapping[str, SheetStatus]) -> MirrorResult:
        """Write statuses, with all that could not be written before, in one batch.

        After a failure it waits, longer each time, and keeps the statuses given during the wait.
        """
        self._pending |= statuses
        if time.monotonic() < self._not_before:
            return self._behind_result()
        missing: list[str] = []

        def plan(table: SheetTable) -> SheetChanges:
            missing[:] = [] if self._add else self._tab.missing_items(table, self._pending)
            return self._tab.plan_changes(table, self._pending, add=self._add)

        try:
            changed = self._book.update(self._tab.name, plan, create=self._add)
        except Exception as error:  # the border: a sheet must not stop the work that it shows
            return self._record_failure(error)
        self._pending, self._failures, self._since, self._error = {}, 0, None, ""
        return MirrorResult(self.place, changed, tuple(missing))

    def _record_failure(self, error: Exception) -> MirrorResult:
        is_known = isinstance(error, KpfnbError)
        self._error = " → ".join(error.args) if isinstance(error, KpfnbError) else repr(error)
        self._since = self._since or utc_now()
        delay = min(FIRST_DELAY_SECONDS * 2**self._failures, MAX_DELAY_SECONDS)
        self._failures += 1
        self._not_before = time.monotonic() + delay
        _log.warning("the sheet is out of date: %s", self._error, exc_info=not is_known)
        return self._behind_result()

    def _behind_result(self) -> MirrorResult:
        return MirrorResult(
            self.place, owed=len(self._pending), behind_since=self._since, error=self._error
        )


def run_mirror(
    mirror: SheetMirror,
    read_statuses: Callable[[], Mapping[str, SheetStatus]],
    every_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[MirrorResult | KpfnbError]:
    """Update a mirror repeatedly; yields the result of each update.

    If the statuses can't be read, their error is given, and they are read again next time.
    """
    while True:
        try:
            yield mirror.update(read_statuses())
        except KpfnbError as error:
            yield error
        sleep(every_seconds)
