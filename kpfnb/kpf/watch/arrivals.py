"""From the first sight of a file to the moment when it can be handed out.

A file is ready once nothing has changed it for the quiet time, it is whole, and the memory says
that there is something to do.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.fits import headers
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.kpf.watch.handler import FileStamp, WatchHandler, file_stamp
from kpfnb.kpf.watch.state_store import FileRecord, FileStatus, StateStore

# Files that changed a moment ago, until they have been quiet for long enough.
#
# Pure bookkeeping on a monotonic clock, so that a jump of the system's clock changes nothing.


class _DueFile(NamedTuple):
    due: float
    stamp: FileStamp


class Debouncer:
    """Paths with the moment at which each will have been quiet for long enough."""

    def __init__(self) -> None:
        self._entries: dict[str, _DueFile] = {}
        # An entry that was put off leaves its old moment in the heap, where it is passed over
        self._moments: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def set_due(self, path: str, stamp: FileStamp, due: float) -> None:
        """A file was seen to change; it is due at that moment unless it is noted again."""
        self._entries[path] = _DueFile(due, stamp)
        heapq.heappush(self._moments, (due, path))

    def pop_due(self, now: float) -> list[tuple[str, FileStamp, float]]:
        """Path, stamp when noted, and moment of each that is due; they are not kept."""
        found = []
        while self._moments and self._moments[0][0] <= now:
            due, path = heapq.heappop(self._moments)
            entry = self._entries.get(path)
            if entry and entry.due == due:
                found.append((path, entry.stamp, due))
                del self._entries[path]
        return found

    def next_due(self) -> float | None:
        """The first moment at which one may be due."""
        return self._moments[0][0] if self._moments else None


MAX_RECHECK_SECONDS = 300.0
"""A file that stays cut off is looked at again so often."""


@dataclass(frozen=True)
class WatchPolicy:
    """How a watcher goes about it.

    Attributes
    ----------
    quiet_seconds : without any change, before a file counts as settled
    rescan_seconds : from the end of one look at the whole tree to the next
    attempts : a file that fails is given up after so many
    retry_seconds : from the first failure to the second attempt; then doubled, up to 8 times
    heartbeat_seconds : between two reports of the status
    polling : look again and again instead of waiting for the system's events
    since : files in folders named before it that are there at the first start are left alone
    once : handle what is there, and leave
    """

    quiet_seconds: float = 3.0
    rescan_seconds: float = 3600.0
    attempts: int = 3
    retry_seconds: float = 600.0
    heartbeat_seconds: float = 5.0
    polling: bool = False
    since: str = ""
    once: bool = False

    def __post_init__(self) -> None:
        """Refuse what can't be."""
        for name in ("quiet_seconds", "retry_seconds"):
            if getattr(self, name) < 0:
                raise InvalidParameterError(f"{name}: {getattr(self, name)}", "it is 0 or more")
        for name in ("rescan_seconds", "attempts", "heartbeat_seconds"):
            if getattr(self, name) <= 0:
                raise InvalidParameterError(f"{name}: {getattr(self, name)}", "it is more than 0")


class Arrivals:
    """The files of one watcher that are on their way in.

    Attributes
    ----------
    ready : settled files by path, in the order in which they settled
    not_whole : settled files that are cut off or broken, with the reason; looked at again
    in_work : the paths that are handed out at this moment
    """

    def __init__(self, kind: WatchHandler, memory: StateStore, pace: WatchPolicy) -> None:
        self.ready: dict[str, FileRecord] = {}
        self.incomplete: dict[str, str] = {}
        self.in_work: set[str] = set()
        self.settled_at: dict[str, float] = {}
        self._flawed: dict[str, int] = {}
        self._settling = Debouncer()
        self._stamps: dict[str, FileStamp] = {}
        self._wanted = kind.is_wanted
        self._memory = memory
        self._pace = pace

    @property
    def waiting(self) -> int:
        """How many are on their way in."""
        return len(self._stamps) + len(self.ready)

    @property
    def next_due(self) -> float | None:
        """The first moment (monotonic) at which one may have settled."""
        return self._settling.next_due()

    def add_changed(self, paths: Iterable[str]) -> None:
        """An event tells that these were written, renamed or touched just now."""
        for path in paths:
            now = file_stamp(path)
            if now is not None:
                self.ready.pop(path, None)
                self._flawed.pop(path, None)
                self.observe(path, now, self._pace.quiet_seconds)

    def add_scanned(self, folder: str, files: dict[str, FileStamp]) -> None:
        """A scan has seen these; those that are on their way already go on undisturbed."""
        for name, seen in files.items():
            path = f"{folder}/{name}"
            row = self.ready.get(path)
            if self._stamps.get(path) != seen and (row is None or row.stamp != seen):
                self.ready.pop(path, None)
                self.observe(path, seen, self._pace.quiet_seconds)

    def retry(self, row: FileRecord, seconds: float) -> None:
        """Try it again after so long; if it was touched meanwhile, it is on its way already."""
        if row.path not in self._stamps and row.path not in self.ready:
            self.observe(row.path, row.stamp, seconds)

    def observe(self, path: str, seen: FileStamp, seconds: float) -> None:
        """Look at the file again after so many seconds without a change."""
        self._stamps[path] = seen
        self._settling.set_due(path, seen, time.monotonic() + seconds)

    def admit_settled(self) -> None:
        """Make ready what has been quiet for long enough."""
        for path, seen, due in self._settling.pop_due(time.monotonic()):
            del self._stamps[path]
            self._admit(path, seen, due)

    def next_batch(self, most: int) -> list[FileRecord]:
        """Up to so many files to hand out, whole ones, the first settled first."""
        rows: list[FileRecord] = []
        while self.ready and len(rows) < most:
            path = next(iter(self.ready))
            row = self.ready.pop(path)
            if self._is_complete(row):
                rows.append(row)
        return rows

    def requeue(self, rows: Iterable[FileRecord]) -> None:
        """They could not be handed out after all."""
        self.ready = {row.path: row for row in rows} | self.ready

    def _admit(self, path: str, seen: FileStamp, due: float) -> None:
        now = file_stamp(path)
        if now is None:
            self.incomplete.pop(path, None)
            return
        if now != seen or path in self.in_work:
            self.observe(path, now, self._pace.quiet_seconds)
            return
        row = self._memory.find_file(path)
        if not is_handled(row, now, self._pace.attempts):
            self.ready[path] = make_task_row(path, now, row)
            self.settled_at[path] = due

    def _is_complete(self, row: FileRecord) -> bool:
        """Whether it is whole; if not, it is looked at again, later and later."""
        reason = find_fits_defect(Path(row.path))
        if not reason:
            self.incomplete.pop(row.path, None)
            self._flawed.pop(row.path, None)
            return True
        self.settled_at.pop(row.path, None)
        self.incomplete[row.path] = reason
        if not self._pace.once:
            times = self._flawed[row.path] = self._flawed.get(row.path, 0) + 1
            pause = min(MAX_RECHECK_SECONDS, max(self._pace.quiet_seconds, 0.1) * 2**times)
            self.observe(row.path, row.stamp, pause)
        return False


def is_handled(row: FileRecord | None, now: FileStamp, attempts: int) -> bool:
    """Whether nothing is to be done for a file that looks like this."""
    if row is None or row.stamp != now:
        return False
    given_up = row.state is FileStatus.FAILED and row.attempts >= attempts
    return given_up or row.state in (FileStatus.DONE, FileStatus.KNOWN)


def make_task_row(path: str, now: FileStamp, row: FileRecord | None) -> FileRecord:
    """What to remember of a file that is to be handed out, from what was remembered."""
    is_same = row is not None and row.stamp == now
    renewed = row is not None and (row.renewed or not is_same)
    return FileRecord(path, now, FileStatus.TAKEN, row.attempts if row and is_same else 0, renewed)


def find_fits_defect(path: Path) -> str:
    """Why a file is not a whole FITS file, '' where it is; its headers are walked to the end."""
    try:
        for _ in headers.iterate_hdus(path):
            pass
    except InvalidHeaderError as error:
        return str(error.reason)
    return ""
