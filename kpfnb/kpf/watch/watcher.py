"""A running watcher: one thread decides, others scan, listen for events and handle files.

The other threads post what they find to the deciding thread. `stop`, which a signal handler may
call, lets it finish the current files and end.
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
from kpfnb.kpf.watch.handler import (
    HandlerPool,
    WatchHandler,
    WatchOutcome,
    WatchResult,
    WatchTask,
    file_stamp,
)
from kpfnb.kpf.watch.state_store import (
    STORE_NAME,
    FileRecord,
    FileStatus,
    StateStore,
    apply_result,
    quarantine_damaged,
)
from kpfnb.kpf.watch.status import WatcherCounters, WatcherStatus
from kpfnb.kpf.watch.tree_scanner import TreeScanner

CHECK_SECONDS = 5.0
MAX_RETRY_FACTOR = 8
PAUSE_SECONDS = 5.0
"""After a failure that no file has caused: a lock, a full disk, a service."""


class Watcher:
    """One watcher on one tree; created and run in the same thread.

    Parameters
    ----------
    folder : for its state, its status and its logs
    """

    def __init__(self, handler: WatchHandler, folder: Path, policy: WatchPolicy) -> None:
        self._handler = handler
        self._policy = policy
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopping = threading.Event()
        self._records: dict[str, FileRecord] = {}
        self._unsaved: list[FileRecord] = []
        self._next_check = 0.0
        self._pause_until = 0.0
        self._save_error = ""
        post = self._inbox.put
        damage = quarantine_damaged(folder / STORE_NAME)
        self._store = StateStore(folder / STORE_NAME)
        self._arrivals = Arrivals(handler, self._store, policy)
        self._pool = HandlerPool(handler, post=post, on_results=self._on_results)
        self._events = ChangeListener(
            handler.watched_dirs,
            is_wanted=handler.is_wanted,
            on_changes=lambda changes: post(partial(self._on_changed, changes)),
            polling=policy.polling,
        )
        self.counters = WatcherCounters(
            *(handler, folder, self._store, self._arrivals),
            mode=lambda: "once" if policy.once else self._events.mode,
            attempts=policy.attempts,
        )
        self._scanner = TreeScanner(
            *(handler, folder / STORE_NAME, self._arrivals, policy),
            post=post,
            on_error=self.counters.record_error,
            on_scanned=self._on_scanned,
        )
        if damage:
            self.counters.record_error(damage)

    def stop(self) -> None:
        """Finish the files that are being handled, and end; safe in a signal handler."""
        self._stopping.set()
        self._handler.stop()
        self._inbox.put(lambda: None)

    def run(self) -> None:
        """Work until `stop`, or with `WatchPolicy.once` until all present files are handled.

        Raises
        ------
        AlreadyRunningError, InvalidSettingsError, ServiceUnavailableError : with
            `WatchPolicy.once`, the handler's session can't start, or the state can't be written
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
        is_busy = self._pool.calls or self._scanner.is_busy or not self._scanner.scans
        return self._policy.once and not is_busy and not self._arrivals.waiting

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
        """The time until the next action that depends on the clock."""
        due_times = [self._next_check, self.counters.next_write, self._scanner.next_due]
        if (due := self._arrivals.next_due) is not None:
            due_times.append(due)
        if self._arrivals.ready and self._pool.is_free:
            due_times.append(self._pause_until)
        # While it is stopping, no action depends on the clock
        least = 0.1 if self._stopping.is_set() else 0.0
        return max(least, min(due_times) - time.monotonic())

    def _resume(self) -> None:
        """Continue what an earlier watcher left; the first scan finds files that are gone."""
        for record in self._store.unfinished():
            now = file_stamp(record.path)
            if now is None:
                continue
            if record.state is FileStatus.TAKEN or record.stamp != now or self._policy.once:
                self._arrivals.observe(record.path, now, self._policy.quiet_seconds)
            elif record.attempts < self._policy.attempts:
                self._arrivals.observe(record.path, now, self._policy.retry_seconds)

    def _on_scanned(self, unread: Sequence[str]) -> None:
        self.counters.record_scan(unread)
        idle = [r for r in self._store.unfinished() if r.path not in self._arrivals.in_work]
        vanished = [record for record in idle if not file_stamp(record.path)]
        self._save([replace(record, state=FileStatus.GONE) for record in vanished])

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
            size = self._pool.next_batch_size(len(self._arrivals.ready))
            records = self._arrivals.next_batch(size)
            if records and self._save(records):
                self._start_batch(records)
            elif records:
                self._arrivals.requeue(records)
                if self._policy.once and not self._pool.calls:
                    raise ServiceUnavailableError(self._save_error, "free space on its disk")
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

    def _start_batch(self, records: Sequence[FileRecord]) -> None:
        for record in records:
            self._records[record.path] = record
            self._arrivals.in_work.add(record.path)
        self.counters.record_start([record.path for record in records])
        self._pool.start_batch(
            [WatchTask(Path(r.path), r.attempts + 1, r.renewed) for r in records]
        )

    def _on_results(self, tasks: Sequence[WatchTask], results: Sequence[WatchResult]) -> None:
        by_path = {result.path: result for result in results}
        records = []
        for task in tasks:
            no_result = WatchResult(task.path, WatchOutcome.FAILED, "the handler gave no result")
            result = by_path.get(task.path, no_result)
            path = str(task.path)
            record = self._with_new_stamp(apply_result(self._records.pop(path), result))
            self._arrivals.in_work.discard(path)
            records.append(record)
            if result.outcome is WatchOutcome.POSTPONED:
                self._pause(result.reason)
            if not self._policy.once and (seconds := self._retry_seconds(record)) is not None:
                self._arrivals.retry(record, seconds)
        self._save(records)
        self.counters.record_end(records)

    def _with_new_stamp(self, record: FileRecord) -> FileRecord:
        now = file_stamp(record.path) if self._handler.touches_files else None
        return replace(record, stamp=now) if now else record

    def _retry_seconds(self, record: FileRecord) -> float | None:
        """The time until the next attempt; None if there is none."""
        if record.state is FileStatus.TAKEN:
            return PAUSE_SECONDS
        if record.state is FileStatus.FAILED and record.attempts < self._policy.attempts:
            return self._policy.retry_seconds * min(2 ** (record.attempts - 1), MAX_RETRY_FACTOR)
        return None

    def _pause(self, trouble: str) -> None:
        self._pause_until = time.monotonic() + PAUSE_SECONDS
        self.counters.trouble = trouble

    def _save(self, records: Sequence[FileRecord]) -> bool:
        """Store these records, and those that a full disk kept out; False if that fails."""
        self._unsaved += records
        try:
            if self._unsaved:
                self._store.save_files(self._unsaved)
                if self.counters.trouble == self._save_error:
                    self.counters.trouble = ""
        except sqlite3.OperationalError as error:
            self._save_error = f"the state can't be written: {error}"
            self._pause(self._save_error)
            # Files that are not handed out need no record
            self._unsaved = [r for r in self._unsaved if r.state is not FileStatus.TAKEN]
            return False
        self._unsaved = []
        return True
