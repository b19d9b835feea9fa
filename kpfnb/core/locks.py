"""Locks between processes: one holder at a time, whose name others can read.

The lock is the operating system's (`flock`, by filelock): it is free as soon as its holder ends, in
whatever way. The note beside it names the holder.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kpfnb.core import atomic, settings
from kpfnb.core.clock import format_utc
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError

POLL_SECONDS = 0.1


@contextmanager
def acquire_lock(
    name: str, *, wait_seconds: float = 0, folder: Path | None = None
) -> Iterator[Path]:
    """Hold the lock `name` during the block; gives the lock file.

    Parameters
    ----------
    wait_seconds : time to wait for another holder
    folder : directory of the lock; by default the one in the settings

    Raises
    ------
    AlreadyRunningError : another process still holds it; names its pid, host and start
    InvalidSettingsError : the directory can't be written
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
            f"{name} is already running: {_describe_holder(note)}", "wait for it to end, or stop it"
        ) from None
    except OSError as error:
        raise InvalidSettingsError(
            f"can't create the lock {lock_file}: {error.strerror}",
            f"make {lock_file.parent} writable, with free space on its disk",
        ) from error
    try:
        yield lock_file
    finally:
        # Before the lock: a note without its lock would name the wrong holder
        with suppress(FileNotFoundError):
            note.unlink()
        lock.release()


def lock_path(name: str, folder: Path | None = None) -> Path:
    """The file of the lock `name`; characters that are not safe in a file name are replaced."""
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._") or "lock"
    return (folder or settings.load_settings().locks_dir) / f"{safe}.lock"


def _holder_note() -> dict[str, str | int]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": format_utc()}


def _describe_holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # Not written yet, or damaged
        return "another process"
