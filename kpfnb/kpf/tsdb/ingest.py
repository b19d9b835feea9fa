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

from kpfnb.compute.item_map import map_items
from kpfnb.core import settings
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidParameterError,
    KpfnbError,
    ServiceUnavailableError,
)
from kpfnb.kpf.files import obsid as listing
from kpfnb.kpf.files import obsid as names
from kpfnb.kpf.files.obsid import KPF, ObsID, level_dir
from kpfnb.kpf.tsdb import chunks, database, schema, store
from kpfnb.kpf.tsdb import store as problems
from kpfnb.kpf.tsdb.batch import FileContent, FileSignature, Keyword, RefusedFile, build_batch
from kpfnb.kpf.tsdb.file_reader import FileRefusedError, read_file, read_signature
from kpfnb.kpf.tsdb.ingest_result import IngestedNight, IngestResult
from kpfnb.notebook.parameters import check_night

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

logger = logging.getLogger(__name__)

BATCH_OBSERVATIONS = 600
"""Files of so many observations are read before they are stored: a night, and memory stays flat."""

OPEN_DAYS = 2
"""So long after its date files of a night still come by ones and twos."""

WAIT_SECONDS = 3600
MAX_PAUSE_SECONDS = 30


@dataclass(frozen=True)
class _IngestJob:
    """One night to be ingested; its name tells it in lists of failures."""

    root: Path
    night: str
    force: bool

    def __str__(self) -> str:
        return self.night


def ingest_nights(
    start: str, end: str = "", *, force: bool = False, wait_seconds: float = WAIT_SECONDS
) -> IngestResult:
    """Ingest what has changed on the nights from `start` to `end` (inclusive; YYYYMMDD, UT).

    Parameters
    ----------
    start, end : `end` empty: the one night; `start` later than `end`: newest first
    force : read every file again
    wait_seconds : so long a database that answered at first and does so no more is waited for

    Raises
    ------
    InvalidParameterError : a date that is none
    InvalidInputError : there is no L0 directory
    ServiceUnavailableError, InvalidSettingsError, Busy : the database can't be written
    """
    root = settings.load_settings().kpf_root
    last = end or start
    chosen = names.list_nights(root, validate_night(start), validate_night(last))
    began = time.monotonic()
    _prepare_tables()
    jobs = [_IngestJob(root, night, force) for night in chosen]
    outcomes = map_items(partial(_ingest_night, wait_seconds=wait_seconds), jobs, title="ingest")
    return IngestResult(
        tuple(one.value for one in outcomes if one.outcome.is_good),
        failed={one.key: one.error for one in outcomes.failed},
        seconds=time.monotonic() - began,
        notes=() if chosen else (f"no night from {start} to {last} has L0 files",),
    )


def ingest_files(
    paths: Iterable[str | Path], *, wait_seconds: float = WAIT_SECONDS
) -> IngestResult:
    """Ingest files of any nights and levels that are whole by now, in one transaction.

    For the watcher and for pipelines. Each is read, whatever is known of it. A database that does
    not answer is waited for; errors as for `nights`.
    """
    began = time.monotonic()
    by_night = defaultdict(list)
    strangers = []
    for path in dict.fromkeys(map(str, paths)):
        match = KPF.filename_pattern.fullmatch(Path(path).name)
        if match:
            by_night[match["night"]].append(path)
        else:
            strangers.append(path)
    found = [_read_files(some) for some in by_night.values()]
    refused = defaultdict(list)
    for bad in _retry_until_available(lambda: _store_contents(found), wait_seconds):
        refused[ObsID.parse(bad.path).night].append(bad)
    return IngestResult(
        tuple(
            IngestedNight(night, len(some), len(some) - len(refused[night]), tuple(refused[night]))
            for night, some in by_night.items()
        ),
        failed=dict.fromkeys(strangers, "not named as an observation"),
        seconds=time.monotonic() - began,
    )


def scan_night(root: Path, night: str) -> dict[str, FileSignature]:
    """The files of a night on disk, of every level: path to what they look like.

    A directory that can't be listed is a `InvalidInputError`.
    """
    return {
        f"{level_dir(root, level, night)}/{names.file_name(obsid, level)}": FileSignature(
            status.st_size, status.st_mtime_ns
        )
        for level in KPF.levels
        for obsid, status in listing.list_night_files(root, level, night)
    }


def read_stored_files(connection: Connection, night: str) -> dict[tuple[str, str], FileSignature]:
    """The files of a night that the database has: by ObsID and level."""
    own = schema.file_table.c
    query = select(own.obsid, own.level, own.size, own.modified_ns).where(own.night == night)
    return {(row[0], row[1]): FileSignature(row[2], row[3]) for row in connection.execute(query)}


def find_changed_files(
    found: dict[str, FileSignature],
    stored: dict[tuple[str, str], FileSignature],
    refused: dict[str, FileSignature],
) -> list[str]:
    """The files on disk that the database does not know as they are, in order of time."""
    todo = []
    for path, stamp in found.items():
        if stored.get(parse_file_key(path)) != stamp and refused.get(path) != stamp:
            todo.append(path)
    return sorted(todo, key=parse_file_key)


def validate_night(night: str) -> str:
    """A night that is a date, or a `InvalidParameterError`."""
    try:
        return check_night(night)
    except ValueError as error:
        raise InvalidParameterError(f"night {night!r}: {error}", "write it as 20240115") from None


def parse_file_key(path: str) -> tuple[str, str]:
    """ObsID and level of a path that is known to be an observation's."""
    name = path.rpartition("/")[2].removesuffix(".fits")
    obsid, _, level = name.partition("_")
    return obsid, level or KPF.raw


def _ingest_night(job: _IngestJob, *, wait_seconds: float) -> IngestedNight:
    found = scan_night(job.root, job.night)
    if job.force:
        todo = sorted(found, key=parse_file_key)
    else:
        with database.read_transaction() as connection:
            stored = read_stored_files(connection, job.night)
            todo = find_changed_files(
                found, stored, problems.read_refused_files(connection, job.night)
            )
    taken, refused = 0, []
    for some in _split_by_observation(todo):
        bad = _retry_until_available(partial(_store_contents, [_read_files(some)]), wait_seconds)
        taken += len(some) - len(bad)
        refused += bad
    if _is_closed_night(job.night):
        _retry_until_available(partial(_compact_night, job.night), wait_seconds)
    return IngestedNight(job.night, files=len(found), ingested=taken, refused=tuple(refused))


def _split_by_observation(paths: Sequence[str]) -> Iterator[list[str]]:
    """Files in portions of `BATCH` observations; all files of one stay together."""
    by_obsid = defaultdict(list)
    for path in paths:
        by_obsid[parse_file_key(path)[0]].append(path)
    obsids = list(by_obsid)
    for at in range(0, len(obsids), BATCH_OBSERVATIONS):
        yield [path for obsid in obsids[at : at + BATCH_OBSERVATIONS] for path in by_obsid[obsid]]


def _read_files(paths: Iterable[str]) -> tuple[list[FileContent], list[RefusedFile]]:
    """Read files; those that can't be taken come with the reason."""
    statistics = settings.load_settings().tsdb_telemetry
    good, bad = [], []
    comments: dict[Keyword, str] = {}
    for path in paths:
        try:
            good.append(read_file(path, statistics=statistics, comments=comments))
        except FileRefusedError as refusal:
            bad.append(RefusedFile(path, _try_read_signature(path), str(refusal)))
    return good, bad


def _try_read_signature(path: str) -> FileSignature | None:
    try:
        return read_signature(path)
    except OSError:
        return None


def _store_contents(
    found: Sequence[tuple[Sequence[FileContent], Sequence[RefusedFile]]],
) -> list[RefusedFile]:
    """Store what was read of some nights, in one transaction; gives the files not taken."""
    batches = [build_batch(good) for good, _ in found if good]
    bad = [one for _, some in found for one in some]
    if not batches and not bad:
        return []
    with database.write_transaction() as connection:
        for batch in batches:
            bad += store.store_batch(connection, batch)
        problems.record_refusals(connection, bad)
    return bad


def _compact_night(night: str) -> None:
    """Make a closed night one chunk, if it is not."""
    with database.read_transaction() as connection:
        count = select(func.count()).where(schema.chunk_table.c.night == night)
        if (connection.scalar(count) or 0) < 2:
            return
    with database.write_transaction() as connection:
        chunks.compact_night(connection, night)


def _is_closed_night(night: str) -> bool:
    return night < f"{datetime.now(UTC) - timedelta(days=OPEN_DAYS):%Y%m%d}"


def _prepare_tables() -> None:
    """Make the tables where there are none; tells at once whether the database can be written."""
    with database.write_transaction() as connection:
        # Deletes nothing, and is refused where nothing may be deleted
        connection.execute(delete(schema.about_table).where(schema.about_table.c.name == ""))


def _retry_reason(state: RetryCallState) -> str:
    error = state.outcome and state.outcome.exception()
    return error.what if isinstance(error, KpfnbError) else str(error)


def _retry_until_available(work: Callable[[], T], wait_seconds: float) -> T:
    """Do some work on the database, again and again while it does not answer or is busy."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

    for attempt in Retrying(
        retry=retry_if_exception_type((ServiceUnavailableError, AlreadyRunningError)),
        wait=wait_exponential(max=MAX_PAUSE_SECONDS),
        stop=stop_after_delay(wait_seconds),
        before_sleep=lambda state: logger.warning("%s; trying again", _retry_reason(state)),
        reraise=True,
    ):
        with attempt:
            done = work()
    return done
