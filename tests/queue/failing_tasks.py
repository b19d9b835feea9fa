"""Tasks that fail in many ways, and a worker for them in a separate process.

    python -m tests.queue.failing_tasks TASK QUEUE [IDLE_SECONDS [GRACE_SECONDS]]

The lease comes from the settings. When a task begins, it writes its process identifier to a file.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kpfnb.core import logs
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import Lease
from kpfnb.queue.tasks import QueueTask
from kpfnb.queue.worker import Worker


def begin(item: str) -> None:
    path = Path(f"begun-{item}")
    path.with_suffix(".new").write_text(str(os.getpid()))
    path.with_suffix(".new").rename(path)


def quick(item: str, lease: Lease) -> str:
    return item.upper()


def long(item: str, lease: Lease) -> None:
    begin(item)
    time.sleep(100)


def noted(item: str, lease: Lease) -> None:
    lease.note(f"STARTING {'x' * 300}")
    begin(item)
    time.sleep(1)
    lease.note("COMPLETE")


def medium(item: str, lease: Lease) -> str:
    begin(item)
    time.sleep(1)
    return "finished"


def greedy(item: str, lease: Lease) -> str:
    """Hold Python's lock in C for longer than the lease: no thread of this process runs."""
    begin(item)
    ctypes.PyDLL(None).usleep(1_500_000)
    return "finished"


def crash(item: str, lease: Lease) -> None:
    print("last words", flush=True)
    ctypes.string_at(0)


def unreadable(item: str, lease: Lease) -> None:
    """Report a file whose name is not UTF-8."""
    name = os.fsdecode(b"d\xff.fits")
    lease.note(f"reading {name}")
    raise RuntimeError(f"{name} is not a FITS file")


def leave(item: str, lease: Lease) -> None:
    sys.exit("I leave")


def vanish(item: str, lease: Lease) -> None:
    os._exit(7)


def parent(item: str, lease: Lease) -> None:
    """Start a program that would outlive it."""
    child = subprocess.Popen(["sleep", "100"])
    Path(f"child-{item}").write_text(str(child.pid))
    begin(item)
    time.sleep(100)


def publish(item: str, lease: Lease) -> str:
    """Confirm the lease before publishing; another worker has done the item by then."""
    begin(item)
    time.sleep(1)
    lease.confirm()
    Path(f"published-{item}-{lease.attempt}").touch()
    return "published"


class Judged(OneLineRepr):
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    @property
    def reason(self) -> str:
        return f"it {self.outcome}"

    def key_figures(self) -> dict[str, int | float | str]:
        return {"frames": 3}

    def to_dict(self) -> dict[str, Any]:
        return {}

    to_frame = _repr_html_ = to_dict


def judged(item: str, lease: Lease) -> Judged:
    return Judged(Outcome(item))


def final(item: str, lease: Lease) -> Judged:
    """A result that a retry can't improve."""
    result = Judged(Outcome(item))
    result.is_final = True
    return result


def main() -> None:
    task, name, *seconds = sys.argv[1:]
    idle, grace = [*map(float, seconds), *(1000, 20)[len(seconds) :]]
    logs.log_to_console()
    with Queue(name) as queue:
        worker = Worker(
            queue, QueueTask(task, globals()[task]), idle_seconds=idle, grace_seconds=grace
        )
        print(worker.run())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
