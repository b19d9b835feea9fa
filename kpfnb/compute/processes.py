"""Processes that must not outlive another one. As a program: kill what a worker leaves behind.

Usage: python processes.py PID

`compute.worker_plugin` starts this program beside each Dask worker. A worker may be killed (by
kpfnb after a time-out, by the kernel for memory, by a person), which would leave the programs that
its item had started. They are known by the worker's process group and, if they left it, by a tag
in their environment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

import psutil

PID_TAG = "KPFNB_WORKER_PID"
"""The environment variable by which a worker's children are known."""

MAX_PASSES = 20

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """This process gets the signal when the thread that started it ends; Linux only."""
    _prctl(_PR_SET_PDEATHSIG, number)


def become_subreaper() -> None:
    """This process becomes the parent of descendants whose own parent ends; Linux only."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill_group(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the process group of a process; nothing happens if there is none."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def reap_worker(pid: int) -> None:
    """Wait for the process `pid` to end, then kill its group and every process with its tag."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait()
    kill_group(pid)
    for _ in range(MAX_PASSES):
        # A tagged process may have started another while the list was read
        if not kill_tagged_processes(str(pid)):
            return


def kill_tagged_processes(tag: str) -> int:
    """Kill every process of this user whose environment has the tag; returns their number."""
    count = 0
    for process in psutil.process_iter():
        # Another user's process, or one that has ended
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(PID_TAG) == tag:
                process.kill()
                count += 1
    return count


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    # This process has the worker's tag as well: `kill_tagged_processes` leaves itself out
    reap_worker(int(sys.argv[1]))
