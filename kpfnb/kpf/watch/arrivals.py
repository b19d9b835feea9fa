"""Files on their way in: from their first event to the moment when they can be handled.

A file is ready if nothing has changed it for the quiet time, it is complete, and the state store
says that it is not handled yet.
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

MAX_RECHECK_SECONDS = 300.0
"""The longest time between two checks of a file that stays incomplete."""


@dataclass(frozen=True)
class WatchPolicy:
    """When a watcher handles files.

    Attributes
    ----------
    quiet_seconds : without any change, before a file counts as settled
    rescan_seconds : from the end of one scan of the whole tree to the next
    attempts : the number of attempts before a file is given up
    retry_seconds : from the first failure to the second attempt; then doubled, up to 8 times
    heartbeat_seconds : between two reports
    polling : scan regularly instead of waiting for events of the operating system
    since : at the first start, present files in directories named before it are not handled
    once : handle the present files, and end
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
        """Validate the values."""
        for name in ("quiet_seconds", "retry_seconds"):
            if getattr(self, name) < 0:
                raise InvalidParameterError(f"{name}: {getattr(self, name)}", "it is 0 or more")
        for name in ("rescan_seconds", "attempts", "heartbeat_seconds"):
            if getattr(self, name) <= 0:
                raise InvalidParameterError(f"{name}: {getattr(self, name)}", "it is more than 0")


class _DueFile(NamedTuple):
    due: float
    stamp: FileStamp


class Debouncer:
    """Files that changed recently, with the time at which each will have been quiet long enough.

    All times are of a monotonic clock, so a change of the system time has no effect.
    """

    def __init__(self) -> None:
        self._files: dict[str, _DueFile] = {}
        # A file that is postponed leaves its old time in the heap, where it is ignored
        self._due_times: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._files)

    def set_due(self, path: str, stamp: FileStamp, due: float) -> None:
        """Record a change of a file; it is due at that time unless it is set again."""
        self._files[path] = _DueFile(due, stamp)
        heapq.heappush(self._due_times, (due, path))

    def pop_due(self, now: float) -> list[tuple[str, FileStamp, float]]:
        """Remove the files that are due: path, stamp when recorded, and due time of each."""
        due_files = []
        while self._due_times and self._due_times[0][0] <= now:
            due, path = heapq.heappop(self._due_times)
            file = self._files.get(path)
            if file and file.due == due:
                due_files.append((path, file.stamp, due))
                del self._files[path]
        return due_files

    def next_due(self) -> float | None:
        """The earliest time at which a file may be due."""
        return self._due_times[0][0] if self._due_times else None


class Arrivals:
    """The files of one watcher that are on their way in.

    Attributes
    ----------
    ready : settled files by path, in the order in which they settled
    incomplete : settled files that are truncated or broken, with the reason; checked again later
    in_work : the paths that are being handled
    """

    def __init__(self, handler: WatchHandler, store: StateStore, policy: WatchPolicy) -> None:
        self.ready: dict[str, FileRecord] = {}
        self.incomplete: dict[str, str] = {}
        self.in_work: set[str] = set()
        self.settled_at: dict[str, float] = {}
        self._failed_checks: dict[str, int] = {}
        self._debouncer = Debouncer()
        self._stamps: dict[str, FileStamp] = {}
        self._is_wanted = handler.is_wanted
        self._store = store
        self._policy = policy

    @property
    def waiting(self) -> int:
        """The number of files on their way in."""
        return len(self._stamps) + len(self.ready)

    @property
    def next_due(self) -> float | None:
        """The earliest time (monotonic) at which a file may have settled."""
        return self._debouncer.next_due()

    def add_changed(self, paths: Iterable[str]) -> None:
        """Add files that an event reports as written, renamed or touched just now."""
        for path in paths:
            now = file_stamp(path)
            if now is not None:
                self.ready.pop(path, None)
                self._failed_checks.pop(path, None)
                self.observe(path, now, self._policy.quiet_seconds)

    def add_scanned(self, folder: str, files: dict[str, FileStamp]) -> None:
        """Add files that a scan has found; those already on their way in are not delayed."""
        for name, stamp in files.items():
            path = f"{folder}/{name}"
            record = self.ready.get(path)
            if self._stamps.get(path) != stamp and (record is None or record.stamp != stamp):
                self.ready.pop(path, None)
                self.observe(path, stamp, self._policy.quiet_seconds)

    def retry(self, record: FileRecord, seconds: float) -> None:
        """Add a file again after this time, unless it is on its way in already."""
        if record.path not in self._stamps and record.path not in self.ready:
            self.observe(record.path, record.stamp, seconds)

    def observe(self, path: str, stamp: FileStamp, seconds: float) -> None:
        """Check the file again after this time without a change."""
        self._stamps[path] = stamp
        self._debouncer.set_due(path, stamp, time.monotonic() + seconds)

    def admit_settled(self) -> None:
        """Make the files ready that have been quiet long enough."""
        for path, stamp, due in self._debouncer.pop_due(time.monotonic()):
            del self._stamps[path]
            self._admit(path, stamp, due)

    def next_batch(self, size: int) -> list[FileRecord]:
        """Up to this number of complete files to handle, the first settled first."""
        records: list[FileRecord] = []
        while self.ready and len(records) < size:
            path = next(iter(self.ready))
            record = self.ready.pop(path)
            if self._is_complete(record):
                records.append(record)
        return records

    def requeue(self, records: Iterable[FileRecord]) -> None:
        """Put back files that could not be handled now."""
        self.ready = {record.path: record for record in records} | self.ready

    def _admit(self, path: str, stamp: FileStamp, due: float) -> None:
        now = file_stamp(path)
        if now is None:
            self.incomplete.pop(path, None)
            return
        if now != stamp or path in self.in_work:
            self.observe(path, now, self._policy.quiet_seconds)
            return
        record = self._store.find_file(path)
        if not is_handled(record, now, self._policy.attempts):
            self.ready[path] = make_task_record(path, now, record)
            self.settled_at[path] = due

    def _is_complete(self, record: FileRecord) -> bool:
        """Whether the file is complete; if not, it is checked again, after longer and longer."""
        path = record.path
        reason = find_fits_defect(Path(path))
        if not reason:
            self.incomplete.pop(path, None)
            self._failed_checks.pop(path, None)
            return True
        self.settled_at.pop(path, None)
        self.incomplete[path] = reason
        if not self._policy.once:
            times = self._failed_checks[path] = self._failed_checks.get(path, 0) + 1
            pause = min(MAX_RECHECK_SECONDS, max(self._policy.quiet_seconds, 0.1) * 2**times)
            self.observe(path, record.stamp, pause)
        return False


def is_handled(record: FileRecord | None, now: FileStamp, attempts: int) -> bool:
    """Whether a file in this state needs no handling."""
    if record is None or record.stamp != now:
        return False
    is_given_up = record.state is FileStatus.FAILED and record.attempts >= attempts
    return is_given_up or record.state in (FileStatus.DONE, FileStatus.KNOWN)


def make_task_record(path: str, now: FileStamp, record: FileRecord | None) -> FileRecord:
    """The new record of a file that will be handled, from its old one."""
    is_same = record is not None and record.stamp == now
    is_renewed = record is not None and (record.renewed or not is_same)
    attempts = record.attempts if record and is_same else 0
    return FileRecord(path, now, FileStatus.TAKEN, attempts, is_renewed)


def find_fits_defect(path: Path) -> str:
    """Why a file is not a complete FITS file, '' if it is; all its headers are read."""
    try:
        for _ in headers.iterate_hdus(path):
            pass
    except InvalidHeaderError as error:
        return str(error.reason)
    return ""
