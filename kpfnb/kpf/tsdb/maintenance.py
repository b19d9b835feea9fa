"""Maintenance of the time-series database: status, problems, comparison with disk, deletion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, select, text

from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.kpf.files.obsid import KPF, file_name, list_nights
from kpfnb.kpf.tsdb import chunks, database, ingest, night_files, schema, store
from kpfnb.kpf.tsdb.file_content import NOTES, FileWarningKind
from kpfnb.kpf.tsdb.store import CHANGE_TIME

if TYPE_CHECKING:
    import pandas as pd


_STATES = ("refused", "warning", "note")


@dataclass(frozen=True)
class DatabaseStatus:
    """The status of the database.

    Attributes
    ----------
    database : its URL, without a password
    rows : by table
    problems : number of files with a problem; `refused` of them were not ingested
    notes : number of files with notes, where nothing was lost
    changed : time of the last change, UTC
    size_bytes : size on disk
    """

    database: str
    rows: dict[str, int]
    nights: int
    first: str
    last: str
    problems: int
    refused: int
    notes: int
    changed: str
    size_bytes: int

    @property
    def outcome(self) -> Outcome:
        """Succeeded: the status could be read."""
        return Outcome.SUCCEEDED

    @property
    def bytes_per_observation(self) -> int:
        """Size on disk per observation."""
        return self.size_bytes // max(1, self.rows["observation"])

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "bytes_per_observation": self.bytes_per_observation}

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        span = f" ({self.first} to {self.last})" if self.nights else ""
        return "\n".join(
            (
                f"database      {self.database}",
                f"rows          {counts}",
                f"nights        {self.nights:,}{span}",
                f"last change   {self.changed or 'never'}",
                f"problems      {self.problems:,} files, {self.refused:,} of them refused;"
                f" notes on {self.notes:,}",
                f"size          {self.size_bytes / 1e6:,.1f} MB,"
                f" {self.bytes_per_observation / 1e3:,.1f} kB per observation",
            )
        )


@dataclass(frozen=True)
class StaleFile:
    """One file for which disk and database differ."""

    night: str
    name: str
    problem: str


@dataclass(frozen=True)
class DatabaseCheckResult:
    """The differences between disk and database."""

    nights: int
    stale: tuple[StaleFile, ...]

    @property
    def outcome(self) -> Outcome:
        """Partial if there is any difference."""
        return Outcome.PARTIAL if self.stale else Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"nights": self.nights, "stale": [asdict(file) for file in self.stale]}

    def to_frame(self) -> pd.DataFrame:
        """One row per file."""
        import pandas as pd

        return pd.DataFrame(map(asdict, self.stale), columns=["night", "name", "problem"])

    def __str__(self) -> str:
        lines = [f"nights compared: {self.nights}, files that differ: {len(self.stale)}"]
        return "\n".join(lines + [f"  {file.name}: {file.problem}" for file in self.stale])


def read_status() -> DatabaseStatus:
    """The status of the database; errors as for `database.read_transaction`."""
    with database.read_transaction() as connection:
        rows = {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (schema.observation_table, schema.file_table, schema.keyword_table)
        }
        night = schema.observation_table.c.night
        span = select(func.count(night.distinct()), func.min(night), func.max(night))
        count, first, last = connection.execute(span).one()
        path = schema.problem_table.c.path
        files = select(func.count(path.distinct()))
        is_note = schema.problem_table.c.reason.in_(list(map(str, NOTES)))
        is_refused = schema.problem_table.c.refused == 1
        changed = select(schema.about_table.c.value).where(schema.about_table.c.name == CHANGE_TIME)
        return DatabaseStatus(
            database=database.describe_url(database.database_url()),
            rows=rows,
            nights=count,
            first=first or "",
            last=last or "",
            problems=connection.scalar(files.where(~is_note)) or 0,
            refused=connection.scalar(files.where(is_refused)) or 0,
            notes=connection.scalar(files.where(is_note)) or 0,
            changed=connection.scalar(changed) or "",
            size_bytes=_size_bytes(connection),
        )


def summarize_problems() -> pd.DataFrame:
    """The problems of files, grouped: one row per problem.

    Columns: problem (text), state (refused, warning or note), files, first and last night, an
    example (path), refused (bool), reason and detail. Notes come last: nothing was lost.
    """
    import pandas as pd

    columns = schema.problem_table.c
    query = (
        select(
            columns.refused,
            columns.reason,
            columns.detail,
            func.count().label("files"),
            func.min(columns.night).label("first"),
            func.max(columns.night).label("last"),
            func.min(columns.path).label("example"),
        )
        .group_by(columns.refused, columns.reason, columns.detail)
        .order_by(columns.refused.desc(), func.count().desc(), columns.reason, columns.detail)
    )
    with database.read_transaction() as connection:
        rows = connection.execute(query)
        frame = pd.DataFrame(rows.all(), columns=list(rows.keys()))
    frame = frame.astype({"refused": bool})
    parts = zip(frame["reason"], frame["detail"], strict=True)
    frame.insert(0, "problem", [describe_problem(reason, detail) for reason, detail in parts])
    frame.insert(1, "state", list(map(_problem_state, frame["refused"], frame["reason"])))
    order = ["problem", "state", "files", "first", "last", "example", "refused", "reason", "detail"]
    rank = frame["state"].map(_STATES.index)
    return frame.loc[rank.sort_values(kind="stable").index, order].reset_index(drop=True)


def _problem_state(refused: bool, reason: str) -> str:
    if refused:
        return "refused"
    return "note" if reason in NOTES else "warning"


def describe_problem(reason: str, detail: str) -> str:
    """The text of a problem: why a file was refused, or the warning about it."""
    if reason == FileWarningKind.NAN:
        return f"{detail} {'have' if ',' in detail else 'has'} no value"
    if reason == FileWarningKind.NO_DATA:
        return "only a primary header, no data"
    return f"{reason}: {detail}" if detail else reason


def check_database(start: str = "", end: str = "") -> DatabaseCheckResult:
    """Compare the files on disk with the database, night by night, without changes.

    Parameters
    ----------
    start, end : nights, both included; '' leaves the range open
    """
    low, high = (ingest.validate_night(night) if night else "" for night in (start, end))
    root = settings.load_settings().kpf_root
    with database.read_transaction() as connection:
        stored_nights = connection.scalars(select(schema.file_table.c.night).distinct())
        nights = {night for night in stored_nights if low <= night <= (high or "9")}
        nights |= set(list_nights(root, low, high, levels=tuple(KPF.levels)))
        stale: list[StaleFile] = []
        for night in sorted(nights):
            stale += _compare_night(connection, root, night)
    return DatabaseCheckResult(len(nights), tuple(stale))


def delete_nights(start: str, end: str = "", *, dry_run: bool = False) -> list[str]:
    """Delete the nights from `start` to `end` (both included) and return them.

    The files on disk are not touched and can be ingested again.
    """
    low, high = ingest.validate_night(start), ingest.validate_night(end or start)
    if low > high:
        raise InvalidParameterError(
            f"start {low} is after end {high}", "give the earlier night first"
        )
    night = schema.chunk_table.c.night
    query = select(night).distinct().where(night.between(low, high)).order_by(night)
    if dry_run:
        with database.read_transaction() as connection:
            return list(connection.scalars(query))
    with database.write_transaction() as connection:
        nights = list(connection.scalars(query))
        for table in (schema.file_table, schema.observation_table, schema.problem_table):
            connection.execute(delete(table).where(table.c.night.between(low, high)))
        numbers = connection.scalars(
            select(schema.chunk_table.c.id).where(night.between(low, high))
        )
        for ids in chunks.batched(list(numbers)):
            chunks.delete_chunks(connection, ids)
        store.record_change(connection)
    return nights


def _compare_night(connection: Connection, root: Path, night: str) -> list[StaleFile]:
    stored = night_files.read_stored_files(connection, night)
    on_disk = {
        night_files.parse_file_key(path): stamp
        for path, stamp in night_files.scan_night(root, night).items()
    }
    stale = []
    for obsid, level in sorted(stored.keys() | on_disk.keys()):
        name = file_name(obsid, level)
        if (obsid, level) not in stored:
            stale.append(StaleFile(night, name, "not in the database"))
        elif (obsid, level) not in on_disk:
            stale.append(StaleFile(night, name, "no longer on disk"))
        elif stored[obsid, level] != on_disk[obsid, level]:
            stale.append(StaleFile(night, name, "changed on disk since"))
    stale += [
        StaleFile(night, Path(file.path).name, file.reason)
        for file in night_files.find_misplaced_files(root, night)
    ]
    return stale


def _size_bytes(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())
