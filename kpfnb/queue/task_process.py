"""The process that does the tasks of one worker, so that a task can't crash the worker.

A task may crash, hold Python's lock for minutes, or have to be killed: the worker continues, renews
the lease and reports what happened. A healthy process is used again for the next item.

Worker and process exchange lines of JSON through a socket: orders to the process, reports back.
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

from kpfnb.compute.processes import die_with_parent
from kpfnb.core import logs
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Outcome, Result, to_jsonable
from kpfnb.queue.lease import Lease
from kpfnb.queue.records import AttemptOutcome, Claim
from kpfnb.queue.tasks import QueueTask

RECEIVE_BYTES = 65536
_DONE_OUTCOMES = (Outcome.SUCCEEDED, Outcome.PARTIAL)
"""Outcomes with which an item is done: another attempt would not improve it."""


class TaskProcessDiedError(Exception):
    """The process that did a task has ended."""


class TaskProcess:
    """The worker's side: does one item at a time in a process that is started when needed."""

    def __init__(self, task: QueueTask, options: Mapping[str, Any], queue: str) -> None:
        self._task = task
        self._options = options
        self._queue = queue
        self._pid = 0
        self._socket: socket.socket | None = None
        self._buffer = b""
        # Unlinked: it disappears with the worker
        self._log = tempfile.TemporaryFile()  # noqa: SIM115

    def start_item(self, claim: Claim) -> None:
        """Let the process begin an item."""
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
        """Wait for the next message of the task.

        Parameters
        ----------
        also : file descriptors; when one becomes readable, the wait ends

        Returns
        -------
        None if no message came in time, or one of `also` became readable

        Raises
        ------
        TaskProcessDiedError : the process has ended; says how
        """
        assert self._socket
        if b"\n" not in self._buffer:
            end = self._socket.fileno()
            ready, _, _ = select.select([end, *also], [], [], max(seconds, 0))
            if end not in ready:
                return None
            self._receive(self._socket)
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        message: dict[str, Any] = json.loads(line)
        return message

    def reply_to_confirm(self, held: bool) -> None:
        """Answer a task that asked whether it still holds its lease."""
        self._send({"held": held})

    def read_log(self, max_bytes: int) -> str:
        """The task's output, or its end."""
        size = os.fstat(self._log.fileno()).st_size
        last = os.pread(self._log.fileno(), max_bytes, max(size - max_bytes, 0))
        return last.decode(errors="replace")

    def is_paused(self) -> bool:
        """True if the process is stopped (SIGSTOP)."""
        import psutil

        try:
            return psutil.Process(self._pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> int:
        """Kill the process and its children; returns its exit code as in `Popen`."""
        if not self._pid:
            return 0
        # It has its own session only after it has begun
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        self._clear()
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Kill the process and remove its log; the object can't be used again."""
        self.kill()
        self._log.close()

    def _start_process(self) -> None:
        worker_end, task_end = socket.socketpair()
        self._pid = os.fork()
        if self._pid:
            task_end.close()
            self._socket, self._buffer = worker_end, b""
            return
        # From here on in the new process, which never leaves this block
        code = 1
        try:
            worker_end.close()
            serve_orders(task_end, self._log.fileno(), self._task, self._options)
            code = 0
        finally:
            os._exit(code)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket
        # The next wait finds a dead process
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self, end: socket.socket) -> None:
        try:
            data = end.recv(RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            raise TaskProcessDiedError(self._reap())
        self._buffer += data

    def _reap(self) -> str:
        """Reap the process; returns how it ended. One that only closed its socket is killed."""
        _wait_for_exit(self._pid)
        code = self.kill()
        if code < 0:
            return f"the task's process was killed by {signal.Signals(-code).name}"
        return f"the task's process ended with code {code}"

    def _clear(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket, self._pid = None, 0

    def _truncate_log(self) -> None:
        if os.fstat(self._log.fileno()).st_size:
            self._log.truncate(0)
            self._log.seek(0)


def _wait_for_exit(pid: int, seconds: float = 1) -> None:
    """Wait until the process is dead, without reaping it."""
    deadline = time.monotonic() + seconds
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while not os.waitid(os.P_PID, pid, flags) and time.monotonic() < deadline:
        time.sleep(0.01)


def serve_orders(
    end: socket.socket, output: int, task: QueueTask, options: Mapping[str, Any]
) -> None:
    """Run in the process: follow the worker's orders until the worker is gone."""
    _set_up_process(output)
    with end.makefile("r", encoding="utf-8") as orders, end.makefile("w", encoding="utf-8") as out:
        for line in orders:
            _send_message(out, _attempt_item(task, options, json.loads(line), orders, out))


def _attempt_item(
    task: QueueTask, options: Mapping[str, Any], order: dict[str, Any], orders: TextIO, out: TextIO
) -> dict[str, Any]:
    """Make one attempt; returns its report. The border of an item: the report has every error."""

    def confirm() -> bool:
        _send_message(out, {"confirm": True})
        return bool(json.loads(orders.readline())["held"])

    def note(text: str) -> None:
        _send_message(out, {"note": text})

    began = time.monotonic()
    try:
        lease = Lease(**order, _renew=confirm, _report=note)
        report = _report_result(task.run(order["item"], lease, **options))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        report = {"ending": AttemptOutcome.FAILED, "error": _error_text(error)}
    sys.stdout.flush()
    return {**report, "seconds": time.monotonic() - began}


def _report_result(value: Any) -> dict[str, Any]:
    if not isinstance(value, Result):
        return {"ending": AttemptOutcome.DONE, "result": to_jsonable(value)}
    final = bool(getattr(value, "is_final", False))
    # There was nothing to do for the item, and there will not be
    has_nothing_to_do = final and value.outcome is Outcome.SKIPPED
    if value.outcome not in _DONE_OUTCOMES and not has_nothing_to_do:
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
    """Give the process its own session and output, and end it when the worker ends."""
    os.setsid()
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(os.devnull, "rb") as devnull:
        os.dup2(devnull.fileno(), 0)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        # A file name that is not UTF-8 must not prevent an error message
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
