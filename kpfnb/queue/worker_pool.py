"""One worker, or several side by side: what `kpfnb worker` starts."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from kpfnb.compute import processes
from kpfnb.core.errors import KpfnbError, ServiceUnavailableError
from kpfnb.queue import tasks
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome
from kpfnb.queue.results import WorkerSummary
from kpfnb.queue.tasks import QueueTask
from kpfnb.queue.worker import GRACE_SECONDS, IDLE_SECONDS, Worker

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""They stop the crew, and it its members."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is to do."""

    queue: str
    task: QueueTask
    options: Mapping[str, Any]
    idle_seconds: float
    grace_seconds: float

    def run_worker(self) -> WorkerSummary:
        """Be one worker, in this process."""
        with Queue(self.queue) as queue:
            return Worker(
                queue,
                self.task,
                options=self.options,
                idle_seconds=self.idle_seconds,
                grace_seconds=self.grace_seconds,
            ).run()


def run_worker_pool(
    task: str,
    queue: str = "",
    *,
    options: Mapping[str, Any] | None = None,
    count: int = 1,
    idle_seconds: float = IDLE_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
) -> WorkerSummary:
    """Let `count` workers do a task with the items of a queue (by default that of its name).

    Each is a process; one that is killed is replaced. On SIGTERM and SIGINT all of them finish
    their items, or hand them back; see `Worker.run`.

    Raises
    ------
    InvalidParameterError : the task, an option or the queue's name is wrong; nothing was begun
    ServiceUnavailableError : the queue's server does not answer
    """
    found = tasks.find_task(task)
    job = WorkerConfig(
        queue or task, found, found.check_options(options or {}), idle_seconds, grace_seconds
    )
    if count == 1:
        return job.run_worker()
    # What is wrong with the server is said once, and here
    Queue(job.queue).close()
    return WorkerPool(job).run(count)


class WorkerPool:
    def __init__(self, job: WorkerConfig) -> None:
        self._config = job
        self._workers: dict[int, int] = {}
        self._is_stopping = False

    def run(self, count: int) -> WorkerSummary:
        worked, broken = WorkerSummary(), 0
        with self._signals():
            for _ in range(count):
                self._start_worker()
            while self._workers:
                pid, status = os.wait()
                if pid not in self._workers:
                    continue
                told = self._read_summary(pid)
                worked.attempts.update(
                    {AttemptOutcome(name): number for name, number in told.items()}
                )
                code = os.waitstatus_to_exitcode(status)
                broken += code > 0
                if code < 0 and not self._is_stopping:
                    _log.warning("a worker was killed (signal %d); another takes its place", -code)
                    self._start_worker()
        if broken:
            raise ServiceUnavailableError(
                f"{broken} workers ended with an error ({worked.reason})", "see their messages"
            )
        return worked

    def _start_worker(self) -> None:
        # A signal that came before the member is known would not reach it
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self._is_stopping:
                return
            mine, other = os.pipe()
            pid = os.fork()
            if not pid:
                _run_worker_process(self._config, other)
            os.close(other)
            self._workers[pid] = mine
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _read_summary(self, pid: int) -> dict[str, int]:
        """What a member that has ended says it did; nothing, if it was killed."""
        with os.fdopen(self._workers.pop(pid)) as pipe:
            text = pipe.read()
        told: dict[str, int] = json.loads(text or "{}")
        return told

    def _stop(self, number: int, _: object) -> None:
        self._is_stopping = True
        for pid in list(self._workers):
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


def _run_worker_process(job: WorkerConfig, output: int) -> NoReturn:
    """Be a worker, in a process of its own that never leaves this function."""
    code = 1
    for one in SIGNALS:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        # Ctrl-C in the terminal is for the crew, which passes it on
        os.setpgid(0, 0)
        processes.die_with_parent(signal.SIGTERM)
        told = json.dumps(job.run_worker().attempts)
        os.write(output, told.encode())
        code = 0
    except KpfnbError as error:
        print(f"kpfnb: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
