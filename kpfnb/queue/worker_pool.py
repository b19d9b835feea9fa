"""One worker, or several side by side: what `kpfnb worker` starts."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from kpfnb.errors import KpfnbError, ServiceUnavailable
from kpfnb.guard import PR_SET_PDEATHSIG
from kpfnb.worker import GRACE_SECONDS, IDLE_SECONDS, Worker
from kpfnb.workqueue import tasks
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import Ending
from kpfnb.workqueue.tasks import Task
from kpfnb.workqueue.worked import Worked

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""They stop the crew, and it its members."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker is to do."""

    queue: str
    task: Task
    options: Mapping[str, Any]
    idle_seconds: float
    grace_seconds: float

    def work(self) -> Worked:
        """Be one worker, in this process."""
        with Queue(self.queue) as queue:
            return Worker(
                queue,
                self.task,
                options=self.options,
                idle_seconds=self.idle_seconds,
                grace_seconds=self.grace_seconds,
            ).run()


def run(
    task: str,
    queue: str = "",
    *,
    options: Mapping[str, Any] | None = None,
    count: int = 1,
    idle_seconds: float = IDLE_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
) -> Worked:
    """Let `count` workers do a task with the items of a queue (by default that of its name).

    Each is a process; one that is killed is replaced. On SIGTERM and SIGINT all of them finish
    their items, or hand them back; see `Worker.run`.

    Raises
    ------
    BadParameter : the task, an option or the queue's name is wrong; nothing was begun
    ServiceUnavailable : the queue's server does not answer
    """
    found = tasks.find(task)
    job = Job(queue or task, found, found.options(options or {}), idle_seconds, grace_seconds)
    if count == 1:
        return job.work()
    # What is wrong with the server is said once, and here
    Queue(job.queue).close()
    return _Crew(job).run(count)


class _Crew:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._members: dict[int, int] = {}
        self._is_stopping = False

    def run(self, count: int) -> Worked:
        worked, broken = Worked(), 0
        with self._signals():
            for _ in range(count):
                self._start()
            while self._members:
                pid, status = os.wait()
                if pid not in self._members:
                    continue
                told = self._hear(pid)
                worked.endings.update({Ending(name): number for name, number in told.items()})
                code = os.waitstatus_to_exitcode(status)
                broken += code > 0
                if code < 0 and not self._is_stopping:
                    _log.warning("a worker was killed (signal %d); another takes its place", -code)
                    self._start()
        if broken:
            raise ServiceUnavailable(
                f"{broken} workers ended with an error ({worked.reason})", "see their messages"
            )
        return worked

    def _start(self) -> None:
        # A signal that came before the member is known would not reach it
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self._is_stopping:
                return
            mine, other = os.pipe()
            pid = os.fork()
            if not pid:
                _be_member(self._job, other)
            os.close(other)
            self._members[pid] = mine
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _hear(self, pid: int) -> dict[str, int]:
        """What a member that has ended says it did; nothing, if it was killed."""
        with os.fdopen(self._members.pop(pid)) as pipe:
            text = pipe.read()
        told: dict[str, int] = json.loads(text or "{}")
        return told

    def _stop(self, number: int, _: object) -> None:
        self._is_stopping = True
        for pid in list(self._members):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {one: signal.signal(one, self._stop) for one in SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _be_member(job: Job, output: int) -> NoReturn:
    """Be a worker, in a process of its own that never leaves this function."""
    code = 1
    for one in SIGNALS:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        # Ctrl-C in the terminal is for the crew, which passes it on
        os.setpgid(0, 0)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        told = json.dumps(job.work().endings)
        os.write(output, told.encode())
        code = 0
    except KpfnbError as error:
        print(f"kpfnb: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
