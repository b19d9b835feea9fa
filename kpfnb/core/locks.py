"""Locks between processes: one holder at a time, and a holder with a name.

The lock is the system's own (`flock`, through filelock): it is free the moment its holder dies,
however it dies. The note beside it only tells people who the holder is.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from kpfnb.core import atomic, settings
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError

POLL_SECONDS = 0.1


@contextmanager
def acquire_lock(
    name: str, *, wait_seconds: float = 0, folder: Path | None = None
) -> Iterator[Path]:
    """Hold the lock `name` in `folder` (that of the settings); gives the lock file.

    Raises
    ------
    AlreadyRunningError : somebody else still holds it after `wait_seconds`; names pid, host and since when
    InvalidSettingsError : the folder can't be written
    """
    from filelock import FileLock, Timeout

    lock_file = lock_path(name, folder)
    note = lock_file.with_suffix(".json")
    lock = FileLock(lock_file, timeout=wait_seconds, poll_interval=POLL_SECONDS)
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        try:
            atomic.write_json(note, _holder_note())
        except BaseException:
            lock.release()
            raise
    except Timeout:
        raise AlreadyRunningError(
            f"{name} is at work already: {_describe_holder(note)}", "wait for it to end, or stop it"
        ) from None
    except OSError as error:
        raise InvalidSettingsError(
            f"can't make the lock {lock_file}: {error.strerror}",
            f"make {lock_file.parent} writable, with room on its disk",
        ) from error
    try:
        yield lock_file
    finally:
        # The note goes first: a note without its lock would name the wrong holder
        with suppress(FileNotFoundError):
            note.unlink()
        lock.release()


def lock_path(name: str, folder: Path | None = None) -> Path:
    """The file of the lock `name`, whatever characters are in the name."""
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._") or "lock"
    return (folder or settings.load_settings().locks_dir) / f"{safe}.lock"


def _holder_note() -> dict[str, str | int]:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _describe_holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # Between the holder's taking the lock and writing the note, or a damaged note
        return "another process"
