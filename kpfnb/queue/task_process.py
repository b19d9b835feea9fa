"""A worker's hand: the process that does its tasks, so that a task can't take the worker along.

A task may crash, hold Python's lock for minutes or have to be killed: the worker goes on, renews
the lease and says what happened. The process is used again for the next item while it is well.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from kpfnb.compute import processes
from kpfnb.core import logs
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Outcome, Result, to_jsonable
from kpfnb.queue.lease import Lease
from kpfnb.queue.records import AttemptOutcome, Claim
from kpfnb.queue.tasks import QueueTask

# What goes on in the process that does the tasks of one worker.
#
# Orders come and reports go as lines of JSON through a socket; the worker is at its other end.

_DONE_OUTCOMES = (Outcome.SUCCEEDED, Outcome.PARTIAL)
"""Outcomes with which an item is done: trying again would not make more of it."""


def serve_orders(
    end: socket.socket, output: int, task: QueueTask, options: Mapping[str, Any]
) -> None:
    """Do what is ordered until the worker is gone; the process has no other purpose."""
    _set_up_process(output)
    with end.makefile("r", encoding="utf-8") as orders, end.makefile("w", encoding="utf-8") as out:
        for line in orders:
            _send_message(out, _attempt_item(task, options, json.loads(line), orders, out))


def _attempt_item(
    task: QueueTask, options: Mapping[str, Any], order: dict[str, Any], orders: TextIO, out: TextIO
) -> dict[str, Any]:
    """One attempt, reported. The border of an item: whatever goes wrong is in the report."""

    def ask() -> bool:
        _send_message(out, {"confirm": True})
        return bool(json.loads(orders.readline())["held"])

    def say(text: str) -> None:
        _send_message(out, {"note": text})

    began = time.monotonic()
    try:
        lease = Lease(**order, _ask=ask, _say=say)
        report = _report_result(task.run(order["item"], lease, **options))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        report = {"ending": AttemptOutcome.FAILED, "error": _error_text(error)}
    sys.stdout.flush()
    return {**report, "seconds": time.monotonic() - began}


def _report_result(value: Any) -> dict[str, Any]:
    if not isinstance(value, Result):
        return {"ending": AttemptOutcome.DONE, "result": to_jsonable(value)}
    if value.outcome not in _DONE_OUTCOMES:
        final = bool(getattr(value, "is_final", False))
        return {"ending": AttemptOutcome.FAILED, "error": value.reason, "final": final}
    result = {"outcome": value.outcome, "reason": value.reason, "figures": value.key_figures()}
    return {"ending": AttemptOutcome.DONE, "result": to_jsonable(result)}


def _error_text(error: BaseException) -> str:
    text = str(error) if isinstance(error, KpfnbError) else f"{type(error).__name__}: {error}"
    return logs.redact_secrets(text)


def _send_message(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _set_up_process(output: int) -> None:
    """A session and an output of its own; it ends when the worker does, however that goes."""
    os.setsid()
    processes.die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        # A file name that is no UTF-8 must not keep what went wrong from being told
        stream = open(descriptor, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
    faulthandler.enable(sys.stderr)
    _log_to_output()


def _log_to_output() -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.setLevel(logging.INFO)
    logs.log_to_console(logging.INFO)


LOG_BYTES = 8000
RECEIVE_BYTES = 65536


class TaskProcessDied(Exception):
    """The process that did a task is gone."""


class TaskProcess:
    """Does one task at a time in a process of its own, which is started when it is needed."""

    def __init__(self, task: QueueTask, options: Mapping[str, Any], queue: str) -> None:
        self._task = task
        self._options = options
        self._queue = queue
        self._pid = 0
        self._end: socket.socket | None = None
        self._read = b""
        # Unlinked: it goes with the worker, however that ends
        self._log = tempfile.TemporaryFile()  # noqa: SIM115

    def start_item(self, claim: Claim) -> None:
        """Start on an item."""
        if not self._pid:
            self._start_process()
        self._truncate_log()
        order = {
            "queue": self._queue,
            "item": claim.item,
            "token": claim.token,
            "attempt": claim.attempt,
        }
        self._send(order)

    def next_message(self, seconds: float, *also: int) -> dict[str, Any] | None:
        """The next message of the task; None when none came, or one of `also` became readable.

        Raises
        ------
        TaskProcessDied : its process is gone; says how it ended
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

    def reply_to_confirm(self, held: bool) -> None:
        """Answer a task that asked whether it still has its lease."""
        self._send({"held": held})

    def log_tail(self) -> str:
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
        self._clear()
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End its process; the hand is of no use any more."""
        self.kill()
        self._log.close()

    def _start_process(self) -> None:
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
            serve_orders(other, self._log.fileno(), self._task, self._options)
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
            raise TaskProcessDied(self._reap())
        self._read += data

    def _reap(self) -> str:
        """How its process ended; one that only closed its end is not waited for."""
        _wait_for_exit(self._pid)
        code = self.kill()
        if code < 0:
            return f"the task's process was killed by {signal.Signals(-code).name}"
        return f"the task's process ended with code {code}"

    def _clear(self) -> None:
        if self._end:
            self._end.close()
        self._end, self._pid = None, 0

    def _truncate_log(self) -> None:
        if os.fstat(self._log.fileno()).st_size:
            self._log.truncate(0)
            self._log.seek(0)


def _wait_for_exit(pid: int, seconds: float = 1) -> None:
    """Wait till the process is dead, and leave it to be reaped."""
    deadline = time.monotonic() + seconds
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while not os.waitid(os.P_PID, pid, flags) and time.monotonic() < deadline:
        time.sleep(0.01)
