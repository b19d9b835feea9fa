"""Memory for PypeIt: runs side by side on one machine wait until there is enough for each.

Every run reserves what it is expected to take, whichever worker, notebook or terminal it is of. A
reservation is a locked file in the work directory, so it ends with its holder, however that ends.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb.compute import resources
from kpfnb.core import atomic, locks, settings

MEMORY_FOLDER = "memory"
NOTE_SUFFIX = ".note"
POLL_SECONDS = 1.0
LOCK_WAIT_SECONDS = 60.0
GB = 1_000_000_000


def estimate_bytes(record: Mapping[str, Any] | None) -> int:
    """What a reduction will take: as in the record of its last run, else as the settings say."""
    steps = (record or {}).get("steps") or ()
    taken = max((step["peak_bytes"] or 0 for step in steps), default=0)
    return taken or round(settings.load_settings().pypeit_memory_gb * GB)


@contextmanager
def reserve_memory(
    wanted: int,
    *,
    name: str = "",
    folder: Path = Path(),
    on_status: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """Wait until `wanted` bytes are free, and hold them while the block lasts.

    A run that is alone never waits: what it is expected to take may be wrong.

    Parameters
    ----------
    name, folder : of what is run, for those who watch
    tell : called while it waits
    """
    from filelock import FileLock

    place = settings.load_settings().work_dir / MEMORY_FOLDER
    mine = place / f"{wanted}-{os.getpid()}-{uuid.uuid4().hex}.lock"
    lock = FileLock(mine)
    while True:
        with locks.acquire_lock("memory", wait_seconds=LOCK_WAIT_SECONDS, folder=place):
            if has_room(wanted, list_reservations(), resources.available_bytes(), _budget_bytes()):
                note = {"name": name, "folder": str(folder.absolute()), "since": time.time()}
                atomic.write_json(mine.with_suffix(NOTE_SUFFIX), note)
                lock.acquire()
                break
        on_status(f"waiting for {wanted / GB:.1f} GB of memory")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
        _remove_files(mine)


@dataclass(frozen=True)
class MemoryReservation:
    """Of one run.

    Attributes
    ----------
    reserved, taken : bytes that it may take, and takes now
    name, folder : of what is run
    since : when it began, in seconds since 1970
    """

    reserved: int
    used: int
    name: str = ""
    folder: str = ""
    since: float = 0


def has_room(wanted: int, others: list[MemoryReservation], free: int, budget: int) -> bool:
    """Whether one more run can start.

    Parameters
    ----------
    free : bytes that can be taken now
    budget : bytes that all runs together may take; 0 for what the machine has
    """
    if not others:
        return True
    if budget and wanted + sum(one.reserved for one in others) > budget:
        return False
    # What the others have yet to take is free only in appearance
    return wanted + sum(max(one.reserved - one.used, 0) for one in others) <= free


def _budget_bytes() -> int:
    return round(settings.load_settings().pypeit_memory_budget_gb * GB)


def list_reservations() -> list[MemoryReservation]:
    """The runs that live; what the dead have left is removed."""
    from filelock import FileLock, Timeout

    found = []
    for path in sorted((settings.load_settings().work_dir / MEMORY_FOLDER).glob("*-*.lock")):
        reserved, pid, _ = path.stem.split("-")
        try:
            with FileLock(path, timeout=0):
                _remove_files(path)
        except Timeout:
            found.append(
                MemoryReservation(int(reserved), _process_memory(int(pid)), **_read_note(path))
            )
    return found


def _read_note(path: Path) -> dict[str, Any]:
    """What is told of a reservation; nothing of one that ends at this moment."""
    try:
        note: dict[str, Any] = atomic.read_json(path.with_suffix(NOTE_SUFFIX))
    except FileNotFoundError:
        return {}
    return note


def _remove_files(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(NOTE_SUFFIX).unlink(missing_ok=True)


def _process_memory(pid: int) -> int:
    """The memory of a process and all that it has started."""
    import psutil

    taken = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                taken += one.memory_info().rss
    return taken
