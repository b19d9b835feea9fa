"""What changes below some directories, told as it happens: the system's events, or polling.

Facts about the library (watchfiles 1.3) that the rest is built on:

- files in a directory that has just been made are not told of
- nothing is told when the system's queue of events overflows
- nothing is told when another file system is mounted over a watched directory
- a call that times out may lose an event, so none does
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

# It tells of every single change
logging.getLogger("watchfiles").setLevel(logging.WARNING)

STEP_MS = 15
DEBOUNCE_MS = 60
POLL_MS = 5000
PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 600.0
"""Where the watch can't be begun again and again, the whole tree is looked at so often."""

FLOOD_CHANGES = 4000
"""So many changes at once: the system's queue (16,384 by default) may have overflowed."""

REST_SECONDS = 1.0

LIMIT_HINT = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances by sysctl"


class TreeChanges(NamedTuple):
    """What has changed since the last time.

    Attributes
    ----------
    files : that were made, written, renamed to or touched
    folders : that were made; what is in them was perhaps not told
    missed : why others may have been missed; '' where there is no reason to think so
    """

    files: Sequence[str] = ()
    folders: Sequence[str] = ()
    missed: str = ""


class ChangeListener:
    """Tells `tell` in a thread of its own, from `start` to `stop`.

    Attributes
    ----------
    mode : how changes are learned of, for people
    """

    def __init__(
        self,
        tops: Sequence[Path],
        *,
        wanted: Callable[[str], bool],
        tell: Callable[[TreeChanges], None],
        polling: bool = False,
    ) -> None:
        self.mode = "polling" if polling else "events"
        self._tops = tops
        self._wanted = wanted
        self._tell = tell
        self._polling = polling
        self._pause = PAUSE_SECONDS
        self._stopping = threading.Event()
        self._restart = threading.Event()
        self._watched: dict[Path, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._restart.set()
        self._thread.join(PAUSE_SECONDS)

    def restart_if_replaced(self) -> None:
        """Begin anew where a directory has come, or another one stands in its place."""
        if self._watched != _existing_dirs(self._tops):
            self._restart.set()

    def _run(self) -> None:
        while True:
            self._restart.clear()
            # Asked after that, or the call of `stop` in between would be forgotten
            if self._stopping.is_set():
                return
            self._watched = _existing_dirs(self._tops)
            if not self._watched:
                # Not there yet; `check` tells when it is
                self._restart.wait()
                continue
            try:
                self._watch()
            except (OSError, RuntimeError) as error:
                # watchfiles tells of its own troubles as RuntimeErrors
                self._recover(error)
            self._tell(TreeChanges(missed="the watch began anew"))

    def _watch(self) -> None:
        import watchfiles

        seen, last = 0, 0.0
        # A directory made in the place of one that is gone may even have the same inode
        gone = {str(top) for top in self._watched}

        def counted(change: watchfiles.Change, path: str) -> bool:
            nonlocal seen, last
            now = time.monotonic()
            # Batches in which nothing matters are never told: the count begins anew after a rest
            seen, last = (seen + 1 if now - last < REST_SECONDS else 1), now
            if change is watchfiles.Change.deleted:
                if path in gone:
                    self._restart.set()
                return False
            return self._matters(path)

        for changes in watchfiles.watch(
            *self._watched,
            watch_filter=counted,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=0,
            stop_event=self._restart,
            force_polling=self._polling,
            poll_delay_ms=POLL_MS,
            # True would pass over every other trouble as well, the limit on watches too
            ignore_permission_denied=False,
        ):
            self._pause = PAUSE_SECONDS
            self.mode = self.mode if self._polling else "events"
            paths = [path for _, path in changes]
            self._tell(
                TreeChanges(
                    [path for path in paths if self._wanted(path)],
                    [path for path in paths if not self._wanted(path) and Path(path).is_dir()],
                    "very many changes at once" if seen >= FLOOD_CHANGES else "",
                )
            )

    def _matters(self, path: str) -> bool:
        return self._wanted(path) or not Path(path).suffix

    def _recover(self, error: Exception) -> None:
        if not self._polling and _is_watch_limit(error):
            self._polling = True
            self.mode = f"polling: the system's limit on watches is reached; {LIMIT_HINT}"
            logger.warning("changes of %s by %s", self._tops, self.mode)
            return
        self.mode = f"looking at all every {self._pause:.0f} s: {error}"
        logger.warning("changes of %s by %s", self._tops, self.mode)
        self._restart.wait(self._pause)
        self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)


def _is_watch_limit(error: Exception) -> bool:
    text = str(error).lower()
    return "limit" in text or "too many open files" in text or "no space left" in text


def _existing_dirs(tops: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """The directories that are there, with device and inode."""
    found = {}
    for top in tops:
        try:
            status = top.stat()
        except OSError:
            continue
        found[top] = (status.st_dev, status.st_ino)
    return found
