"""A worker's hand: the process that does its tasks, so that a task can't take the worker along.

A task may crash, hold Python's lock for minutes or have to be killed: the worker goes on, renews
the lease and says what happened. The process is used again for the next item while it is well.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from kpfnb.workqueue import attempt
from kpfnb.workqueue.records import Claim
from kpfnb.workqueue.tasks import Task

LOG_BYTES = 8000
RECEIVE_BYTES = 65536


class HandDied(Exception):
    """The process that did a task is gone."""


class Hand:
    """Does one task at a time in a process of its own, which is started when it is needed."""

    def __init__(self, task: Task, options: Mapping[str, Any], queue: str) -> None:
        self._task = task
        self._options = options
        self._queue = queue
        self._pid = 0
        self._end: socket.socket | None = None
        self._read = b""
        # Unlinked: it goes with the worker, however that ends
        self._log = tempfile.TemporaryFile()  # noqa: SIM115

    def begin(self, claim: Claim) -> None:
        """Start on an item."""
        if not self._pid:
            self._start()
        self._empty_log()
        order = {
            "queue": self._queue,
            "item": claim.item,
            "token": claim.token,
            "attempt": claim.attempt,
        }
        self._send(order)

    def wait(self, seconds: float, *also: int) -> dict[str, Any] | None:
        """The next message of the task; None when none came, or one of `also` became readable.

        Raises
        ------
        HandDied : its process is gone; says how it ended
        """
        assert self._end
        if b"\n" not in self._read:
            end = self._end.fileno()
            ready, _, _ = select.select([end, *also], [], [], max(seconds, 0))
            if end not in ready:
                return None
            self._receive(self._end)
        line, newline, rest = self._read.partition(b"\n")
        if not newline:
            return None
        self._read = rest
        message: dict[str, Any] = json.loads(line)
        return message

    def answer(self, held: bool) -> None:
        """Answer a task that asked whether it still has its lease."""
        self._send({"held": held})

    def words(self) -> str:
        """The last that the task has written."""
        size = os.fstat(self._log.fileno()).st_size
        last = os.pread(self._log.fileno(), LOG_BYTES, max(size - LOG_BYTES, 0))
        return last.decode(errors="replace")

    def is_paused(self) -> bool:
        """True where somebody has stopped its process (SIGSTOP)."""
        import psutil

        try:
            return psutil.Process(self._pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> int:
        """End its process and those that it has started; returns how it ended, as Popen has it."""
        if not self._pid:
            return 0
        # Its own session, once it has come so far
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        self._forget()
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End its process; the hand is of no use any more."""
        self.kill()
        self._log.close()

    def _start(self) -> None:
        mine, other = socket.socketpair()
        self._pid = os.fork()
        if self._pid:
            other.close()
            self._end, self._read = mine, b""
            return
        # From here on in the other process, which never leaves this block
        code = 1
        try:
            mine.close()
            attempt.serve(other, self._log.fileno(), self._task, self._options)
            code = 0
        finally:
            os._exit(code)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._end
        # One that has died is found by the next wait
        with suppress(BrokenPipeError, ConnectionResetError):
            self._end.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self, end: socket.socket) -> None:
        try:
            data = end.recv(RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            raise HandDied(self._bury())
        self._read += data

    def _bury(self) -> str:
        """How its process ended; one that only closed its end is not waited for."""
        _await_end(self._pid)
        code = self.kill()
        if code < 0:
            return f"the task's process was killed by {signal.Signals(-code).name}"
        return f"the task's process ended with code {code}"

    def _forget(self) -> None:
        if self._end:
            self._end.close()
        self._end, self._pid = None, 0

    def _empty_log(self) -> None:
        if os.fstat(self._log.fileno()).st_size:
            self._log.truncate(0)
            self._log.seek(0)


def _await_end(pid: int, seconds: float = 1) -> None:
    """Wait till the process is dead, and leave it to be reaped."""
    deadline = time.monotonic() + seconds
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while not os.waitid(os.P_PID, pid, flags) and time.monotonic() < deadline:
        time.sleep(0.01)
