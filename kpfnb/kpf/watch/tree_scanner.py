"""Finds what no event told of: the whole tree again and again, and new folders a few times."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from kpfnb.kpf.watch.arrivals import Arrivals, WatchPolicy
from kpfnb.kpf.watch.handler import FileStamp, WatchHandler
from kpfnb.kpf.watch.state_store import FileRecord, FileStatus, StateStore

# A walk over a whole tree for files that no event told of.

StampLookup = Callable[[str], dict[str, FileStamp]]
"""Gives what is remembered of a folder: name to stamp."""


def find_changed_files(
    top: Path, wanted: Callable[[str], bool], known: StampLookup, trouble: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, FileStamp]]]:
    """Each folder below `top` with its files that are not as remembered, the last names first.

    Folders that can't be read are told to `trouble`; what vanishes meanwhile is passed over.
    """
    todo = [str(top)]
    while todo:
        folder = todo.pop()
        try:
            folders, files = _list_folder(folder, wanted)
        except FileNotFoundError:
            continue
        except OSError as error:
            trouble(f"{folder} can't be read: {error.strerror}")
            continue
        # The last is taken first: of folders named by date, the newest
        todo += sorted(folders)
        if files:
            before = known(folder)
            yield folder, {n: stamp for n, stamp in files.items() if before.get(n) != stamp}


def _list_folder(
    folder: str, wanted: Callable[[str], bool]
) -> tuple[list[str], dict[str, FileStamp]]:
    folders, files = [], {}
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if wanted(entry.path):
                    status = entry.stat()
                    files[entry.name] = FileStamp(status.st_size, status.st_mtime_ns)
                elif entry.is_dir() and not entry.name.startswith("."):
                    folders.append(entry.path)
            except OSError:
                # It vanished, or is a link to nothing: no file to handle
                continue
    return folders, files


logger = logging.getLogger(__name__)

NEW_FOLDER_SCAN_SECONDS = (0.2, 2.0, 10.0)
"""A new folder is looked at so long after it was told of: what was in it first is not told."""

MAX_WAITING = 20_000
"""A scan waits while so many files are on their way in."""

PostCall = Callable[[Callable[[], None]], None]
"""Has the watcher's own thread call something."""


class TreeScanner:
    """Looks through the tree in a thread of its own.

    Parameters
    ----------
    memory_path : the thread has its own connection
    trouble : told what could not be looked at
    done : told of the end of each look at the whole tree, with what it had to leave out
    """

    def __init__(
        self,
        kind: WatchHandler,
        memory_path: Path,
        arrivals: Arrivals,
        pace: WatchPolicy,
        *,
        post: PostCall,
        trouble: Callable[[str], None],
        done: Callable[[Sequence[str]], None],
    ) -> None:
        self.is_busy = False
        self.scans = 0
        self._kind = kind
        self._memory_path = memory_path
        self._arrivals = arrivals
        self._pace = pace
        self._post = post
        self._trouble = trouble
        self._done = done
        self._new_folders: list[tuple[float, str]] = []
        self._next_scan = 0.0
        self._stopping = threading.Event()

    @property
    def next_due(self) -> float:
        """When (monotonic) there is something to look at."""
        scan = float("inf") if self.is_busy or self._is_finished else self._next_scan
        return min([scan, *(when for when, _ in self._new_folders)])

    def stop(self) -> None:
        """Look no further."""
        self._stopping.set()

    def request_full_scan(self) -> None:
        """Look at the whole tree now: something may have been missed."""
        self._next_scan = time.monotonic()

    def add_new_folders(self, folders: Iterable[str]) -> None:
        """Look at these new folders, a few times."""
        now = time.monotonic()
        self._new_folders += [
            (now + s, folder) for folder in folders for s in NEW_FOLDER_SCAN_SECONDS
        ]

    def scan_due(self, memory: StateStore) -> None:
        """Look at what is due; new folders at once, the whole tree in the other thread."""
        now = time.monotonic()
        due = [folder for when, folder in self._new_folders if when <= now]
        self._new_folders = [(when, folder) for when, folder in self._new_folders if when > now]
        for folder in dict.fromkeys(due):
            self._walk(Path(folder), memory, self._arrivals.add_scanned, self._report)
        if now >= self._next_scan and not self.is_busy and not self._is_finished:
            self.is_busy = True
            threading.Thread(target=self._scan_tree, name="scan", daemon=True).start()

    @property
    def _is_finished(self) -> bool:
        return self._pace.once and self.scans > 0

    def _scan_tree(self) -> None:
        """In the thread: the border of a look; whatever ends it early is told."""
        unread: list[str] = []
        try:
            with StateStore(self._memory_path) as memory:
                first = not memory.get_meta("scanned")
                for top in self._kind.watched_dirs:
                    self._walk(top, memory, partial(self._offer, memory, first), unread.append)
                if not self._stopping.is_set():
                    memory.set_meta("scanned", "yes")
        except Exception as error:
            logger.exception("the look at %s", self._kind.root)
            unread.append(f"the look ended early: {error}")
        self._post(partial(self._finish_scan, unread))

    def _walk(
        self,
        top: Path,
        memory: StateStore,
        offer: Callable[[str, dict[str, FileStamp]], None],
        trouble: Callable[[str], None],
    ) -> None:
        for folder, found in find_changed_files(
            top, self._kind.is_wanted, memory.known_stamps, trouble
        ):
            if self._stopping.is_set():
                return
            offer(folder, found)

    def _offer(
        self, memory: StateStore, first: bool, folder: str, found: dict[str, FileStamp]
    ) -> None:
        if first and Path(folder).name < self._pace.since:
            known = memory.known_stamps(folder)
            new = [(f"{folder}/{n}", s) for n, s in found.items() if n not in known]
            memory.save_files(
                FileRecord(path, seen, FileStatus.KNOWN, 0, False) for path, seen in new
            )
            return
        while self._arrivals.waiting > MAX_WAITING and not self._stopping.wait(1):
            pass
        self._post(partial(self._arrivals.add_scanned, folder, found))

    def _report(self, text: str) -> None:
        self._post(partial(self._trouble, text))

    def _finish_scan(self, unread: Sequence[str]) -> None:
        # The hour begins when the look has ended, however long it took
        self.is_busy = False
        self.scans += 1
        self._next_scan = time.monotonic() + self._pace.rescan_seconds
        for text in unread:
            self._trouble(text)
        self._done(unread)
