"""What was wrong with files: those refused, and what was odd in those taken."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from kpfnb.kpf.obsid import ObsID
from kpfnb.kpf.tsdb.batch import Bad, File
from kpfnb.kpf.tsdb.chunks import portions
from kpfnb.kpf.tsdb.content import Known, Note
from kpfnb.kpf.tsdb.layout import problem


def refuse(connection: Connection, bad: Sequence[Bad]) -> None:
    """Keep why files were not taken; what is known of them stays."""
    forget(connection, [one.path for one in bad])
    _insert(connection, [_row(one.path, one.reason, "", one.known, refused=1) for one in bad])


def note(
    connection: Connection, files: Sequence[File], others: Mapping[str, Sequence[Note]]
) -> None:
    """Keep what was odd in files that were taken, in the place of what was known before.

    others : more of it, by path
    """
    forget(connection, [one.path for one in files])
    rows = [
        _row(one.path, trouble, detail, one.known, refused=0)
        for one in files
        for trouble, detail in (*one.notes, *others.get(one.path, ()))
    ]
    _insert(connection, rows)


def forget(connection: Connection, paths: Iterable[str]) -> None:
    """Forget the problems of files."""
    for some in portions(list(paths)):
        connection.execute(delete(problem).where(problem.c.path.in_(some)))


def refused(connection: Connection, night: str) -> dict[str, Known]:
    """The files of a night that were refused, as they were then."""
    own = (problem.c.night == night) & (problem.c.refused == 1) & problem.c.size.is_not(None)
    query = select(problem.c.path, problem.c.size, problem.c.modified_ns).where(own)
    return {row.path: Known(row.size, row.modified_ns) for row in connection.execute(query)}


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(problem), rows)


def _row(
    path: str, reason: str, detail: str, known: Known | None, *, refused: int
) -> dict[str, Any]:
    size, modified_ns = known or (None, None)
    return {
        "path": path,
        "night": ObsID.parse(path).night,
        "refused": refused,
        "reason": str(reason),
        "detail": detail,
        "size": size,
        "modified_ns": modified_ns,
        "found": time.time(),
    }
