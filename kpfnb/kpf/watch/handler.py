"""What a kind of watcher does: which files it wants, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class FileStamp(NamedTuple):
    """What a file looks like from outside; it changes when the file is written or touched."""

    size: int
    modified_ns: int


class WatchOutcome(StrEnum):
    """What became of a file that was handed out."""

    DONE = "done"
    FAILED = "failed"
    """It is tried again, a few times."""
    POSTPONED = "postponed"
    """Not the file's fault; it is tried again, and that does not count."""
    GONE = "gone"
    """It was there, and is not any more."""


@dataclass(frozen=True)
class WatchTask:
    """A settled, whole file.

    Attributes
    ----------
    attempt : 1 at first
    renewed : it was handled before, and has changed or was touched since
    """

    path: Path
    attempt: int = 1
    renewed: bool = False


@dataclass(frozen=True)
class WatchResult:
    """What became of a task, and why where it is not done."""

    path: Path
    outcome: WatchOutcome
    reason: str = ""


@dataclass(frozen=True)
class WatchHandler:
    """One kind of watcher.

    Attributes
    ----------
    name : of the watcher: process, quicklook, ingest
    root : the tree; one watcher of a kind works on it at a time
    state : the directory in the tree for locks; where it can't be written, they are elsewhere
    tops : the directories to watch, with all below them; they may come later
    wanted : whether a path is one of its files, by the name alone
    handle : works on some files, and tells of each what became of it. Called in a thread, up to
        `at_once` at a time. `AlreadyRunningError` and `ServiceUnavailableError` postpone all of them.
    at_once, batch_size : so many calls at once, with so many files each at most
    life : entered for as long as the watcher runs
    turn : entered while there is work; `AlreadyRunningError` puts it off
    touches : `handle` may touch the files itself
    """

    name: str
    root: Path
    lock_dir: Path
    watched_dirs: tuple[Path, ...]
    is_wanted: Callable[[str], bool]
    handle: Callable[[Sequence[WatchTask]], Iterable[WatchResult]]
    max_calls: int = 1
    batch_size: int = 100
    lifetime: Callable[[], AbstractContextManager[object]] = nullcontext
    session: Callable[[], AbstractContextManager[object]] = nullcontext
    touches_files: bool = False


def file_stamp(path: Path | str) -> FileStamp | None:
    """The stamp of a file; None where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return FileStamp(found.st_size, found.st_mtime_ns)
