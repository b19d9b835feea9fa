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

from kpfnb.errors import BadSettings, Busy, ServiceUnavailable
from kpfnb.watching.arrivals import Arrivals, Pace
from kpfnb.watching.events import Changes, Events
from kpfnb.watching.hands import Hands
from kpfnb.watching.kind import Ended, Fate, Kind, Task, stamp
from kpfnb.watching.memory import Memory, Row, State, after, mend
from kpfnb.watching.scout import Scout
from kpfnb.watching.status import Life
from kpfnb.watching.tally import Tally

MEMORY = "memory.sqlite"
CHECK_SECONDS = 5.0
MOST_RETRY_TIMES = 8
PAUSE_SECONDS = 5.0
"""After something that is not a file's fault: a lock, a full disk, a service."""


class Watcher:
    """One kind of watcher on one tree; made and run in the same thread.

    Parameters
    ----------
    folder : for its memory, its status and its logs
    """

    def __init__(self, kind: Kind, folder: Path, pace: Pace) -> None:
        self._kind = kind
        self._pace = pace
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopping = threading.Event()
        self._rows: dict[str, Row] = {}
        self._owed: list[Row] = []
        self._next_check = 0.0
        self._pause_until = 0.0
        post = self._inbox.put
        self._unwritten = ""
        mended = mend(folder / MEMORY)
        self._memory = Memory(folder / MEMORY)
        self._arrivals = Arrivals(kind, self._memory, pace)
        self._hands = Hands(kind, post=post, ended=self._ended)
        self._events = Events(
            kind.tops,
            wanted=kind.wanted,
            tell=lambda changes: post(partial(self._changed, changes)),
            polling=pace.polling,
        )
        self.tally = Tally(
            *(kind, folder, self._memory, self._arrivals),
            mode=lambda: "once" if pace.once else self._events.mode,
            attempts=pace.attempts,
        )
        self._scout = Scout(
            *(kind, folder / MEMORY, self._arrivals, pace),
            post=post,
            trouble=self.tally.error,
            done=self._scanned,
        )
        if mended:
            self.tally.error(mended)

    def stop(self) -> None:
        """Finish what is handed out, and end; safe in a signal handler."""
        self._stopping.set()
        self._inbox.put(lambda: None)

    def run(self) -> None:
        """Work until `stop`, or with `Pace.once` until all that is there was handled.

        Raises
        ------
        Busy, BadSettings, ServiceUnavailable : with `Pace.once`, the kind's turn can't be had, or
            the memory can't be written
        """
        with self._memory, self._kind.life():
            self._take_up()
            if not self._pace.once:
                self._events.start()
            try:
                while not self._is_over():
                    self._step()
            finally:
                self._leave()

    def _leave(self) -> None:
        self._scout.stop()
        if not self._pace.once:
            self._events.stop()
        self._hands.rest()
        self._remember([])
        self.tally.write(0, Life.STOPPED)

    def _is_over(self) -> bool:
        if self._stopping.is_set():
            return not self._hands.calls
        busy = self._hands.calls or self._scout.is_busy or not self._scout.scans
        return self._pace.once and not busy and not self._arrivals.waiting

    def _step(self) -> None:
        self._arrivals.settle()
        if not self._stopping.is_set():
            self._hand_out()
            self._look_around()
        if time.monotonic() >= self.tally.next_write:
            life = Life.STOPPING if self._stopping.is_set() else Life.RUNNING
            self.tally.write(self._pace.heartbeat_seconds, life)
        try:
            self._inbox.get(timeout=self._rest_seconds())()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            return

    def _rest_seconds(self) -> float:
        """Until there is something to do by the clock."""
        moments = [self._next_check, self.tally.next_write, self._scout.next_moment]
        if (due := self._arrivals.next_due) is not None:
            moments.append(due)
        if self._arrivals.ready and self._hands.is_free:
            moments.append(self._pause_until)
        # Once it is stopping, nothing is done by the clock
        floor = 0.1 if self._stopping.is_set() else 0.0
        return max(floor, min(moments) - time.monotonic())

    def _take_up(self) -> None:
        """Go on with what an earlier watcher left; what vanished is left to the first scan."""
        for row in self._memory.unfinished():
            now = stamp(row.path)
            if now is None:
                continue
            if row.state is State.TAKEN or row.stamp != now or self._pace.once:
                self._arrivals.note(row.path, now, self._pace.quiet_seconds)
            elif row.attempts < self._pace.attempts:
                self._arrivals.note(row.path, now, self._pace.retry_seconds)

    def _scanned(self, unread: Sequence[str]) -> None:
        self.tally.scanned(unread)
        rows = [row for row in self._memory.unfinished() if row.path not in self._arrivals.in_work]
        self._remember([replace(row, state=State.GONE) for row in rows if not stamp(row.path)])

    def _changed(self, changes: Changes) -> None:
        self._arrivals.changed(changes.files)
        self._scout.sweep(changes.folders)
        if changes.missed:
            self._scout.hurry()

    def _look_around(self) -> None:
        self._scout.look(self._memory)
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + CHECK_SECONDS
            self._events.check()
            self._remember([])

    def _hand_out(self) -> None:
        while self._arrivals.ready and self._hands.is_free and self._is_our_turn():
            rows = self._arrivals.take(self._hands.share(len(self._arrivals.ready)))
            if rows and self._remember(rows):
                self._start(rows)
            elif rows:
                self._arrivals.put_back(rows)
                if self._pace.once and not self._hands.calls:
                    raise ServiceUnavailable(self._unwritten, "make room on its disk")
        self._hands.rest()

    def _is_our_turn(self) -> bool:
        if time.monotonic() < self._pause_until:
            return False
        try:
            self._hands.begin_turn()
        except (Busy, BadSettings, ServiceUnavailable) as error:
            if self._pace.once:
                raise
            self._pause(error.what)
            return False
        self.tally.trouble = ""
        return True

    def _start(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._rows[row.path] = row
            self._arrivals.in_work.add(row.path)
        self.tally.started([row.path for row in rows])
        self._hands.start([Task(Path(row.path), row.attempts + 1, row.renewed) for row in rows])

    def _ended(self, tasks: Sequence[Task], ends: Sequence[Ended]) -> None:
        told = {str(end.path): end for end in ends}
        rows = []
        for task in tasks:
            path = str(task.path)
            end = told.get(path, Ended(task.path, Fate.FAILED, "nothing was told of it"))
            row = self._restamped(after(self._rows.pop(path), end))
            self._arrivals.in_work.discard(path)
            rows.append(row)
            if end.fate is Fate.POSTPONED:
                self._pause(end.reason)
            if not self._pace.once and (seconds := self._seconds_to_next(row)) is not None:
                self._arrivals.again(row, seconds)
        self._remember(rows)
        self.tally.ended(rows)

    def _restamped(self, row: Row) -> Row:
        now = stamp(row.path) if self._kind.touches else None
        return replace(row, stamp=now) if now else row

    def _seconds_to_next(self, row: Row) -> float | None:
        """Until it is tried again; None where it is not."""
        if row.state is State.TAKEN:
            return PAUSE_SECONDS
        if row.state is State.FAILED and row.attempts < self._pace.attempts:
            return self._pace.retry_seconds * min(2 ** (row.attempts - 1), MOST_RETRY_TIMES)
        return None

    def _pause(self, trouble: str) -> None:
        self._pause_until = time.monotonic() + PAUSE_SECONDS
        self.tally.trouble = trouble

    def _remember(self, rows: Sequence[Row]) -> bool:
        """Put rows into the memory, with those that a full disk kept out; False where it can't."""
        self._owed += rows
        try:
            if self._owed:
                self._memory.put(self._owed)
                if self.tally.trouble == self._unwritten:
                    self.tally.trouble = ""
        except sqlite3.OperationalError as error:
            self._unwritten = f"the memory can't be written: {error}"
            self._pause(self._unwritten)
            # What is not handed out need not be remembered
            self._owed = [row for row in self._owed if row.state is not State.TAKEN]
            return False
        self._owed = []
        return True
