"""A small process that stands over one program, and takes it down with all its children.

It is started as `python -m kpfnb.compute.subreaper` by `kpfnb.compute.programs`, and does three things that the
starting process can't do for itself:

- Its standard input is a pipe that nobody writes to. When the starting process closes it, or dies
  in any way (SIGKILL too), the guard reads the end of it and stops everything. (The signal that
  Linux can send at a parent's death comes already when the *thread* that started us ends.)
- On Linux it is a subreaper: a child that detaches itself (double fork, setsid) comes back to the
  guard when its own parent ends, so a walk over the guard's descendants finds all of them.
  Elsewhere a detached child is found only while its parent lives.
- It holds a lock for as long as anything it started is alive, so a later run can wait for it.

At its end it prints one JSON object: `exit_code` of the program (null where it was stopped before
its end, minus the signal where one killed it) and `left_behind`, the number of processes that it
had to stop after the program's own end.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil

from kpfnb.compute import processes

POLL_SECONDS = 0.1
IDLE_SECONDS = 5.0
"""Between two looks for adopted children that have ended, where the program's own end is told."""
NOT_STARTED = 127
"""The exit code of a program that can't be started, as a shell gives it."""


def main() -> None:
    """Run the command after `--`; standard error is its log."""
    options = _parse_arguments()
    if options.lock:
        _hold_lock(options.lock)
    processes.become_subreaper()
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        program = subprocess.Popen(
            options.command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            preexec_fn=lambda: _prepare_child(options.nice),
        )
    except OSError as error:
        print(f"{options.command[0]}: {error.strerror}", file=sys.stderr)
        _print_report(NOT_STARTED, 0)
        return
    exit_code, left_behind = None, 0
    try:
        exit_code = _await_program(program.pid)
        left_behind = _await_descendants(options.grace_seconds) if exit_code is not None else 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop_descendants(options.term_seconds)
        # The program was reaped here, not by Popen
        program.returncode = exit_code or 0
        _print_report(exit_code, left_behind)


def _print_report(exit_code: int | None, left_behind: int) -> None:
    print(json.dumps({"exit_code": exit_code, "left_behind": left_behind}), flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kpfnb.compute.subreaper")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--grace-seconds", type=float, default=10, help="for children left behind")
    parser.add_argument("--term-seconds", type=float, default=5, help="from SIGTERM to SIGKILL")
    parser.add_argument("--lock", type=Path)
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _hold_lock(lock: Path) -> None:
    """Hold the lock until this process ends; it is never closed."""
    fcntl.flock(os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), fcntl.LOCK_EX)


def _prepare_child(nice: int) -> None:
    """In the program's process, before it starts: should the guard be killed, it goes too."""
    os.nice(nice)
    processes.die_with_parent()


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _await_program(pid: int) -> int | None:
    """The program's exit code; None when the pipe was closed before its end."""
    ends = _descriptors(pid)
    seconds = IDLE_SECONDS if ends else POLL_SECONDS
    while sys.stdin not in select.select([sys.stdin, *ends], [], [], seconds)[0]:
        ended = _reap_children()
        if pid in ended:
            return ended[pid]
    return None


def _descriptors(pid: int) -> list[int]:
    """What tells the end of a process to `select`, where the system has that: no need to poll."""
    try:
        return [os.pidfd_open(pid)]
    except (AttributeError, OSError):
        return []


def _await_descendants(grace_seconds: float) -> int:
    """How many processes are still there after the grace time (0 as soon as all are gone)."""
    _wait_until(lambda: not _descendants() or _asked_to_stop(0), grace_seconds)
    return len(_descendants())


def _stop_descendants(term_seconds: float) -> None:
    """SIGTERM to all descendants, then SIGKILL to those that do not go."""
    _signal_all(signal.SIGTERM)
    _wait_until(lambda: not _descendants(), term_seconds)
    # Again and again: one that is just being forked is not on the list yet
    _wait_until(lambda: not _signal_all(signal.SIGKILL), float("inf"))


def _signal_all(number: signal.Signals) -> int:
    """Signal every descendant; how many there were."""
    found = _descendants()
    for process in found:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
    return len(found)


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 2)


def _descendants() -> list[psutil.Process]:
    _reap_children()
    return psutil.Process().children(recursive=True)


def _reap_children() -> dict[int, int]:
    """Exit codes of the children that have ended, adopted ones too, by pid."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _asked_to_stop(seconds: float) -> bool:
    """True when the other end of the pipe was closed; waits so long for that at most."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


if __name__ == "__main__":
    main()
