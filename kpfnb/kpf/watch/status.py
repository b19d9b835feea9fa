"""What a watcher tells of itself, in a file that anybody may read at any time."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.kpf.watch.arrivals import Arrivals
from kpfnb.kpf.watch.handler import WatchHandler
from kpfnb.kpf.watch.state_store import FileRecord, FileStatus, StateStore

FILE_NAME = "status.json"
MAX_SILENT_SECONDS = 60.0
"""Without a heartbeat for so long, a watcher does not answer."""


class WatcherStatus(StrEnum):
    """How a watcher is."""

    RUNNING = "running"
    STOPPING = "stopping"
    """It finishes what runs."""
    STOPPED = "stopped"
    SILENT = "not answering"
    """Its process is there and its heartbeat is not, or it is on another host."""
    DIED = "died"
    """Its process has gone without a word."""


@dataclass(frozen=True)
class WatcherReport:
    """A watcher at one moment; the counts are since its start, times are UTC (ISO 8601).

    Attributes
    ----------
    mode : how it learns of changes
    seen, done, failed : settled files; failures include those that are tried again
    given_up : files that failed too often, of all time
    waiting : files on their way in, and those that wait for another attempt
    in_work, not_whole, failing : names, the last two with reasons; the first ones where many
    trouble : what keeps it from working just now
    heartbeat : when this was written
    scanned : when the last look at the whole tree ended; '' before the first
    unread : what that look had to leave out, and why; the first ones where many
    """

    name: str
    root: str
    life: WatcherStatus = WatcherStatus.RUNNING
    pid: int = 0
    host: str = ""
    since: str = ""
    heartbeat: str = ""
    scanned: str = ""
    unread: tuple[str, ...] = ()
    mode: str = ""
    seen: int = 0
    done: int = 0
    failed: int = 0
    given_up: int = 0
    waiting: int = 0
    in_work: tuple[str, ...] = ()
    not_whole: tuple[tuple[str, str], ...] = ()
    failing: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    last_error: str = ""
    folder: str = ""

    @property
    def outcome(self) -> Outcome:
        """Whether somebody has to look."""
        if self.life in (WatcherStatus.DIED, WatcherStatus.SILENT):
            return Outcome.CRASHED
        if self.trouble or self.given_up or self.failing or self.not_whole or self.unread:
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"outcome": self.outcome}


def watcher_dir(work_dir: Path, name: str) -> Path:
    """Where a watcher keeps its memory, status and logs."""
    return work_dir / "watch" / name


def write_report(status: WatcherReport) -> None:
    """Write the status into its folder, whole."""
    values = asdict(status)
    del values["folder"]
    atomic.write_json(Path(status.folder) / FILE_NAME, values)


def read_reports(work_dir: Path, name: str = "") -> Iterator[WatcherReport]:
    """The status of each watcher of a work directory, or of the one of that name.

    A file that can't be read is a `InvalidInputError`.
    """
    for file in sorted((work_dir / "watch").glob(f"{name or '*'}/{FILE_NAME}")):
        yield check_liveness(_read_report(file), datetime.now(UTC))


def check_liveness(status: WatcherReport, now: datetime) -> WatcherReport:
    """The status with what can be seen from outside: is the watcher there, and does it answer?"""
    if status.life is WatcherStatus.STOPPED:
        return status
    if status.host == socket.gethostname() and not _process_exists(status.pid):
        return replace(status, life=WatcherStatus.DIED, in_work=())
    silence = (now - datetime.fromisoformat(status.heartbeat)).total_seconds()
    return replace(status, life=WatcherStatus.SILENT) if silence > MAX_SILENT_SECONDS else status


def _read_report(file: Path) -> WatcherReport:
    values = atomic.read_json(file)
    try:
        known = {field.name for field in fields(WatcherReport)}
        chosen = {name: value for name, value in values.items() if name in known}
        chosen |= {n: tuple(map(tuple, chosen[n])) for n in ("not_whole", "failing")}
        chosen |= {n: tuple(chosen.get(n, ())) for n in ("in_work", "unread")}
        chosen |= {"life": WatcherStatus(chosen["life"])}
        return WatcherReport(**chosen | {"folder": str(file.parent)})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{file} is no watcher's status: {error}", "remove it") from None


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def utc_now() -> str:
    """This moment, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# A watcher's counts, as they go into its status.

logger = logging.getLogger(__name__)

MAX_NAMES = 50
MAX_LATENCIES = 1000


class WatcherCounters:
    """Counts what happens, and writes the status.

    Attributes
    ----------
    trouble : what keeps the watcher from working just now; '' where nothing does
    latencies : seconds from settled to started, of the latest files
    next_write : when (monotonic) the status is due
    """

    def __init__(
        self,
        kind: WatchHandler,
        folder: Path,
        memory: StateStore,
        arrivals: Arrivals,
        mode: Callable[[], str],
        *,
        attempts: int,
    ) -> None:
        self.trouble = ""
        self.latencies: list[float] = []
        self.next_write = 0.0
        self._memory = memory
        self._arrivals = arrivals
        self._mode = mode
        self._attempts = attempts
        self._report = WatcherReport(
            name=kind.name,
            root=str(kind.root),
            folder=str(folder),
            pid=os.getpid(),
            host=socket.gethostname(),
            since=utc_now(),
        )

    def record_error(self, text: str) -> None:
        """Something went wrong."""
        logger.warning("%s: %s", self._report.name, text)
        self._report = replace(self._report, last_error=f"{utc_now()} {text}")

    def record_scan(self, unread: Sequence[str]) -> None:
        """The whole tree was looked at, but for what could not be read."""
        some = tuple(unread[:MAX_NAMES])
        self._report = replace(self._report, scanned=utc_now(), unread=some)

    def record_start(self, paths: Sequence[str]) -> None:
        """These were handed out."""
        now = time.monotonic()
        settled = [self._arrivals.settled_at.pop(path, now) for path in paths]
        self.latencies = [*self.latencies, *(now - moment for moment in settled)][-MAX_LATENCIES:]
        logger.info("%s: %d handed out, the first %s", self._report.name, len(paths), paths[0])
        self._report = replace(self._report, seen=self._report.seen + len(paths))

    def record_end(self, rows: Iterable[FileRecord]) -> None:
        """These were handled."""
        done = failed = 0
        for row in rows:
            done += row.state is FileStatus.DONE
            failed += row.state is FileStatus.FAILED
            if row.state is FileStatus.FAILED:
                self.record_error(f"{Path(row.path).name} (attempt {row.attempts}): {row.reason}")
        logger.info("%s: %d done, %d failed", self._report.name, done, failed)
        now = self._report
        self._report = replace(now, done=now.done + done, failed=now.failed + failed)

    def write_report(self, heartbeat_seconds: float, life: WatcherStatus) -> None:
        """Write the status; that it can't be written is only logged, the work goes on."""
        self.next_write = time.monotonic() + heartbeat_seconds
        failed = self._memory.failed(MAX_NAMES)
        arrivals = self._arrivals
        self._report = replace(
            self._report,
            life=life,
            heartbeat=utc_now(),
            mode=self._mode(),
            given_up=self._memory.count_given_up(self._attempts),
            waiting=arrivals.waiting,
            in_work=tuple(sorted(Path(path).name for path in arrivals.in_work))[:MAX_NAMES],
            not_whole=tuple(islice(arrivals.incomplete.items(), MAX_NAMES)),
            failing=tuple((row.path, row.reason) for row in failed),
            trouble=self.trouble,
        )
        try:
            write_report(self._report)
        except OSError as error:
            logger.warning("the status can't be written: %s", error)

    @property
    def report(self) -> WatcherReport:
        """The status as it was written last."""
        return self._report
