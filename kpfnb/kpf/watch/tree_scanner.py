"""Scans for files without events: the whole tree regularly, new directories a few times."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from kpfnb.kpf.watch.arrivals import Arrivals, WatchPolicy
from kpfnb.kpf.watch.handler import FileStamp, PostCall, WatchHandler
from kpfnb.kpf.watch.state_store import FileRecord, FileStatus, StateStore

logger = logging.getLogger(__name__)

NEW_FOLDER_SCAN_SECONDS = (0.2, 2.0, 10.0)
"""Delays of the scans of a new directory: no events are sent for the first files in it."""

MAX_WAITING = 20_000
"""A scan waits while more files than this are on their way in."""

StampLookup = Callable[[str], dict[str, FileStamp]]
"""Returns the recorded stamps of a directory: name to stamp."""


class TreeScanner:
    """Scans the tree in a thread.

    Parameters
    ----------
    store_path : the thread opens its own connection
    on_error : called with what could not be read
    on_scanned : called after each scan of the whole tree, with what could not be read
    """

    def __init__(
        self,
        handler: WatchHandler,
        store_path: Path,
        arrivals: Arrivals,
        policy: WatchPolicy,
        *,
        post: PostCall,
        on_error: Callable[[str], None],
        on_scanned: Callable[[Sequence[str]], None],
    ) -> None:
        self.is_busy = False
        self.scans = 0
        self._handler = handler
        self._store_path = store_path
        self._arrivals = arrivals
        self._policy = policy
        self._post = post
        self._on_error = on_error
        self._on_scanned = on_scanned
        self._new_folders: list[tuple[float, str]] = []
        self._next_scan = 0.0
        self._stopping = threading.Event()

    @property
    def next_due(self) -> float:
        """When (monotonic) the next scan is due."""
        scan = float("inf") if self.is_busy or self._is_finished else self._next_scan
        return min([scan, *(when for when, _ in self._new_folders)])

    def stop(self) -> None:
        """Stop the scan."""
        self._stopping.set()

    def request_full_scan(self) -> None:
        """Scan the whole tree now: changes may have been missed."""
        self._next_scan = time.monotonic()

    def add_new_folders(self, folders: Iterable[str]) -> None:
        """Scan these new directories a few times."""
        now = time.monotonic()
        self._new_folders += [
            (now + s, folder) for folder in folders for s in NEW_FOLDER_SCAN_SECONDS
        ]

    def scan_due(self, store: StateStore) -> None:
        """Start the scans that are due; the scan of the whole tree runs in the other thread."""
        now = time.monotonic()
        due = [folder for when, folder in self._new_folders if when <= now]
        self._new_folders = [(when, folder) for when, folder in self._new_folders if when > now]
        for folder in dict.fromkeys(due):
            self._walk(Path(folder), store, self._arrivals.add_scanned, self._report)
        if now >= self._next_scan and not self.is_busy and not self._is_finished:
            self.is_busy = True
            threading.Thread(target=self._scan_tree, name="scan", daemon=True).start()

    @property
    def _is_finished(self) -> bool:
        return self._policy.once and self.scans > 0

    def _scan_tree(self) -> None:
        """Runs in the thread; any exception is reported."""
        unread: list[str] = []
        try:
            with StateStore(self._store_path) as store:
                is_first = not store.get_meta("scanned")
                for top in self._handler.watched_dirs:
                    self._walk(top, store, partial(self._offer, store, is_first), unread.append)
                if not self._stopping.is_set():
                    store.set_meta("scanned", "yes")
        except Exception as error:
            logger.exception("the scan of %s", self._handler.root)
            unread.append(f"the scan ended early: {error}")
        self._post(partial(self._finish_scan, unread))

    def _walk(
        self,
        top: Path,
        store: StateStore,
        offer: Callable[[str, dict[str, FileStamp]], None],
        on_error: Callable[[str], None],
    ) -> None:
        for folder, files in find_changed_files(
            top, self._handler.is_wanted, store.known_stamps, on_error
        ):
            if self._stopping.is_set():
                return
            offer(folder, files)

    def _offer(
        self, store: StateStore, is_first: bool, folder: str, files: dict[str, FileStamp]
    ) -> None:
        if is_first and Path(folder).name < self._policy.since:
            known = store.known_stamps(folder)
            new = [(f"{folder}/{n}", s) for n, s in files.items() if n not in known]
            store.save_files(
                FileRecord(path, stamp, FileStatus.KNOWN, 0, False) for path, stamp in new
            )
            return
        while self._arrivals.waiting > MAX_WAITING and not self._stopping.wait(1):
            pass
        self._post(partial(self._arrivals.add_scanned, folder, files))

    def _report(self, text: str) -> None:
        self._post(partial(self._on_error, text))

    def _finish_scan(self, unread: Sequence[str]) -> None:
        # The interval begins at the end of the scan, however long it took
        self.is_busy = False
        self.scans += 1
        self._next_scan = time.monotonic() + self._policy.rescan_seconds
        for text in unread:
            self._on_error(text)
        self._on_scanned(unread)


def find_changed_files(
    top: Path,
    is_wanted: Callable[[str], bool],
    known_stamps: StampLookup,
    on_error: Callable[[str], None],
) -> Iterator[tuple[str, dict[str, FileStamp]]]:
    """Each directory in `top` with the files that differ from their records, the last names first.

    Directories that can't be read are reported to `on_error`; files that vanish are skipped.
    """
    todo = [str(top)]
    while todo:
        folder = todo.pop()
        try:
            folders, files = _list_folder(folder, is_wanted)
        except FileNotFoundError:
            continue
        except OSError as error:
            on_error(f"{folder} can't be read: {error.strerror}")
            continue
        # The last comes first: the newest of directories named by date
        todo += sorted(folders)
        if files:
            known = known_stamps(folder)
            yield folder, {n: stamp for n, stamp in files.items() if known.get(n) != stamp}


def _list_folder(
    folder: str, is_wanted: Callable[[str], bool]
) -> tuple[list[str], dict[str, FileStamp]]:
    folders, files = [], {}
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if is_wanted(entry.path):
                    status = entry.stat()
                    files[entry.name] = FileStamp(status.st_size, status.st_mtime_ns)
                elif entry.is_dir() and not entry.name.startswith("."):
                    folders.append(entry.path)
            except OSError:
                # It has vanished, or is a broken link
                continue
    return folders, files
