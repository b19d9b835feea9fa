"""Changes in a directory tree as they happen: events of the operating system, or polling.

Facts about the library (watchfiles 1.3) on which this depends:

- files in a directory that has just been created are not reported
- an overflow of the operating system's event queue is not reported
- a file system that is mounted over a watched directory is not reported
- a call that times out may lose an event, so no call has a timeout
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

# watchfiles logs every change
logging.getLogger("watchfiles").setLevel(logging.WARNING)

STEP_MS = 15
DEBOUNCE_MS = 60
POLL_MS = 5000
PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 600.0
"""If the listener fails repeatedly, the whole tree is scanned at least this often."""

FLOOD_CHANGES = 4000
"""With this many changes at once the event queue (16,384 by default) may have overflowed."""

REST_SECONDS = 1.0

LIMIT_HINT = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances by sysctl"


class TreeChanges(NamedTuple):
    """Changes since the last call.

    Attributes
    ----------
    files : created, written, renamed or touched
    folders : created; files in them may not have been reported
    missed : why other changes may have been missed; '' if there is no reason
    """

    files: Sequence[str] = ()
    folders: Sequence[str] = ()
    missed: str = ""


class ChangeListener:
    """Calls `on_changes` from a thread, from `start` to `stop`.

    Attributes
    ----------
    mode : how changes are detected, for people
    """

    def __init__(
        self,
        directories: Sequence[Path],
        *,
        is_wanted: Callable[[str], bool],
        on_changes: Callable[[TreeChanges], None],
        polling: bool = False,
    ) -> None:
        self.mode = "polling" if polling else "events"
        self._directories = directories
        self._is_wanted = is_wanted
        self._on_changes = on_changes
        self._polling = polling
        self._pause = PAUSE_SECONDS
        self._stopping = threading.Event()
        self._restart = threading.Event()
        self._watched: dict[Path, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self._restart.set()
        self._thread.join(PAUSE_SECONDS)

    def restart_if_replaced(self) -> None:
        """Restart if a directory has been created or replaced by another one."""
        if self._watched != _existing_dirs(self._directories):
            self._restart.set()

    def _run(self) -> None:
        while True:
            self._restart.clear()
            # After `clear`, so that a call of `stop` in between is not lost
            if self._stopping.is_set():
                return
            self._watched = _existing_dirs(self._directories)
            if not self._watched:
                # They do not exist yet; `restart_if_replaced` checks again
                self._restart.wait()
                continue
            try:
                self._watch()
            except (OSError, RuntimeError) as error:
                # watchfiles raises RuntimeError for its own failures
                self._recover(error)
            self._on_changes(TreeChanges(missed="the listener was restarted"))

    def _watch(self) -> None:
        import watchfiles

        count, last = 0, 0.0
        # A directory created in place of a removed one may even have the same inode
        roots = {str(directory) for directory in self._watched}

        def counted(change: watchfiles.Change, path: str) -> bool:
            nonlocal count, last
            now = time.monotonic()
            # Batches without relevant changes are not delivered: the count restarts after a pause
            count, last = (count + 1 if now - last < REST_SECONDS else 1), now
            if change is watchfiles.Change.deleted:
                if path in roots:
                    self._restart.set()
                return False
            return self._is_relevant(path)

        for changes in watchfiles.watch(
            *self._watched,
            watch_filter=counted,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=0,
            stop_event=self._restart,
            force_polling=self._polling,
            poll_delay_ms=POLL_MS,
            # True would hide all other failures too, even the limit on watches
            ignore_permission_denied=False,
        ):
            self._pause = PAUSE_SECONDS
            self.mode = self.mode if self._polling else "events"
            paths = [path for _, path in changes]
            self._on_changes(
                TreeChanges(
                    [path for path in paths if self._is_wanted(path)],
                    [path for path in paths if not self._is_wanted(path) and Path(path).is_dir()],
                    "very many changes at once" if count >= FLOOD_CHANGES else "",
                )
            )

    def _is_relevant(self, path: str) -> bool:
        return self._is_wanted(path) or not Path(path).suffix

    def _recover(self, error: Exception) -> None:
        if not self._polling and is_watch_limit(error):
            self._polling = True
            self.mode = f"polling: the operating system's limit on watches is reached; {LIMIT_HINT}"
            logger.warning("changes of %s are detected by %s", self._directories, self.mode)
            return
        self.mode = f"scanning the whole tree every {self._pause:.0f} s: {error}"
        logger.warning("changes of %s are detected by %s", self._directories, self.mode)
        self._restart.wait(self._pause)
        self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)


def is_watch_limit(error: Exception) -> bool:
    """Whether the error is the operating system's limit on watches."""
    text = str(error).lower()
    return "limit" in text or "too many open files" in text or "no space left" in text


def _existing_dirs(directories: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """The directories that exist, with device and inode."""
    existing = {}
    for directory in directories:
        try:
            status = directory.stat()
        except OSError:
            continue
        existing[directory] = (status.st_dev, status.st_ino)
    return existing
