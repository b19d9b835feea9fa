"""Memory reservations: PypeIt runs on one machine wait until there is enough memory for each.

Every run reserves the memory that it is expected to use, whether a worker, a notebook or a command
started it. A reservation is a locked file in the work directory, so it ends with its process.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb.compute import resources
from kpfnb.core import atomic, locks, progress, settings

MEMORY_FOLDER = "memory"
NOTE_SUFFIX = ".note"
POLL_SECONDS = 1.0
LOCK_WAIT_SECONDS = 60.0
GB = 1_000_000_000


def estimate_bytes(record: Mapping[str, Any] | None) -> int:
    """The memory that a reduction is expected to use: as much as its last run, by its record.

    Without one, the estimate is the setting `pypeit_memory_gb`.
    """
    steps = (record or {}).get("steps") or ()
    peak = max((step["peak_bytes"] or 0 for step in steps), default=0)
    return peak or round(settings.load_settings().pypeit_memory_gb * GB)


@contextmanager
def reserve_memory(
    wanted: int,
    *,
    name: str = "",
    folder: Path = Path(),
    on_status: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """Wait until `wanted` bytes are free, and hold them for the length of the block.

    A run that is alone never waits: the estimate may be wrong.

    Parameters
    ----------
    name, folder : of the run, shown in the live status
    on_status : called while it waits
    """
    from filelock import FileLock

    directory = settings.load_settings().work_dir / MEMORY_FOLDER
    path = directory / f"{wanted}-{os.getpid()}-{uuid.uuid4().hex}.lock"
    lock = FileLock(path)
    while True:
        with locks.acquire_lock("memory", wait_seconds=LOCK_WAIT_SECONDS, folder=directory):
            if has_room(wanted, list_reservations(), resources.available_bytes(), _budget_bytes()):
                note = {"name": name, "folder": str(folder.absolute()), "since": time.time()}
                atomic.write_json(path.with_suffix(NOTE_SUFFIX), note)
                lock.acquire()
                break
        on_status(f"waiting for {wanted / GB:.1f} GB of memory")
        progress.sleep_responsive(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
        _remove_files(path)


@dataclass(frozen=True)
class MemoryReservation:
    """The memory of one run.

    Attributes
    ----------
    reserved, used : bytes that it may use, and uses now
    name, folder : of the run
    since : its start, seconds since 1970
    """

    reserved: int
    used: int
    name: str = ""
    folder: str = ""
    since: float = 0


def has_room(wanted: int, others: Sequence[MemoryReservation], free: int, budget: int) -> bool:
    """Whether one more run can start.

    Parameters
    ----------
    wanted : bytes that the run needs
    free : bytes that are free now
    budget : bytes that all runs together may use; 0 for all memory of the machine
    """
    if not others:
        return True
    if budget and wanted + sum(other.reserved for other in others) > budget:
        return False
    # What the other runs have reserved but not used yet is not free
    return wanted + sum(max(other.reserved - other.used, 0) for other in others) <= free


def _budget_bytes() -> int:
    return round(settings.load_settings().pypeit_memory_budget_gb * GB)


def list_reservations() -> list[MemoryReservation]:
    """The reservations of live runs; files of runs that ended without cleanup are removed."""
    from filelock import FileLock, Timeout

    reservations = []
    for path in sorted((settings.load_settings().work_dir / MEMORY_FOLDER).glob("*-*.lock")):
        reserved, pid, _ = path.stem.split("-")
        try:
            with FileLock(path, timeout=0):
                _remove_files(path)
        except Timeout:
            used = _process_memory(int(pid))
            reservations.append(MemoryReservation(int(reserved), used, **_read_note(path)))
    return reservations


def _read_note(path: Path) -> dict[str, Any]:
    """Name, directory and start of a reservation; empty if it ends at this moment."""
    try:
        note: dict[str, Any] = atomic.read_json(path.with_suffix(NOTE_SUFFIX))
    except FileNotFoundError:
        return {}
    return note


def _remove_files(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(NOTE_SUFFIX).unlink(missing_ok=True)


def _process_memory(pid: int) -> int:
    """The memory of a process and all its descendants, bytes."""
    import psutil

    total = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error):
                total += process.memory_info().rss
    return total
