"""A mirror of statuses in a sheet. It may fall behind, and catches up; nothing waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.queue.sheet_status import SheetStatus, StatusTab
from kpfnb.storage.sheets.workbook import SheetChanges, SheetTable, Workbook

FIRST_DELAY_SECONDS = 5.0
MAX_DELAY_SECONDS = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MirrorResult(OneLineRepr):
    """What one update came to.

    Attributes
    ----------
    changed : what was changed in the sheet
    missing : items that have no row there
    owed : how many items the sheet has not been told of yet
    behind_since : when it began to fall behind, UTC; None where it is up to date
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
        """Failed while it is behind."""
        return Outcome.FAILED if self.behind_since else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        if self.behind_since:
            since = self.behind_since.strftime("%Y-%m-%dT%H:%M:%SZ")
            return f"{self.place}: {self.owed} items behind since {since}: {self.error}"
        rest = f"; not in the sheet: {len(self.missing)}" if self.missing else ""
        return f"{self.place}: {self.changed}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        since = self.behind_since
        return {
            "outcome": str(self.outcome),
            "sheet": self.place,
            "cells": len(self.changed.cells),
            "added": len(self.changed.added),
            "missing": list(self.missing),
            "owed": self.owed,
            "behind_since": since.strftime("%Y-%m-%dT%H:%M:%SZ") if since else None,
            "error": self.error,
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


class SheetMirror:
    """Keeps the statuses in one tab of a sheet; used by one thread.

    Never give it a lock of a queue to wait under: a call may take as long as Google does. It raises
    nothing; what goes wrong is in what `update` returns.
    """

    def __init__(self, book: Workbook, tab: StatusTab | None = None, *, add: bool = False) -> None:
        """
        tab : by default that of the book's address
        add : make the tab where there is none, and a row for each item that has none
        """
        self._book = book
        self._tab = tab or StatusTab.parse(book.tab)
        self._add = add
        self._owed: dict[str, SheetStatus] = {}
        self._failures = 0
        self._not_before = 0.0
        self._since: datetime | None = None
        self._error = ""

    @property
    def place(self) -> str:
        """The book, the tab and the column."""
        return f"{self._book.name}/{self._tab.name}@{self._tab.status}"

    def update(self, standings: Mapping[str, SheetStatus]) -> MirrorResult:
        """Write how items stand, with all that is still owed, in one batch.

        After a failure it rests, longer each time: what is given meanwhile is kept.
        """
        self._owed |= standings
        if time.monotonic() < self._not_before:
            return self._pending_result()
        missing: list[str] = []

        def plan(table: SheetTable) -> SheetChanges:
            missing[:] = [] if self._add else self._tab.missing_items(table, self._owed)
            return self._tab.plan_changes(table, self._owed, add=self._add)

        try:
            changed = self._book.update(self._tab.name, plan, create=self._add)
        except Exception as error:  # the border: a sheet must not stop the work it tells of
            return self._record_failure(error)
        self._owed, self._failures, self._since, self._error = {}, 0, None, ""
        return MirrorResult(self.place, changed, tuple(missing))

    def _record_failure(self, error: Exception) -> MirrorResult:
        is_known = isinstance(error, KpfnbError)
        self._error = " → ".join(error.args) if isinstance(error, KpfnbError) else repr(error)
        self._since = self._since or datetime.now(UTC)
        rest = min(FIRST_DELAY_SECONDS * 2**self._failures, MAX_DELAY_SECONDS)
        self._failures += 1
        self._not_before = time.monotonic() + rest
        _log.warning("the sheet falls behind: %s", self._error, exc_info=not is_known)
        return self._pending_result()

    def _pending_result(self) -> MirrorResult:
        return MirrorResult(
            self.place, owed=len(self._owed), behind_since=self._since, error=self._error
        )


def run_mirror(
    mirror: SheetMirror,
    truth: Callable[[], Mapping[str, SheetStatus]],
    every_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[MirrorResult | KpfnbError]:
    """Update a mirror from the truth again and again; what became of it each time.

    A truth that can't be read is told as its error, and asked again next time.
    """
    while True:
        try:
            yield mirror.update(truth())
        except KpfnbError as error:
            yield error
        sleep(every_seconds)
