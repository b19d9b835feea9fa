"""Status of a watcher: a report in a file that other programs may read at any time."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.clock import format_utc, parse_utc, utc_now
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.kpf.watch.arrivals import Arrivals
from kpfnb.kpf.watch.handler import WatchHandler
from kpfnb.kpf.watch.state_store import FileRecord, FileStatus, StateStore

logger = logging.getLogger(__name__)

MAX_NAMES = 50
MAX_LATENCIES = 1000
FILE_NAME = "status.json"
LOG_NAME = "watcher.log"
MAX_SILENT_SECONDS = 60.0
"""After this time without a heartbeat a watcher counts as not answering."""


class WatcherStatus(StrEnum):
    """Status of a watcher."""

    RUNNING = "running"
    STOPPING = "stopping"
    """It finishes the files that are being handled."""
    STOPPED = "stopped"
    SILENT = "not answering"
    """Its process exists, or is on another host, but it sends no heartbeat."""
    DIED = "died"
    """Its process ended without a final report."""


@dataclass(frozen=True)
class WatcherReport:
    """Report of a watcher; counts are since its start, times are UTC (ISO 8601).

    Attributes
    ----------
    mode : how it detects changes
    seen, done, failed : settled files; failures include files that are tried again
    given_up : files that failed too often, since the first start
    waiting : files on their way in, and those waiting for another attempt
    in_work, not_whole, failing : names, the last two with reasons; at most `MAX_NAMES`
    trouble : why it can't work at present; usually ''
    heartbeat : time of this report
    scanned : end of the last scan of the whole tree; '' before the first
    unread : what that scan could not read, and why; at most `MAX_NAMES`
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
        """Crashed, partial if something needs attention, or succeeded."""
        if self.life in (WatcherStatus.DIED, WatcherStatus.SILENT):
            return Outcome.CRASHED
        if self.trouble or self.given_up or self.failing or self.not_whole or self.unread:
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"outcome": self.outcome}


class WatcherCounters:
    """Counts what a watcher does, and writes its report.

    Attributes
    ----------
    trouble : why the watcher can't work at present; usually ''
    latencies : seconds from settled to started, of the latest files
    next_write : when (monotonic) the next report is due
    """

    def __init__(
        self,
        handler: WatchHandler,
        folder: Path,
        store: StateStore,
        arrivals: Arrivals,
        mode: Callable[[], str],
        *,
        attempts: int,
    ) -> None:
        self.trouble = ""
        self.latencies: list[float] = []
        self.next_write = 0.0
        self._store = store
        self._arrivals = arrivals
        self._mode = mode
        self._attempts = attempts
        self._report = WatcherReport(
            name=handler.name,
            root=str(handler.root),
            folder=str(folder),
            pid=os.getpid(),
            host=socket.gethostname(),
            since=format_utc(),
        )

    def record_error(self, text: str) -> None:
        """Record an error."""
        logger.warning("%s: %s", self._report.name, text)
        self._report = replace(self._report, last_error=f"{format_utc()} {text}")

    def record_scan(self, unread: Sequence[str]) -> None:
        """Record a scan of the whole tree, with what could not be read."""
        unread = tuple(unread[:MAX_NAMES])
        self._report = replace(self._report, scanned=format_utc(), unread=unread)

    def record_start(self, paths: Sequence[str]) -> None:
        """Record that these files are being handled."""
        now = time.monotonic()
        settled = [self._arrivals.settled_at.pop(path, now) for path in paths]
        self.latencies = [*self.latencies, *(now - time_settled for time_settled in settled)][
            -MAX_LATENCIES:
        ]
        logger.info("%s: handling %d files, first %s", self._report.name, len(paths), paths[0])
        self._report = replace(self._report, seen=self._report.seen + len(paths))

    def record_end(self, records: Iterable[FileRecord]) -> None:
        """Record that these files were handled."""
        done = failed = 0
        for record in records:
            done += record.state is FileStatus.DONE
            if record.state is FileStatus.FAILED:
                failed += 1
                name = Path(record.path).name
                self.record_error(f"{name} (attempt {record.attempts}): {record.reason}")
        logger.info("%s: %d done, %d failed", self._report.name, done, failed)
        total_done, total_failed = self._report.done + done, self._report.failed + failed
        self._report = replace(self._report, done=total_done, failed=total_failed)

    def write_report(self, heartbeat_seconds: float, life: WatcherStatus) -> None:
        """Write the report; if that fails, it is logged and the work continues."""
        self.next_write = time.monotonic() + heartbeat_seconds
        failed = self._store.failed(MAX_NAMES)
        arrivals = self._arrivals
        self._report = replace(
            self._report,
            life=life,
            heartbeat=format_utc(),
            mode=self._mode(),
            given_up=self._store.count_given_up(self._attempts),
            waiting=arrivals.waiting,
            in_work=tuple(sorted(Path(path).name for path in arrivals.in_work))[:MAX_NAMES],
            not_whole=tuple(islice(arrivals.incomplete.items(), MAX_NAMES)),
            failing=tuple((record.path, record.reason) for record in failed),
            trouble=self.trouble,
        )
        try:
            write_report(self._report)
        except OSError as error:
            logger.warning("the report can't be written: %s", error)

    @property
    def report(self) -> WatcherReport:
        """The report as last written."""
        return self._report


def watcher_dir(work_dir: Path, name: str) -> Path:
    """The directory of a watcher's state, status and logs."""
    return work_dir / "watch" / name


def write_report(report: WatcherReport) -> None:
    """Write the report into its directory, atomically."""
    values = asdict(report)
    del values["folder"]
    atomic.write_json(Path(report.folder) / FILE_NAME, values)


def read_reports(work_dir: Path, name: str = "") -> Iterator[WatcherReport]:
    """The reports of the watchers of a work directory, or of the one with that name.

    A file that can't be read is an `InvalidInputError`.
    """
    for file in sorted((work_dir / "watch").glob(f"{name or '*'}/{FILE_NAME}")):
        yield check_liveness(_read_report(file), utc_now())


def check_liveness(report: WatcherReport, now: datetime) -> WatcherReport:
    """The report, corrected if the watcher has died or does not answer."""
    if report.life is WatcherStatus.STOPPED:
        return report
    if report.host == socket.gethostname() and not _process_exists(report.pid):
        return replace(report, life=WatcherStatus.DIED, in_work=())
    silence = (now - parse_utc(report.heartbeat)).total_seconds()
    return replace(report, life=WatcherStatus.SILENT) if silence > MAX_SILENT_SECONDS else report


def _read_report(file: Path) -> WatcherReport:
    values = atomic.read_json(file)
    try:
        known = {field.name for field in fields(WatcherReport)}
        attributes = {name: value for name, value in values.items() if name in known}
        attributes |= {n: tuple(map(tuple, attributes[n])) for n in ("not_whole", "failing")}
        attributes |= {n: tuple(attributes.get(n, ())) for n in ("in_work", "unread")}
        attributes |= {"life": WatcherStatus(attributes["life"])}
        return WatcherReport(**attributes | {"folder": str(file.parent)})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{file} is not a watcher's status: {error}", "remove it") from None


def _process_exists(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)
