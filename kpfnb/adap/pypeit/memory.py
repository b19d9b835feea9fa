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

from kpfnb import files, locks, machine, settings

FOLDER = "memory"
NOTE = ".note"
POLL_SECONDS = 1.0
LEDGER_SECONDS = 60.0
GB = 1_000_000_000


def expected_bytes(record: Mapping[str, Any] | None) -> int:
    """What a reduction will take: as in the record of its last run, else as the settings say."""
    steps = (record or {}).get("steps") or ()
    taken = max((step["peak_bytes"] or 0 for step in steps), default=0)
    return taken or round(settings.load().pypeit_memory_gb * GB)


@contextmanager
def reserve(
    wanted: int,
    *,
    name: str = "",
    folder: Path = Path(),
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """Wait until `wanted` bytes are free, and hold them while the block lasts.

    A run that is alone never waits: what it is expected to take may be wrong.

    Parameters
    ----------
    name, folder : of what is run, for those who watch
    tell : called while it waits
    """
    from filelock import FileLock

    place = settings.load().work_dir / FOLDER
    mine = place / f"{wanted}-{os.getpid()}-{uuid.uuid4().hex}.lock"
    lock = FileLock(mine)
    while True:
        with locks.hold("memory", wait_seconds=LEDGER_SECONDS, folder=place):
            if fits(wanted, running(), machine.available_bytes(), _budget()):
                note = {"name": name, "folder": str(folder.absolute()), "since": time.time()}
                files.write_json(mine.with_suffix(NOTE), note)
                lock.acquire()
                break
        tell(f"waiting for {wanted / GB:.1f} GB of memory")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
        _forget(mine)


@dataclass(frozen=True)
class Reservation:
    """Of one run.

    Attributes
    ----------
    reserved, taken : bytes that it may take, and takes now
    name, folder : of what is run
    since : when it began, in seconds since 1970
    """

    reserved: int
    taken: int
    name: str = ""
    folder: str = ""
    since: float = 0


def fits(wanted: int, others: list[Reservation], free: int, budget: int) -> bool:
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
    return wanted + sum(max(one.reserved - one.taken, 0) for one in others) <= free


def _budget() -> int:
    return round(settings.load().pypeit_memory_budget_gb * GB)


def running() -> list[Reservation]:
    """The runs that live; what the dead have left is removed."""
    from filelock import FileLock, Timeout

    found = []
    for path in sorted((settings.load().work_dir / FOLDER).glob("*-*.lock")):
        reserved, pid, _ = path.stem.split("-")
        try:
            with FileLock(path, timeout=0):
                _forget(path)
        except Timeout:
            found.append(Reservation(int(reserved), _taken(int(pid)), **_note(path)))
    return found


def _note(path: Path) -> dict[str, Any]:
    """What is told of a reservation; nothing of one that ends at this moment."""
    try:
        note: dict[str, Any] = files.read_json(path.with_suffix(NOTE))
    except FileNotFoundError:
        return {}
    return note


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(NOTE).unlink(missing_ok=True)


def _taken(pid: int) -> int:
    """The memory of a process and all that it has started."""
    import psutil

    taken = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                taken += one.memory_info().rss
    return taken
