"""A small process that starts one program, and stops it with all its descendants.

`kpfnb.compute.programs` starts it as `python -m kpfnb.compute.subreaper`. It does three things that
the starting process can't do itself:

- Its standard input is a pipe to which nothing is written. When the starting process closes it, or
  ends in any way (SIGKILL included), this process reads the end of the pipe and stops everything.
  (The signal that Linux can send at a parent's death comes when the *thread* that started us ends.)
- On Linux it is a subreaper: a child that detaches itself (double fork, setsid) becomes its child
  when its own parent ends, so a walk over its descendants finds all of them. Elsewhere a detached
  child is found only while its parent lives.
- It holds a lock while anything it started is alive, so a later run can wait for that.

At its end it prints one JSON object: `exit_code` of the program (null if it was stopped before its
end, negative if a signal killed it) and `left_behind`, the number of processes that it had to stop
after the program's own end.
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
"""Interval of the checks for adopted children that have ended, if a pidfd reports the end."""
NOT_STARTED = 127
"""The exit code of a program that can't be started, as in a shell."""


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
    """In the program's process, before it starts: it ends when the subreaper is killed."""
    os.nice(nice)
    processes.die_with_parent()


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _await_program(pid: int) -> int | None:
    """The exit code of the program; None if the pipe was closed before its end."""
    descriptors = _open_pidfd(pid)
    seconds = IDLE_SECONDS if descriptors else POLL_SECONDS
    while sys.stdin not in select.select([sys.stdin, *descriptors], [], [], seconds)[0]:
        exit_codes = _reap_children()
        if pid in exit_codes:
            return exit_codes[pid]
    return None


def _open_pidfd(pid: int) -> list[int]:
    """A descriptor that is readable when the process has ended; [] if the system has none."""
    try:
        return [os.pidfd_open(pid)]
    except (AttributeError, OSError):
        return []


def _await_descendants(grace_seconds: float) -> int:
    """The number of processes that are left after the grace time; 0 as soon as all have ended."""
    _wait_until(lambda: not _descendants() or _asked_to_stop(0), grace_seconds)
    return len(_descendants())


def _stop_descendants(term_seconds: float) -> None:
    """SIGTERM to all descendants, then SIGKILL to those that do not end."""
    _signal_all(signal.SIGTERM)
    _wait_until(lambda: not _descendants(), term_seconds)
    # Repeated: a process that is being forked is not in the list yet
    _wait_until(lambda: not _signal_all(signal.SIGKILL), float("inf"))


def _signal_all(number: signal.Signals) -> int:
    """Signal every descendant; returns their number."""
    descendants = _descendants()
    for process in descendants:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
    return len(descendants)


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 2)


def _descendants() -> list[psutil.Process]:
    _reap_children()
    return psutil.Process().children(recursive=True)


def _reap_children() -> dict[int, int]:
    """The exit codes by pid of the children that have ended, adopted ones included."""
    exit_codes: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return exit_codes
        if not pid:
            return exit_codes
        exit_codes[pid] = os.waitstatus_to_exitcode(status)


def _asked_to_stop(seconds: float) -> bool:
    """True if the other end of the pipe is closed within the time."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


if __name__ == "__main__":
    main()
