"""What goes on in the process that does the tasks of one worker.

Orders come and reports go as lines of JSON through a socket; the worker is at its other end.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

from kpfnb import log
from kpfnb.errors import KpfnbError
from kpfnb.guard import PR_SET_PDEATHSIG
from kpfnb.outcomes import Outcome
from kpfnb.plain import plain
from kpfnb.result import Result
from kpfnb.workqueue.lease import Lease
from kpfnb.workqueue.records import Ending
from kpfnb.workqueue.tasks import Task

_KEPT = (Outcome.SUCCEEDED, Outcome.PARTIAL)
"""Outcomes with which an item is done: trying again would not make more of it."""


def serve(end: socket.socket, output: int, task: Task, options: Mapping[str, Any]) -> None:
    """Do what is ordered until the worker is gone; the process has no other purpose."""
    _settle_in(output)
    with end.makefile("r", encoding="utf-8") as orders, end.makefile("w", encoding="utf-8") as out:
        for line in orders:
            _tell(out, _attempt(task, options, json.loads(line), orders, out))


def _attempt(
    task: Task, options: Mapping[str, Any], order: dict[str, Any], orders: TextIO, out: TextIO
) -> dict[str, Any]:
    """One attempt, reported. The border of an item: whatever goes wrong is in the report."""

    def ask() -> bool:
        _tell(out, {"confirm": True})
        return bool(json.loads(orders.readline())["held"])

    def say(text: str) -> None:
        _tell(out, {"note": text})

    began = time.monotonic()
    try:
        lease = Lease(**order, _ask=ask, _say=say)
        report = _judge(task.run(order["item"], lease, **options))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        report = {"ending": Ending.FAILED, "error": _words(error)}
    sys.stdout.flush()
    return {**report, "seconds": time.monotonic() - began}


def _judge(value: Any) -> dict[str, Any]:
    if not isinstance(value, Result):
        return {"ending": Ending.DONE, "result": plain(value)}
    if value.outcome not in _KEPT:
        final = bool(getattr(value, "is_final", False))
        return {"ending": Ending.FAILED, "error": value.reason, "final": final}
    result = {"outcome": value.outcome, "reason": value.reason, "figures": value.figures()}
    return {"ending": Ending.DONE, "result": plain(result)}


def _words(error: BaseException) -> str:
    text = str(error) if isinstance(error, KpfnbError) else f"{type(error).__name__}: {error}"
    return log.redact(text)


def _tell(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _settle_in(output: int) -> None:
    """A session and an output of its own; it ends when the worker does, however that goes."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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
    log.console(logging.INFO)
