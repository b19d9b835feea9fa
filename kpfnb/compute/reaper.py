"""A small program beside each worker: when the worker has died, its children die too.

A worker may be killed by anybody (kpfnb for a time-out, the kernel for memory, a person), and
would leave behind the programs that its item had started. They are known by the worker's process
group and, where they left it, by a mark in their environment.

Usage: python reaper.py PID
"""

from __future__ import annotations

import os
import signal
import sys

import psutil

MARK = "KPFNB_WORKER_PID"
ROUNDS = 20


def reap(pid: int) -> None:
    """Wait for the process `pid` to end, then kill its process group and all that bear its mark."""
    try:
        psutil.Process(pid).wait()
    except psutil.NoSuchProcess:
        pass
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    for _ in range(ROUNDS):
        # A marked process may have started another while the list was made
        if not kill_marked(str(pid)):
            return


def kill_marked(mark: str) -> int:
    """Kill every process of this user whose environment bears the mark; how many there were."""
    found = 0
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                process.kill()
                found += 1
        except psutil.Error:
            # Somebody else's, or gone meanwhile
            continue
    return found


if __name__ == "__main__":
    # Itself it bears the worker's mark, which it must not take for a child's
    reap(int(sys.argv[1]))
