"""Look after the time-series database: how it stands, what is stale, and deleting nights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, select, text

from kpfnb import settings
from kpfnb.errors import BadParameter
from kpfnb.kpf import obsid as names
from kpfnb.kpf.tsdb import chunks, database, ingest, layout, store
from kpfnb.kpf.tsdb.store import CHANGED
from kpfnb.outcomes import Outcome

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Status:
    """How the database stands.

    Attributes
    ----------
    database : its URL, without a password
    rows : by table
    problems : files with a problem; `refused` of them were not taken
    changed : when something was last changed, UTC
    size_bytes : what it takes on disk
    """

    database: str
    rows: dict[str, int]
    nights: int
    first: str
    last: str
    problems: int
    refused: int
    changed: str
    size_bytes: int

    @property
    def outcome(self) -> Outcome:
        """It could be looked at."""
        return Outcome.SUCCEEDED

    @property
    def bytes_each(self) -> int:
        """What an observation takes."""
        return self.size_bytes // max(1, self.rows["observation"])

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "bytes_per_observation": self.bytes_each}

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        span = f" ({self.first} to {self.last})" if self.nights else ""
        return "\n".join(
            (
                f"database      {self.database}",
                f"rows          {counts}",
                f"nights        {self.nights:,}{span}",
                f"last change   {self.changed or 'never'}",
                f"problems      {self.problems:,} files, {self.refused:,} of them refused",
                f"size          {self.size_bytes / 1e6:,.1f} MB,"
                f" {self.bytes_each / 1e3:,.1f} kB an observation",
            )
        )


@dataclass(frozen=True)
class Stale:
    """One file that disk and database do not agree on."""

    night: str
    name: str
    problem: str


@dataclass(frozen=True)
class Check:
    """What disk and database do not agree on."""

    nights: int
    stale: tuple[Stale, ...]

    @property
    def outcome(self) -> Outcome:
        """Partial where they do not agree."""
        return Outcome.PARTIAL if self.stale else Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"nights": self.nights, "stale": [asdict(one) for one in self.stale]}

    def to_frame(self) -> pd.DataFrame:
        """One row a file."""
        import pandas as pd

        return pd.DataFrame(map(asdict, self.stale), columns=["night", "name", "problem"])

    def __str__(self) -> str:
        lines = [f"nights looked at: {self.nights}, files that differ: {len(self.stale)}"]
        return "\n".join(lines + [f"  {one.name}: {one.problem}" for one in self.stale])


def status() -> Status:
    """How the database stands; errors as for `database.reading`."""
    with database.reading() as connection:
        rows = {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (layout.observation, layout.file, layout.keyword)
        }
        night = layout.observation.c.night
        span = select(func.count(night.distinct()), func.min(night), func.max(night))
        count, first, last = connection.execute(span).one()
        path = layout.problem.c.path
        refused = select(func.count(path.distinct())).where(layout.problem.c.refused == 1)
        changed = select(layout.about.c.value).where(layout.about.c.name == CHANGED)
        return Status(
            database=database.describe(database.url()),
            rows=rows,
            nights=count,
            first=first or "",
            last=last or "",
            problems=connection.scalar(select(func.count(path.distinct()))) or 0,
            refused=connection.scalar(refused) or 0,
            changed=connection.scalar(changed) or "",
            size_bytes=_size(connection),
        )


def problems() -> pd.DataFrame:
    """What is wrong with files, the same troubles together: one row a trouble.

    Columns: refused (bool), reason, detail, files, first and last night, an example (path).
    """
    import pandas as pd

    own = layout.problem.c
    query = (
        select(
            own.refused,
            own.reason,
            own.detail,
            func.count().label("files"),
            func.min(own.night).label("first"),
            func.max(own.night).label("last"),
            func.min(own.path).label("example"),
        )
        .group_by(own.refused, own.reason, own.detail)
        .order_by(own.refused.desc(), func.count().desc(), own.reason, own.detail)
    )
    with database.reading() as connection:
        found = connection.execute(query)
        frame = pd.DataFrame(found.all(), columns=list(found.keys()))
    return frame.astype({"refused": bool})


def check(start: str = "", end: str = "") -> Check:
    """Compare the files on disk with the database, night by night; nothing is changed.

    Parameters
    ----------
    start, end : nights, both included; '' leaves the range open
    """
    low, high = (ingest.checked(night) if night else "" for night in (start, end))
    root = settings.load().kpf_root
    with database.reading() as connection:
        stored_nights = connection.scalars(select(layout.file.c.night).distinct())
        nights = {one for one in stored_nights if low <= one <= (high or "9")}
        nights |= set(names.nights(root, low, high))
        stale: list[Stale] = []
        for night in sorted(nights):
            stale += _compare(connection, root, night)
    return Check(len(nights), tuple(stale))


def delete_nights(start: str, end: str = "", *, dry_run: bool = False) -> list[str]:
    """Delete all that is known of the nights from `start` to `end` (inclusive); gives the nights.

    The files on disk are not touched, and can be ingested again.
    """
    low, high = ingest.checked(start), ingest.checked(end or start)
    if low > high:
        raise BadParameter(f"start {low} is after end {high}", "give the earlier night first")
    night = layout.chunk.c.night
    query = select(night).distinct().where(night.between(low, high)).order_by(night)
    if dry_run:
        with database.reading() as connection:
            return list(connection.scalars(query))
    with database.writing() as connection:
        nights = list(connection.scalars(query))
        for table in (layout.file, layout.observation, layout.problem):
            connection.execute(delete(table).where(table.c.night.between(low, high)))
        numbers = connection.scalars(select(layout.chunk.c.id).where(night.between(low, high)))
        for some in chunks.portions(list(numbers)):
            chunks.drop(connection, some)
        store.touch(connection)
    return nights


def _compare(connection: Connection, root: Path, night: str) -> list[Stale]:
    stored = ingest.known(connection, night)
    found = {ingest.key(path): stamp for path, stamp in ingest.scan(root, night).items()}
    stale = []
    for obsid, level in sorted(stored.keys() | found.keys()):
        name = names.file_name(obsid, level)
        if (obsid, level) not in stored:
            stale.append(Stale(night, name, "not in the database"))
        elif (obsid, level) not in found:
            stale.append(Stale(night, name, "no longer on disk"))
        elif stored[obsid, level] != found[obsid, level]:
            stale.append(Stale(night, name, "changed on disk since"))
    return stale


def _size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())
