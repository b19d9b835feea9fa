"""A worker: it claims items of a queue, runs the task on each, and reports.

The worker does no task itself: a separate process does (`kpfnb.queue.task_process`), while the
worker renews the lease. So neither a crash nor a blocking call loses the lease; but if the
worker or the task's process is stopped (SIGSTOP), the lease runs out, as it should.
"""

from __future__ import annotations

import logging
import math
import os
import random
import signal
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.signals import handle_signals
from kpfnb.queue import attempt_logs
from kpfnb.queue.client import Queue
from kpfnb.queue.connection import restart_server
from kpfnb.queue.records import AttemptOutcome, AttemptReport, Claim, ClaimResponse
from kpfnb.queue.results import WorkerSummary
from kpfnb.queue.task_process import TaskProcess, TaskProcessDiedError
from kpfnb.queue.tasks import QueueTask

T = TypeVar("T")

IDLE_SECONDS = 60.0
GRACE_SECONDS = 20.0
"""Less than the 30 s that Kubernetes leaves from SIGTERM to SIGKILL."""
BATCH_SECONDS = 0.05
"""Finished items are reported within this time; items that take less are claimed in batches."""
MAX_CLAIMS = 32
MAX_RETRY_DELAY_SECONDS = 5.0
"""The longest delay before a server that does not answer is tried again."""

_log = logging.getLogger(__name__)


class _WakeUp(BaseException):
    """A signal came while the worker waited for work."""


class Worker:
    """One worker on one queue. `run` is called once, in the main thread."""

    def __init__(
        self,
        queue: Queue,
        task: QueueTask,
        *,
        options: Mapping[str, Any] | None = None,
        idle_seconds: float = IDLE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.name = f"{socket.gethostname()}/{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.summary = WorkerSummary()
        self._queue = queue
        self._process = TaskProcess(task, task.check_options(options or {}), queue.name)
        self._idle_seconds = idle_seconds
        self._grace_seconds = grace_seconds
        self._stop_at = math.inf
        self._waiting = False
        self._wakeup_pipe: tuple[int, int] = (-1, -1)
        """A pipe that a signal writes to; the wait for a task reads it too."""

    def run(self) -> WorkerSummary:
        """Work until no item was available for `idle_seconds`, or until a signal.

        On SIGTERM or SIGINT the current item is finished if it takes no longer than
        `grace_seconds`, otherwise it is handed back; on a second signal immediately.
        """
        with self._signals():
            try:
                self._work_until_idle()
            finally:
                self._process.close()
        return self.summary

    def _work_until_idle(self) -> None:
        reports: list[AttemptReport] = []
        want, idle_since = 1, time.monotonic()
        while True:
            response = self._report_and_claim(reports, want=0 if self._is_stopping else want)
            if response.claims:
                began = time.monotonic()
                reports = self._run_batch(response.claims)
                want = next_batch_size(len(response.claims), time.monotonic() - began)
                idle_since = time.monotonic()
                continue
            reports = []
            # A worker must be available for the items that will be retried
            idle_since = math.inf if response.retries else min(idle_since, time.monotonic())
            remaining = idle_since + self._idle_seconds - time.monotonic()
            if self._is_stopping or response.is_draining or remaining <= 0:
                break
            self._await_work(response, remaining)
        with suppress(ServiceUnavailableError):
            self._queue.deregister(self.name)

    def _run_batch(self, claims: Sequence[Claim]) -> list[AttemptReport]:
        """Run the task on one item after another; returns the reports that were not yet sent."""
        reports: list[AttemptReport] = []
        rest = deque(claims)
        while rest:
            claim = rest.popleft()
            if self._is_stopping:
                reports.append(AttemptReport(claim, AttemptOutcome.RETURNED))
                continue
            report = self._run_item(claim, reports, rest)
            if report:
                reports.append(report)
        return reports

    def _run_item(
        self, claim: Claim, reports: list[AttemptReport], rest: deque[Claim]
    ) -> AttemptReport | None:
        """Run the task on one item; None if its lease was lost.

        If it takes long, `reports` are sent and the `rest` is handed back for other workers.
        """
        began = last = time.monotonic()
        self._process.start_item(claim)
        while True:
            try:
                message = self._next_message(last, is_batch=bool(reports or rest))
            except TaskProcessDiedError as error:
                return self._make_report(
                    claim, {"ending": AttemptOutcome.FAILED, "error": str(error)}, began
                )
            now = time.monotonic()
            if message and "confirm" in message:
                self._process.reply_to_confirm(self._confirm_lease(claim))
            elif message and "note" in message:
                self._renew_lease(claim, message["note"])
            elif message:
                return self._make_report(claim, message, began)
            elif now >= self._stop_at:
                self._process.kill()
                _log.warning("%s: handed back", claim.item)
                return AttemptReport(claim, AttemptOutcome.RETURNED)
            if (reports or rest) and now >= last + BATCH_SECONDS:
                self._report_and_claim(
                    [*reports, *(AttemptReport(claim, AttemptOutcome.RETURNED) for claim in rest)],
                    want=0,
                )
                reports.clear()
                rest.clear()
            if now >= last + self._queue.policy.heartbeat_seconds:
                last = now
                if not self._heartbeat(claim):
                    return None

    def _next_message(self, last: float, *, is_batch: bool) -> dict[str, Any] | None:
        """The next message of the task; None when something else is due."""
        heartbeat_due = last + self._queue.policy.heartbeat_seconds
        report_due = last + BATCH_SECONDS if is_batch else math.inf
        seconds = min(heartbeat_due, report_due, self._stop_at) - time.monotonic()
        message = self._process.next_message(seconds, self._wakeup_pipe[0])
        with suppress(BlockingIOError):
            os.read(self._wakeup_pipe[0], 100)
        return message

    def _make_report(self, claim: Claim, message: dict[str, Any], began: float) -> AttemptReport:
        log = ""
        if message["ending"] == AttemptOutcome.FAILED:
            _log.warning("%s: attempt %d failed: %s", claim.item, claim.attempt, message["error"])
            log = self._process.read_log(attempt_logs.MAX_BYTES)
            attempt_logs.store_log(self._queue.name, claim.item, log)
        return AttemptReport(
            claim,
            AttemptOutcome(message["ending"]),
            message.get("result"),
            message.get("error", ""),
            # Its end: `encode_report` cuts it
            log,
            message.get("seconds", time.monotonic() - began),
            message.get("final", False),
        )

    def _heartbeat(self, claim: Claim) -> bool:
        """Send a heartbeat; if the lease is lost, kill the task's process."""
        if self._process.is_paused() and not self._wait_for_resume():
            _log.warning("%s: its process is stopped; the lease is given up", claim.item)
        elif self._renew_lease(claim):
            return True
        else:
            _log.warning("%s: the lease was lost", claim.item)
        self._process.kill()
        self.summary.attempts[AttemptOutcome.LOST] += 1
        return False

    def _wait_for_resume(self) -> bool:
        """Wait for a stopped process; True if it continues before the lease runs out."""
        policy = self._queue.policy
        deadline = time.monotonic() + policy.lease_seconds - policy.heartbeat_seconds
        while time.monotonic() < min(deadline, self._stop_at):
            if not self._process.is_paused():
                return True
            time.sleep(policy.heartbeat_seconds / 10)
        return False

    def _renew_lease(self, claim: Claim, note: str = "") -> bool:
        """Renew the lease. If the server does not answer, the lease counts as held."""
        try:
            return self._queue.heartbeat(self.name, claim, note)
        except ServiceUnavailableError as error:
            _log.warning("%s", error.what)
            restart_server()
            return True

    def _confirm_lease(self, claim: Claim) -> bool:
        """Renew the lease before products are published: only a clear yes counts."""
        try:
            return self._retry_until_answered(lambda: self._queue.heartbeat(self.name, claim))
        except ServiceUnavailableError:
            return False

    def _report_and_claim(self, reports: Sequence[AttemptReport], *, want: int) -> ClaimResponse:
        request = uuid.uuid4().hex
        response = self._retry_until_answered(
            lambda: self._queue.report_and_claim(self.name, request, reports, want=want)
        )
        for report, status in zip(reports, response.report_statuses, strict=True):
            if status is None:
                _log.warning("%s: another worker has the item; not committed", report.claim.item)
            self.summary.attempts[report.ending if status else AttemptOutcome.LOST] += 1
        return response

    def _retry_until_answered(self, call: Callable[[], T]) -> T:
        """Repeat a call until the server answers: finished work must be reported."""
        from tenacity import Retrying, retry_if_exception_type, wait_random_exponential

        def log_and_restart(state: Any) -> None:
            _log.warning("%s", state.outcome.exception().what)
            restart_server()

        return Retrying(
            retry=retry_if_exception_type(ServiceUnavailableError),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_RETRY_DELAY_SECONDS),
            stop=lambda _: time.monotonic() >= self._stop_at,
            before_sleep=log_and_restart,
            reraise=True,
        )(call)

    def _await_work(self, response: ClaimResponse, seconds: float) -> None:
        if response.wait_seconds is not None:
            # Slightly apart, so that not all workers claim the same item
            seconds = min(seconds, response.wait_seconds * (1 + random.random() / 10))
        try:
            try:
                self._waiting = True
                if not self._is_stopping:
                    self._queue.wait_for_work(response.wakeup_id, seconds)
            finally:
                # A signal may arrive here too
                self._waiting = False
        except (_WakeUp, ServiceUnavailableError) as error:
            # The next claim meets the same error and handles it
            _log.info("%s", error)

    @property
    def _is_stopping(self) -> bool:
        return self._stop_at < math.inf

    def _stop(self, *_: object) -> None:
        now = time.monotonic()
        self._stop_at = now if self._is_stopping else now + self._grace_seconds
        os.write(self._wakeup_pipe[1], b"!")
        if self._waiting:
            self._waiting = False
            raise _WakeUp

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let signals stop the worker, whatever it waits for."""
        self._wakeup_pipe = os.pipe()
        os.set_blocking(self._wakeup_pipe[0], False)
        try:
            with handle_signals(self._stop, signal.SIGTERM, signal.SIGINT):
                yield
        finally:
            for descriptor in self._wakeup_pipe:
                os.close(descriptor)


def next_batch_size(last: int, seconds: float) -> int:
    """The number of items to claim next, after `last` items took `seconds` in total.

    One, unless items are so quick that the server's answer would take longer than the work.
    """
    fits = int(BATCH_SECONDS / max(seconds / last, 1e-6))
    return max(1, min(2 * last, fits, MAX_CLAIMS))
