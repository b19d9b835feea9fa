"""From the first sight of a file to the moment when it can be handed out.

A file is ready once nothing has changed it for the quiet time, it is whole, and the memory says
that there is something to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kpfnb import fitsheader
from kpfnb.errors import BadParameter
from kpfnb.fitsheader import BadHeader
from kpfnb.watching.kind import Kind, Stamp, stamp
from kpfnb.watching.memory import Memory, Row, State
from kpfnb.watching.settling import Settling

LONGEST_PAUSE_SECONDS = 300.0
"""A file that stays cut off is looked at again so often."""


@dataclass(frozen=True)
class Pace:
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
                raise BadParameter(f"{name}: {getattr(self, name)}", "it is 0 or more")
        for name in ("rescan_seconds", "attempts", "heartbeat_seconds"):
            if getattr(self, name) <= 0:
                raise BadParameter(f"{name}: {getattr(self, name)}", "it is more than 0")


class Arrivals:
    """The files of one watcher that are on their way in.

    Attributes
    ----------
    ready : settled files by path, in the order in which they settled
    not_whole : settled files that are cut off or broken, with the reason; looked at again
    in_work : the paths that are handed out at this moment
    """

    def __init__(self, kind: Kind, memory: Memory, pace: Pace) -> None:
        self.ready: dict[str, Row] = {}
        self.not_whole: dict[str, str] = {}
        self.in_work: set[str] = set()
        self.settled_at: dict[str, float] = {}
        self._flawed: dict[str, int] = {}
        self._settling = Settling()
        self._stamps: dict[str, Stamp] = {}
        self._wanted = kind.wanted
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

    def changed(self, paths: Iterable[str]) -> None:
        """An event tells that these were written, renamed or touched just now."""
        for path in paths:
            now = stamp(path)
            if now is not None:
                self.ready.pop(path, None)
                self._flawed.pop(path, None)
                self.note(path, now, self._pace.quiet_seconds)

    def found(self, folder: str, files: dict[str, Stamp]) -> None:
        """A scan has seen these; those that are on their way already go on undisturbed."""
        for name, seen in files.items():
            path = f"{folder}/{name}"
            row = self.ready.get(path)
            if self._stamps.get(path) != seen and (row is None or row.stamp != seen):
                self.ready.pop(path, None)
                self.note(path, seen, self._pace.quiet_seconds)

    def again(self, row: Row, seconds: float) -> None:
        """Try it again after so long; if it was touched meanwhile, it is on its way already."""
        if row.path not in self._stamps and row.path not in self.ready:
            self.note(row.path, row.stamp, seconds)

    def note(self, path: str, seen: Stamp, seconds: float) -> None:
        """Look at the file again after so many seconds without a change."""
        self._stamps[path] = seen
        self._settling.note(path, seen, time.monotonic() + seconds)

    def settle(self) -> None:
        """Make ready what has been quiet for long enough."""
        for path, seen, due in self._settling.take_due(time.monotonic()):
            del self._stamps[path]
            self._admit(path, seen, due)

    def take(self, most: int) -> list[Row]:
        """Up to so many files to hand out, whole ones, the first settled first."""
        rows: list[Row] = []
        while self.ready and len(rows) < most:
            path = next(iter(self.ready))
            row = self.ready.pop(path)
            if self._check(row):
                rows.append(row)
        return rows

    def put_back(self, rows: Iterable[Row]) -> None:
        """They could not be handed out after all."""
        self.ready = {row.path: row for row in rows} | self.ready

    def _admit(self, path: str, seen: Stamp, due: float) -> None:
        now = stamp(path)
        if now is None:
            self.not_whole.pop(path, None)
            return
        if now != seen or path in self.in_work:
            self.note(path, now, self._pace.quiet_seconds)
            return
        row = self._memory.find(path)
        if not is_handled(row, now, self._pace.attempts):
            self.ready[path] = task_row(path, now, row)
            self.settled_at[path] = due

    def _check(self, row: Row) -> bool:
        """Whether it is whole; if not, it is looked at again, later and later."""
        reason = flaw(Path(row.path))
        if not reason:
            self.not_whole.pop(row.path, None)
            self._flawed.pop(row.path, None)
            return True
        self.settled_at.pop(row.path, None)
        self.not_whole[row.path] = reason
        if not self._pace.once:
            times = self._flawed[row.path] = self._flawed.get(row.path, 0) + 1
            pause = min(LONGEST_PAUSE_SECONDS, max(self._pace.quiet_seconds, 0.1) * 2**times)
            self.note(row.path, row.stamp, pause)
        return False


def is_handled(row: Row | None, now: Stamp, attempts: int) -> bool:
    """Whether nothing is to be done for a file that looks like this."""
    if row is None or row.stamp != now:
        return False
    given_up = row.state is State.FAILED and row.attempts >= attempts
    return given_up or row.state in (State.DONE, State.KNOWN)


def task_row(path: str, now: Stamp, row: Row | None) -> Row:
    """What to remember of a file that is to be handed out, from what was remembered."""
    is_same = row is not None and row.stamp == now
    renewed = row is not None and (row.renewed or not is_same)
    return Row(path, now, State.TAKEN, row.attempts if row and is_same else 0, renewed)


def flaw(path: Path) -> str:
    """Why a file is not a whole FITS file, '' where it is; its headers are walked to the end."""
    try:
        for _ in fitsheader.hdus(path):
            pass
    except BadHeader as error:
        return str(error.reason)
    return ""
