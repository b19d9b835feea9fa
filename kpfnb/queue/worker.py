"""Workers: they take items off a queue, have them done, and report.

A worker itself does no task: it has a process for that (`kpfnb.queue.task_process`), over which it
stands, renewing the lease. So neither a crash nor a call that blocks everything costs the lease;
but where the worker or the task's process is stopped (SIGSTOP), the lease runs out, as it should.
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
from kpfnb.queue import connection
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome, AttemptReport, Claim, ClaimResponse
from kpfnb.queue.results import WorkerSummary
from kpfnb.queue.task_process import TaskProcess, TaskProcessDied
from kpfnb.queue.tasks import QueueTask

T = TypeVar("T")

IDLE_SECONDS = 60.0
GRACE_SECONDS = 20.0
"""Less than the 30 s that Kubernetes leaves from SIGTERM to SIGKILL."""
BATCH_SECONDS = 0.05
"""What is done is reported within this time; so many items are claimed at once as take less."""
MAX_CLAIMS = 32
MAX_RETRY_DELAY_SECONDS = 5.0
"""The longest rest before a server that does not answer is tried again."""

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
        """A pipe: a signal writes to it, what waits for a task looks at it too."""

    def run(self) -> WorkerSummary:
        """Work until there was nothing to do for `idle_seconds`, or a signal says to stop.

        On SIGTERM or SIGINT the item in work is finished if it takes no longer than
        `grace_seconds`, else it is handed back; on a second signal at once.
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
            turn = self._report_and_claim(reports, want=0 if self._is_stopping else want)
            if turn.claims:
                began = time.monotonic()
                reports = self._do_batch(turn.claims)
                want = next_batch_size(len(turn.claims), time.monotonic() - began)
                idle_since = time.monotonic()
                continue
            reports = []
            # Somebody must be there for what will be tried again
            idle_since = math.inf if turn.retries else min(idle_since, time.monotonic())
            left = idle_since + self._idle_seconds - time.monotonic()
            if self._is_stopping or turn.is_draining or left <= 0:
                break
            self._await_work(turn, left)
        with suppress(ServiceUnavailableError):
            self._queue.deregister(self.name)

    def _do_batch(self, claims: Sequence[Claim]) -> list[AttemptReport]:
        """Do the items one after the other; reports that were not yet made are returned."""
        reports: list[AttemptReport] = []
        rest = deque(claims)
        while rest:
            claim = rest.popleft()
            if self._is_stopping:
                reports.append(AttemptReport(claim, AttemptOutcome.RETURNED))
                continue
            report = self._do_item(claim, reports, rest)
            if report:
                reports.append(report)
        return reports

    def _do_item(
        self, claim: Claim, reports: list[AttemptReport], rest: deque[Claim]
    ) -> AttemptReport | None:
        """Have one item done; None where its lease was lost meanwhile.

        If it takes long, `reports` are made and the `rest` is handed back: others wait for it.
        """
        began = last = time.monotonic()
        self._process.start_item(claim)
        while True:
            try:
                message = self._next_message(last, is_batch=bool(reports or rest))
            except TaskProcessDied as error:
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
                    [*reports, *(AttemptReport(one, AttemptOutcome.RETURNED) for one in rest)],
                    want=0,
                )
                reports.clear()
                rest.clear()
            if now >= last + self._queue.policy.heartbeat_seconds:
                last = now
                if not self._heartbeat(claim):
                    return None

    def _next_message(self, last: float, *, is_batch: bool) -> dict[str, Any] | None:
        """What the task says; None when it is time to do something else."""
        beat = last + self._queue.policy.heartbeat_seconds
        late = last + BATCH_SECONDS if is_batch else math.inf
        seconds = min(beat, late, self._stop_at) - time.monotonic()
        message = self._process.next_message(seconds, self._wakeup_pipe[0])
        with suppress(BlockingIOError):
            os.read(self._wakeup_pipe[0], 100)
        return message

    def _make_report(self, claim: Claim, message: dict[str, Any], began: float) -> AttemptReport:
        failed = message["ending"] == AttemptOutcome.FAILED
        if failed:
            _log.warning("%s: attempt %d failed: %s", claim.item, claim.attempt, message["error"])
        return AttemptReport(
            claim,
            AttemptOutcome(message["ending"]),
            message.get("result"),
            message.get("error", ""),
            self._process.log_tail() if failed else "",
            message.get("seconds", time.monotonic() - began),
            message.get("final", False),
        )

    def _heartbeat(self, claim: Claim) -> bool:
        """A heartbeat; where the lease is lost, the task's process is ended."""
        if self._process.is_paused() and not self._wait_for_resume():
            _log.warning("%s: its process is stopped; the lease is let go", claim.item)
        elif self._renew_lease(claim):
            return True
        else:
            _log.warning("%s: the lease was lost", claim.item)
        self._process.kill()
        self.summary.attempts[AttemptOutcome.LOST] += 1
        return False

    def _wait_for_resume(self) -> bool:
        """Whether a task's process that was stopped goes on before the lease runs out."""
        rules = self._queue.policy
        deadline = time.monotonic() + rules.lease_seconds - rules.heartbeat_seconds
        while time.monotonic() < min(deadline, self._stop_at):
            if not self._process.is_paused():
                return True
            time.sleep(rules.heartbeat_seconds / 10)
        return False

    def _renew_lease(self, claim: Claim, note: str = "") -> bool:
        """Renew the lease. A server that does not answer has not said that it is lost."""
        try:
            return self._queue.heartbeat(self.name, claim, note)
        except ServiceUnavailableError as error:
            _log.warning("%s", error.what)
            connection.restart_server()
            return True

    def _confirm_lease(self, claim: Claim) -> bool:
        """Renew the lease before products are published: here only a clear yes counts."""
        try:
            return self._retry_until_answered(lambda: self._queue.heartbeat(self.name, claim))
        except ServiceUnavailableError:
            return False

    def _report_and_claim(self, reports: Sequence[AttemptReport], *, want: int) -> ClaimResponse:
        request = uuid.uuid4().hex
        turn = self._retry_until_answered(
            lambda: self._queue.report_and_claim(self.name, request, reports, want=want)
        )
        for report, verdict in zip(reports, turn.report_statuses, strict=True):
            if verdict is None:
                _log.warning("%s: another worker has it; not committed", report.claim.item)
            self.summary.attempts[report.ending if verdict else AttemptOutcome.LOST] += 1
        return turn

    def _retry_until_answered(self, call: Callable[[], T]) -> T:
        """Ask again and again, until the server answers: what was done must be reported."""
        from tenacity import Retrying, retry_if_exception_type, wait_random_exponential

        def prepare(state: Any) -> None:
            _log.warning("%s", state.outcome.exception().what)
            connection.restart_server()

        return Retrying(
            retry=retry_if_exception_type(ServiceUnavailableError),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_RETRY_DELAY_SECONDS),
            stop=lambda _: time.monotonic() >= self._stop_at,
            before_sleep=prepare,
            reraise=True,
        )(call)

    def _await_work(self, turn: ClaimResponse, seconds: float) -> None:
        if turn.wait_seconds is not None:
            # A little apart, so that not all come for the same item
            seconds = min(seconds, turn.wait_seconds * (1 + random.random() / 10))
        try:
            try:
                self._waiting = True
                if not self._is_stopping:
                    self._queue.wait_for_work(turn.wakeup_id, seconds)
            finally:
                # Here too a signal may come
                self._waiting = False
        except (_WakeUp, ServiceUnavailableError) as error:
            # The next turn will meet the same trouble, and deal with it
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
        """Signals stop the worker, whatever it waits for."""
        self._wakeup_pipe = os.pipe()
        os.set_blocking(self._wakeup_pipe[0], False)
        before = {one: signal.signal(one, self._stop) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
            for end in self._wakeup_pipe:
                os.close(end)


def next_batch_size(last: int, seconds: float) -> int:
    """How many items to claim next, after the last so many took so long altogether.

    One, but where items are so quick that the server's answer would take longer than the work.
    """
    fits = int(BATCH_SECONDS / max(seconds / last, 1e-6))
    return max(1, min(2 * last, fits, MAX_CLAIMS))
