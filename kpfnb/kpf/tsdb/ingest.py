"""Fill the time-series database: by nights, or by files as they come.

Each file is opened once. What has not changed since (size and time) is not read again. All files of
a batch come into the database in one transaction, and those that can't be taken into its table of
problems; what was known of them stays.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, delete, func, select

from kpfnb import compute, settings
from kpfnb.errors import BadParameter, Busy, KpfnbError, ServiceUnavailable
from kpfnb.kpf import listing
from kpfnb.kpf import obsid as names
from kpfnb.kpf.obsid import KPF, ObsID, level_dir
from kpfnb.kpf.tsdb import chunks, database, layout, problems, store
from kpfnb.kpf.tsdb.batch import Bad, collect
from kpfnb.kpf.tsdb.content import Content, Keyword, Known
from kpfnb.kpf.tsdb.ingestion import Ingestion, Night
from kpfnb.kpf.tsdb.reading import Refused, look, read
from kpfnb.parameters import check_night

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

logger = logging.getLogger(__name__)

BATCH = 600
"""Files of so many observations are read before they are stored: a night, and memory stays flat."""

OPEN_DAYS = 2
"""So long after its date files of a night still come by ones and twos."""

WAIT_SECONDS = 3600
LONGEST_PAUSE_SECONDS = 30


@dataclass(frozen=True)
class _Job:
    """One night to be ingested; its name tells it in lists of failures."""

    root: Path
    night: str
    force: bool

    def __str__(self) -> str:
        return self.night


def nights(
    start: str, end: str = "", *, force: bool = False, wait_seconds: float = WAIT_SECONDS
) -> Ingestion:
    """Ingest what has changed on the nights from `start` to `end` (inclusive; YYYYMMDD, UT).

    Parameters
    ----------
    start, end : `end` empty: the one night; `start` later than `end`: newest first
    force : read every file again
    wait_seconds : so long a database that answered at first and does so no more is waited for

    Raises
    ------
    BadParameter : a date that is none
    BadInput : there is no L0 directory
    ServiceUnavailable, BadSettings, Busy : the database can't be written
    """
    root = settings.load().kpf_root
    last = end or start
    chosen = names.nights(root, checked(start), checked(last))
    began = time.monotonic()
    _prepare()
    jobs = [_Job(root, night, force) for night in chosen]
    outcomes = compute.run(partial(_ingest, wait_seconds=wait_seconds), jobs, title="ingest")
    return Ingestion(
        tuple(one.value for one in outcomes if one.outcome.is_good),
        failed={one.key: one.error for one in outcomes.failed},
        seconds=time.monotonic() - began,
        notes=() if chosen else (f"no night from {start} to {last} has L0 files",),
    )


def files(paths: Iterable[str | Path], *, wait_seconds: float = WAIT_SECONDS) -> Ingestion:
    """Ingest files of any nights and levels that are whole by now, in one transaction.

    For the watcher and for pipelines. Each is read, whatever is known of it. A database that does
    not answer is waited for; errors as for `nights`.
    """
    began = time.monotonic()
    by_night = defaultdict(list)
    strangers = []
    for path in dict.fromkeys(map(str, paths)):
        match = KPF.filename.fullmatch(Path(path).name)
        if match:
            by_night[match["night"]].append(path)
        else:
            strangers.append(path)
    found = [_read(some) for some in by_night.values()]
    refused = defaultdict(list)
    for bad in _patiently(lambda: _store(found), wait_seconds):
        refused[ObsID.parse(bad.path).night].append(bad)
    return Ingestion(
        tuple(
            Night(night, len(some), len(some) - len(refused[night]), tuple(refused[night]))
            for night, some in by_night.items()
        ),
        failed=dict.fromkeys(strangers, "not named as an observation"),
        seconds=time.monotonic() - began,
    )


def scan(root: Path, night: str) -> dict[str, Known]:
    """The files of a night on disk, of every level: path to what they look like.

    A directory that can't be listed is a `BadInput`.
    """
    return {
        f"{level_dir(root, level, night)}/{names.file_name(obsid, level)}": Known(
            status.st_size, status.st_mtime_ns
        )
        for level in KPF.levels
        for obsid, status in listing.files(root, level, night)
    }


def known(connection: Connection, night: str) -> dict[tuple[str, str], Known]:
    """The files of a night that the database has: by ObsID and level."""
    own = layout.file.c
    query = select(own.obsid, own.level, own.size, own.modified_ns).where(own.night == night)
    return {(row[0], row[1]): Known(row[2], row[3]) for row in connection.execute(query)}


def changed(
    found: dict[str, Known], stored: dict[tuple[str, str], Known], refused: dict[str, Known]
) -> list[str]:
    """The files on disk that the database does not know as they are, in order of time."""
    todo = []
    for path, stamp in found.items():
        if stored.get(key(path)) != stamp and refused.get(path) != stamp:
            todo.append(path)
    return sorted(todo, key=key)


def checked(night: str) -> str:
    """A night that is a date, or a `BadParameter`."""
    try:
        return check_night(night)
    except ValueError as error:
        raise BadParameter(f"night {night!r}: {error}", "write it as 20240115") from None


def key(path: str) -> tuple[str, str]:
    """ObsID and level of a path that is known to be an observation's."""
    name = path.rpartition("/")[2].removesuffix(".fits")
    obsid, _, level = name.partition("_")
    return obsid, level or KPF.raw


def _ingest(job: _Job, *, wait_seconds: float) -> Night:
    found = scan(job.root, job.night)
    if job.force:
        todo = sorted(found, key=key)
    else:
        with database.reading() as connection:
            stored = known(connection, job.night)
            todo = changed(found, stored, problems.refused(connection, job.night))
    taken, refused = 0, []
    for some in _portions(todo):
        bad = _patiently(partial(_store, [_read(some)]), wait_seconds)
        taken += len(some) - len(bad)
        refused += bad
    if _is_closed(job.night):
        _patiently(partial(_settle, job.night), wait_seconds)
    return Night(job.night, files=len(found), taken=taken, refused=tuple(refused))


def _portions(paths: Sequence[str]) -> Iterator[list[str]]:
    """Files in portions of `BATCH` observations; all files of one stay together."""
    by_obsid = defaultdict(list)
    for path in paths:
        by_obsid[key(path)[0]].append(path)
    obsids = list(by_obsid)
    for at in range(0, len(obsids), BATCH):
        yield [path for obsid in obsids[at : at + BATCH] for path in by_obsid[obsid]]


def _read(paths: Iterable[str]) -> tuple[list[Content], list[Bad]]:
    """Read files; those that can't be taken come with the reason."""
    statistics = settings.load().tsdb_telemetry
    good, bad = [], []
    comments: dict[Keyword, str] = {}
    for path in paths:
        try:
            good.append(read(path, statistics=statistics, comments=comments))
        except Refused as refusal:
            bad.append(Bad(path, _look(path), str(refusal)))
    return good, bad


def _look(path: str) -> Known | None:
    try:
        return look(path)
    except OSError:
        return None


def _store(found: Sequence[tuple[Sequence[Content], Sequence[Bad]]]) -> list[Bad]:
    """Store what was read of some nights, in one transaction; gives the files not taken."""
    batches = [collect(good) for good, _ in found if good]
    bad = [one for _, some in found for one in some]
    if not batches and not bad:
        return []
    with database.writing() as connection:
        for batch in batches:
            bad += store.put(connection, batch)
        problems.refuse(connection, bad)
    return bad


def _settle(night: str) -> None:
    """Make a closed night one chunk, if it is not."""
    with database.reading() as connection:
        count = select(func.count()).where(layout.chunk.c.night == night)
        if (connection.scalar(count) or 0) < 2:
            return
    with database.writing() as connection:
        chunks.settle(connection, night)


def _is_closed(night: str) -> bool:
    return night < f"{datetime.now(UTC) - timedelta(days=OPEN_DAYS):%Y%m%d}"


def _prepare() -> None:
    """Make the tables where there are none; tells at once whether the database can be written."""
    with database.writing() as connection:
        # Deletes nothing, and is refused where nothing may be deleted
        connection.execute(delete(layout.about).where(layout.about.c.name == ""))


def _reason(state: RetryCallState) -> str:
    error = state.outcome and state.outcome.exception()
    return error.what if isinstance(error, KpfnbError) else str(error)


def _patiently(work: Callable[[], T], wait_seconds: float) -> T:
    """Do some work on the database, again and again while it does not answer or is busy."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

    for attempt in Retrying(
        retry=retry_if_exception_type((ServiceUnavailable, Busy)),
        wait=wait_exponential(max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(wait_seconds),
        before_sleep=lambda state: logger.warning("%s; trying again", _reason(state)),
        reraise=True,
    ):
        with attempt:
            done = work()
    return done
