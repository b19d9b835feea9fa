"""A watcher at work: one thread decides, others look, listen and handle.

Whatever the other threads find is posted to the one that decides. It is stopped by `stop` (from a
signal handler too): what is handed out is finished, and then it ends.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError, ServiceUnavailableError
from kpfnb.kpf.watch.arrivals import Arrivals, WatchPolicy
from kpfnb.kpf.watch.events import ChangeListener, TreeChanges
from kpfnb.kpf.watch.handler import WatchHandler, WatchOutcome, WatchResult, WatchTask, file_stamp
from kpfnb.kpf.watch.handler_pool import HandlerPool
from kpfnb.kpf.watch.state_store import (
    FileRecord,
    FileStatus,
    StateStore,
    apply_result,
    quarantine_damaged,
)
from kpfnb.kpf.watch.status import WatcherCounters, WatcherStatus
from kpfnb.kpf.watch.tree_scanner import TreeScanner

STORE_NAME = "memory.sqlite"
CHECK_SECONDS = 5.0
MAX_RETRY_FACTOR = 8
PAUSE_SECONDS = 5.0
"""After something that is not a file's fault: a lock, a full disk, a service."""


class Watcher:
    """One kind of watcher on one tree; made and run in the same thread.

    Parameters
    ----------
    folder : for its memory, its status and its logs
    """

    def __init__(self, kind: WatchHandler, folder: Path, pace: WatchPolicy) -> None:
        self._handler = kind
        self._policy = pace
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopping = threading.Event()
        self._rows: dict[str, FileRecord] = {}
        self._unsaved: list[FileRecord] = []
        self._next_check = 0.0
        self._pause_until = 0.0
        post = self._inbox.put
        self._save_error = ""
        mended = quarantine_damaged(folder / STORE_NAME)
        self._store = StateStore(folder / STORE_NAME)
        self._arrivals = Arrivals(kind, self._store, pace)
        self._pool = HandlerPool(kind, post=post, ended=self._on_results)
        self._events = ChangeListener(
            kind.watched_dirs,
            wanted=kind.is_wanted,
            tell=lambda changes: post(partial(self._on_changed, changes)),
            polling=pace.polling,
        )
        self.counters = WatcherCounters(
            *(kind, folder, self._store, self._arrivals),
            mode=lambda: "once" if pace.once else self._events.mode,
            attempts=pace.attempts,
        )
        self._scanner = TreeScanner(
            *(kind, folder / STORE_NAME, self._arrivals, pace),
            post=post,
            trouble=self.counters.record_error,
            done=self._on_scanned,
        )
        if mended:
            self.counters.record_error(mended)

    def stop(self) -> None:
        """Finish what is handed out, and end; safe in a signal handler."""
        self._stopping.set()
        self._inbox.put(lambda: None)

    def run(self) -> None:
        """Work until `stop`, or with `WatchPolicy.once` until all that is there was handled.

        Raises
        ------
        Busy, InvalidSettingsError, ServiceUnavailableError : with `WatchPolicy.once`, the kind's turn can't be had, or
            the memory can't be written
        """
        with self._store, self._handler.lifetime():
            self._resume()
            if not self._policy.once:
                self._events.start()
            try:
                while not self._is_finished():
                    self._step()
            finally:
                self._shut_down()

    def _shut_down(self) -> None:
        self._scanner.stop()
        if not self._policy.once:
            self._events.stop()
        self._pool.close_if_idle()
        self._save([])
        self.counters.write_report(0, WatcherStatus.STOPPED)

    def _is_finished(self) -> bool:
        if self._stopping.is_set():
            return not self._pool.calls
        busy = self._pool.calls or self._scanner.is_busy or not self._scanner.scans
        return self._policy.once and not busy and not self._arrivals.waiting

    def _step(self) -> None:
        self._arrivals.admit_settled()
        if not self._stopping.is_set():
            self._dispatch()
            self._scan_if_due()
        if time.monotonic() >= self.counters.next_write:
            life = WatcherStatus.STOPPING if self._stopping.is_set() else WatcherStatus.RUNNING
            self.counters.write_report(self._policy.heartbeat_seconds, life)
        try:
            self._inbox.get(timeout=self._seconds_to_wait())()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            return

    def _seconds_to_wait(self) -> float:
        """Until there is something to do by the clock."""
        moments = [self._next_check, self.counters.next_write, self._scanner.next_due]
        if (due := self._arrivals.next_due) is not None:
            moments.append(due)
        if self._arrivals.ready and self._pool.is_free:
            moments.append(self._pause_until)
        # Once it is stopping, nothing is done by the clock
        floor = 0.1 if self._stopping.is_set() else 0.0
        return max(floor, min(moments) - time.monotonic())

    def _resume(self) -> None:
        """Go on with what an earlier watcher left; what vanished is left to the first scan."""
        for row in self._store.unfinished():
            now = file_stamp(row.path)
            if now is None:
                continue
            if row.state is FileStatus.TAKEN or row.stamp != now or self._policy.once:
                self._arrivals.observe(row.path, now, self._policy.quiet_seconds)
            elif row.attempts < self._policy.attempts:
                self._arrivals.observe(row.path, now, self._policy.retry_seconds)

    def _on_scanned(self, unread: Sequence[str]) -> None:
        self.counters.record_scan(unread)
        rows = [row for row in self._store.unfinished() if row.path not in self._arrivals.in_work]
        self._save(
            [replace(row, state=FileStatus.GONE) for row in rows if not file_stamp(row.path)]
        )

    def _on_changed(self, changes: TreeChanges) -> None:
        self._arrivals.add_changed(changes.files)
        self._scanner.add_new_folders(changes.folders)
        if changes.missed:
            self._scanner.request_full_scan()

    def _scan_if_due(self) -> None:
        self._scanner.scan_due(self._store)
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + CHECK_SECONDS
            self._events.restart_if_replaced()
            self._save([])

    def _dispatch(self) -> None:
        while self._arrivals.ready and self._pool.is_free and self._can_start():
            rows = self._arrivals.next_batch(self._pool.next_batch_size(len(self._arrivals.ready)))
            if rows and self._save(rows):
                self._start_batch(rows)
            elif rows:
                self._arrivals.requeue(rows)
                if self._policy.once and not self._pool.calls:
                    raise ServiceUnavailableError(self._save_error, "make room on its disk")
        self._pool.close_if_idle()

    def _can_start(self) -> bool:
        if time.monotonic() < self._pause_until:
            return False
        try:
            self._pool.start_session()
        except (AlreadyRunningError, InvalidSettingsError, ServiceUnavailableError) as error:
            if self._policy.once:
                raise
            self._pause(error.what)
            return False
        self.counters.trouble = ""
        return True

    def _start_batch(self, rows: Sequence[FileRecord]) -> None:
        for row in rows:
            self._rows[row.path] = row
            self._arrivals.in_work.add(row.path)
        self.counters.record_start([row.path for row in rows])
        self._pool.start_batch(
            [WatchTask(Path(row.path), row.attempts + 1, row.renewed) for row in rows]
        )

    def _on_results(self, tasks: Sequence[WatchTask], ends: Sequence[WatchResult]) -> None:
        told = {str(end.path): end for end in ends}
        rows = []
        for task in tasks:
            path = str(task.path)
            end = told.get(
                path, WatchResult(task.path, WatchOutcome.FAILED, "nothing was told of it")
            )
            row = self._with_new_stamp(apply_result(self._rows.pop(path), end))
            self._arrivals.in_work.discard(path)
            rows.append(row)
            if end.outcome is WatchOutcome.POSTPONED:
                self._pause(end.reason)
            if not self._policy.once and (seconds := self._retry_seconds(row)) is not None:
                self._arrivals.retry(row, seconds)
        self._save(rows)
        self.counters.record_end(rows)

    def _with_new_stamp(self, row: FileRecord) -> FileRecord:
        now = file_stamp(row.path) if self._handler.touches_files else None
        return replace(row, stamp=now) if now else row

    def _retry_seconds(self, row: FileRecord) -> float | None:
        """Until it is tried again; None where it is not."""
        if row.state is FileStatus.TAKEN:
            return PAUSE_SECONDS
        if row.state is FileStatus.FAILED and row.attempts < self._policy.attempts:
            return self._policy.retry_seconds * min(2 ** (row.attempts - 1), MAX_RETRY_FACTOR)
        return None

    def _pause(self, trouble: str) -> None:
        self._pause_until = time.monotonic() + PAUSE_SECONDS
        self.counters.trouble = trouble

    def _save(self, rows: Sequence[FileRecord]) -> bool:
        """Put rows into the memory, with those that a full disk kept out; False where it can't."""
        self._unsaved += rows
        try:
            if self._unsaved:
                self._store.save_files(self._unsaved)
                if self.counters.trouble == self._save_error:
                    self.counters.trouble = ""
        except sqlite3.OperationalError as error:
            self._save_error = f"the memory can't be written: {error}"
            self._pause(self._save_error)
            # What is not handed out need not be remembered
            self._unsaved = [row for row in self._unsaved if row.state is not FileStatus.TAKEN]
            return False
        self._unsaved = []
        return True
