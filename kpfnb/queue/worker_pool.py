"""One worker, or a pool of workers side by side: what `kpfnb worker` starts."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from kpfnb.compute.processes import die_with_parent
from kpfnb.core.errors import KpfnbError, ServiceUnavailableError
from kpfnb.core.signals import handle_signals
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome
from kpfnb.queue.results import WorkerSummary
from kpfnb.queue.tasks import QueueTask, find_task
from kpfnb.queue.worker import GRACE_SECONDS, IDLE_SECONDS, Worker

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""The signals that stop the pool, which passes them to its workers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerConfig:
    """The configuration of a worker: queue, task, options and time limits (s)."""

    queue: str
    task: QueueTask
    options: Mapping[str, Any]
    idle_seconds: float
    grace_seconds: float

    def run_worker(self) -> WorkerSummary:
        """Run one worker in this process."""
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
    """Run workers that do a task with the items of a queue (by default the queue of its name).

    Each of several workers is a process; one that is killed is replaced. On SIGTERM and SIGINT all
    of them finish their items, or hand them back; see `Worker.run`.

    Raises
    ------
    InvalidParameterError : the task, an option or the queue's name is wrong; nothing was started
    ServiceUnavailableError : the queue's server does not answer
    """
    queue_task = find_task(task)
    checked = queue_task.check_options(options or {})
    config = WorkerConfig(queue or task, queue_task, checked, idle_seconds, grace_seconds)
    if count == 1:
        return config.run_worker()
    # An error of the server is reported once, here, and not by each worker
    Queue(config.queue).close()
    return WorkerPool(config).run(count)


class WorkerPool:
    """Several workers, each in its own process."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._workers: dict[int, int] = {}
        """Process identifier to the pipe that its summary comes through."""
        self._is_stopping = False

    def run(self, count: int) -> WorkerSummary:
        """Start workers, replace those that are killed, and wait for their end.

        `ServiceUnavailableError` if a worker ended with an error.
        """
        summary, error_count = WorkerSummary(), 0
        with handle_signals(self._stop, *SIGNALS):
            for _ in range(count):
                self._start_worker()
            while self._workers:
                pid, status = os.wait()
                if pid not in self._workers:
                    continue
                attempts = self._read_summary(pid)
                summary.attempts.update(
                    {AttemptOutcome(outcome): number for outcome, number in attempts.items()}
                )
                code = os.waitstatus_to_exitcode(status)
                error_count += code > 0
                if code < 0 and not self._is_stopping:
                    _log.warning("a worker was killed (signal %d) and is replaced", -code)
                    self._start_worker()
        if error_count:
            raise ServiceUnavailableError(
                f"{error_count} workers ended with an error ({summary.reason})",
                "see their messages",
            )
        return summary

    def _start_worker(self) -> None:
        # A signal that arrives before the worker is known would not reach it
        earlier_mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self._is_stopping:
                return
            read_end, write_end = os.pipe()
            pid = os.fork()
            if not pid:
                _run_worker_process(self._config, write_end)
            os.close(write_end)
            self._workers[pid] = read_end
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier_mask)

    def _read_summary(self, pid: int) -> dict[str, int]:
        """The attempts of a worker that has ended; none, if it was killed."""
        with os.fdopen(self._workers.pop(pid)) as pipe:
            text = pipe.read()
        attempts: dict[str, int] = json.loads(text or "{}")
        return attempts

    def _stop(self, number: int, _: object) -> None:
        self._is_stopping = True
        for pid in list(self._workers):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _run_worker_process(config: WorkerConfig, output: int) -> NoReturn:
    """Run a worker in this new process, which never leaves this function."""
    code = 1
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        # Ctrl-C in the terminal is for the pool, which passes it on
        os.setpgid(0, 0)
        die_with_parent(signal.SIGTERM)
        attempts = json.dumps(config.run_worker().attempts)
        os.write(output, attempts.encode())
        code = 0
    except KpfnbError as error:
        print(f"kpfnb: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
