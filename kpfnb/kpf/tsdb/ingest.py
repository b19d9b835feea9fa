"""Ingestion: nights or single files are read into the time-series database.

Each file is opened once. A file with unchanged size and modification time is not read again. All
files of a batch are stored in one transaction. A file that can't be read is recorded in the table
of problems; its earlier data are kept.
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

from sqlalchemy import delete, func, select

from kpfnb.compute.item_map import map_items
from kpfnb.core import settings
from kpfnb.core.clock import check_night
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidParameterError,
    KpfnbError,
    ServiceUnavailableError,
)
from kpfnb.kpf.files.data_root import describe_empty_nights
from kpfnb.kpf.files.obsid import (
    KPF,
    ObsID,
    check_placement,
    list_nights,
)
from kpfnb.kpf.tsdb import chunks, database, schema, store
from kpfnb.kpf.tsdb.batch import RefusedFile, build_batch
from kpfnb.kpf.tsdb.file_content import FileContent, Keyword
from kpfnb.kpf.tsdb.file_reader import FileRefusedError, read_file
from kpfnb.kpf.tsdb.ingest_result import IngestedNight, IngestResult
from kpfnb.kpf.tsdb.night_files import (
    find_changed_files,
    find_misplaced_files,
    parse_file_key,
    read_stored_files,
    scan_night,
    try_read_signature,
)
from kpfnb.kpf.tsdb.store import read_refused_files, record_refusals

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

logger = logging.getLogger(__name__)

BATCH_OBSERVATIONS = 600
"""Observations per transaction: about a night, which limits the memory."""

OPEN_DAYS = 2
"""The number of days after its date in which a night may get more files."""

WAIT_SECONDS = 3600
MAX_PAUSE_SECONDS = 30


@dataclass(frozen=True)
class _IngestJob:
    """One night to be ingested; lists of failures show its text."""

    root: Path
    night: str
    force: bool

    def __str__(self) -> str:
        return self.night


def ingest_nights(
    start: str, end: str = "", *, force: bool = False, wait_seconds: float = WAIT_SECONDS
) -> IngestResult:
    """Ingest the new and changed files of the nights from `start` to `end` (YYYYMMDD, UT).

    Parameters
    ----------
    start, end : both included; without `end` one night; with `start` after `end` newest first
    force : read every file again
    wait_seconds : how long to wait for a database that stops answering during the work

    Raises
    ------
    InvalidParameterError : not a valid date
    InvalidInputError : there is no directory of any level
    ServiceUnavailableError, InvalidSettingsError, AlreadyRunningError : the database can't be
        written
    """
    root = settings.load_settings().kpf_root
    last = end or start
    nights = list_nights(
        root, validate_night(start), validate_night(last), levels=tuple(KPF.levels)
    )
    start_time = time.monotonic()
    _prepare_tables()
    jobs = [_IngestJob(root, night, force) for night in nights]
    outcomes = map_items(partial(_ingest_night, wait_seconds=wait_seconds), jobs, title="ingest")
    ingested = tuple(item.value for item in outcomes if item.outcome.is_good)
    has_files = any(night.files for night in ingested)
    return IngestResult(
        ingested,
        failed={item_outcome.key: item_outcome.error for item_outcome in outcomes.failed},
        seconds=time.monotonic() - start_time,
        notes=() if has_files else (describe_empty_nights(root, start, last),),
    )


def ingest_files(
    paths: Iterable[str | Path], *, wait_seconds: float = WAIT_SECONDS
) -> IngestResult:
    """Ingest complete files of any nights and levels in one transaction.

    For the watcher and for pipelines. Every file is read, changed or not. The function waits for a
    database that does not answer; errors as for `ingest_nights`.
    """
    began = time.monotonic()
    by_night = defaultdict(list)
    unknown_paths = []
    for path in dict.fromkeys(map(str, paths)):
        match = KPF.filename_pattern.fullmatch(Path(path).name)
        if match:
            by_night[match["night"]].append(path)
        else:
            unknown_paths.append(path)
    readings = [_read_files(night_paths) for night_paths in by_night.values()]
    refused = defaultdict(list)
    for refused_file in _retry_until_available(lambda: store_contents(readings), wait_seconds):
        refused[ObsID.parse(refused_file.path).night].append(refused_file)
    return IngestResult(
        tuple(
            IngestedNight(
                night,
                len(night_paths),
                len(night_paths) - len(refused[night]),
                tuple(refused[night]),
            )
            for night, night_paths in by_night.items()
        ),
        failed=dict.fromkeys(unknown_paths, "not the file name of an observation"),
        seconds=time.monotonic() - began,
    )


def validate_night(night: str) -> str:
    """The night if it is a valid date; otherwise an `InvalidParameterError`."""
    try:
        return check_night(night)
    except ValueError as error:
        raise InvalidParameterError(f"night {night!r}: {error}", "write it as 20240115") from None


def _ingest_night(job: _IngestJob, *, wait_seconds: float) -> IngestedNight:
    on_disk = scan_night(job.root, job.night)
    misplaced = find_misplaced_files(job.root, job.night)
    with database.read_transaction() as connection:
        known = read_refused_files(connection, job.night)
        if job.force:
            changed = sorted(on_disk, key=parse_file_key)
        else:
            stored = read_stored_files(connection, job.night)
            changed = find_changed_files(on_disk, stored, known)
    vanished = known.keys() - on_disk.keys() - {file.path for file in misplaced}
    refused = [file for file in misplaced if known.get(file.path) != file.signature]
    if refused or vanished:
        _retry_until_available(partial(_record_problems, refused, vanished), wait_seconds)
    ingested = 0
    for paths in _split_by_observation(changed):
        newly_refused = _retry_until_available(
            partial(store_contents, [_read_files(paths)]), wait_seconds
        )
        ingested += len(paths) - len(newly_refused)
        refused += newly_refused
    if _is_closed_night(job.night):
        _retry_until_available(partial(_compact_night, job.night), wait_seconds)
    return IngestedNight(
        job.night, files=len(on_disk) + len(misplaced), ingested=ingested, refused=tuple(refused)
    )


def _record_problems(refused: Sequence[RefusedFile], vanished: Iterable[str]) -> None:
    """Record refused files; refused files that vanished are forgotten."""
    with database.write_transaction() as connection:
        store.clear_problems(connection, vanished)
        record_refusals(connection, refused)


def _split_by_observation(paths: Sequence[str]) -> Iterator[list[str]]:
    """Split files into lists of `BATCH_OBSERVATIONS` observations; none is split."""
    by_obsid = defaultdict(list)
    for path in paths:
        by_obsid[parse_file_key(path)[0]].append(path)
    obsids = list(by_obsid)
    for at in range(0, len(obsids), BATCH_OBSERVATIONS):
        yield [path for obsid in obsids[at : at + BATCH_OBSERVATIONS] for path in by_obsid[obsid]]


def _read_files(paths: Iterable[str]) -> tuple[list[FileContent], list[RefusedFile]]:
    """Read files: the contents, and the refused files with the reasons."""
    statistics = settings.load_settings().tsdb_telemetry
    contents, refused = [], []
    comments: dict[Keyword, str] = {}
    for path in paths:
        try:
            if misplaced := check_placement(path):
                raise FileRefusedError(misplaced)
            contents.append(read_file(path, statistics=statistics, comments=comments))
        except FileRefusedError as error:
            refused.append(RefusedFile(path, try_read_signature(path), str(error)))
    return contents, refused


def store_contents(
    readings: Sequence[tuple[Sequence[FileContent], Sequence[RefusedFile]]],
) -> list[RefusedFile]:
    """Store the readings of several nights in one transaction; returns all refused files."""
    batches = [build_batch(contents) for contents, _ in readings if contents]
    refused = [file for _, refused_files in readings for file in refused_files]
    if not batches and not refused:
        return []
    with database.write_transaction() as connection:
        for batch in batches:
            refused += store.store_batch(connection, batch)
        record_refusals(connection, refused)
    return refused


def _compact_night(night: str) -> None:
    """Merge the chunks of a closed night into one."""
    with database.read_transaction() as connection:
        count = select(func.count()).where(schema.chunk_table.c.night == night)
        if (connection.scalar(count) or 0) < 2:
            return
    with database.write_transaction() as connection:
        chunks.compact_night(connection, night)


def _is_closed_night(night: str) -> bool:
    return night < f"{datetime.now(UTC) - timedelta(days=OPEN_DAYS):%Y%m%d}"


def _prepare_tables() -> None:
    """Create the tables if necessary; fails at once if the database can't be written."""
    with database.write_transaction() as connection:
        # Deletes nothing, but fails for a user without write permission
        connection.execute(delete(schema.about_table).where(schema.about_table.c.name == ""))


def _retry_reason(state: RetryCallState) -> str:
    error = state.outcome and state.outcome.exception()
    return error.what if isinstance(error, KpfnbError) else str(error)


def _retry_until_available(work: Callable[[], T], wait_seconds: float) -> T:
    """Call `work`, again and again while the database does not answer or is busy."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

    for attempt in Retrying(
        retry=retry_if_exception_type((ServiceUnavailableError, AlreadyRunningError)),
        wait=wait_exponential(max=MAX_PAUSE_SECONDS),
        stop=stop_after_delay(wait_seconds),
        before_sleep=lambda state: logger.warning("%s; trying again", _retry_reason(state)),
        reraise=True,
    ):
        with attempt:
            result = work()
    return result
