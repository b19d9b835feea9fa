"""What a watcher tells of itself, in a file that anybody may read at any time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kpfnb import files
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome

FILE_NAME = "status.json"
SILENT_SECONDS = 60.0
"""Without a heartbeat for so long, a watcher does not answer."""


class Life(StrEnum):
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
class Status:
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
    life: Life = Life.RUNNING
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
        if self.life in (Life.DIED, Life.SILENT):
            return Outcome.CRASHED
        if self.trouble or self.given_up or self.failing or self.not_whole or self.unread:
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"outcome": self.outcome}


def folder(work_dir: Path, name: str) -> Path:
    """Where a watcher keeps its memory, status and logs."""
    return work_dir / "watch" / name


def write(status: Status) -> None:
    """Write the status into its folder, whole."""
    values = asdict(status)
    del values["folder"]
    files.write_json(Path(status.folder) / FILE_NAME, values)


def read_all(work_dir: Path, name: str = "") -> Iterator[Status]:
    """The status of each watcher of a work directory, or of the one of that name.

    A file that can't be read is a `BadInput`.
    """
    for file in sorted((work_dir / "watch").glob(f"{name or '*'}/{FILE_NAME}")):
        yield alive(_read(file), datetime.now(UTC))


def alive(status: Status, now: datetime) -> Status:
    """The status with what can be seen from outside: is the watcher there, and does it answer?"""
    if status.life is Life.STOPPED:
        return status
    if status.host == socket.gethostname() and not _exists(status.pid):
        return replace(status, life=Life.DIED, in_work=())
    silence = (now - datetime.fromisoformat(status.heartbeat)).total_seconds()
    return replace(status, life=Life.SILENT) if silence > SILENT_SECONDS else status


def _read(file: Path) -> Status:
    values = files.read_json(file)
    try:
        known = {field.name for field in fields(Status)}
        chosen = {name: value for name, value in values.items() if name in known}
        chosen |= {n: tuple(map(tuple, chosen[n])) for n in ("not_whole", "failing")}
        chosen |= {n: tuple(chosen.get(n, ())) for n in ("in_work", "unread")}
        chosen |= {"life": Life(chosen["life"])}
        return Status(**chosen | {"folder": str(file.parent)})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{file} is no watcher's status: {error}", "remove it") from None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def utc() -> str:
    """This moment, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
