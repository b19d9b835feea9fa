"""Workers: they take items off a queue, have them done, and report.

A worker itself does no task: it has a process for that (`kpfnb.workqueue.hand`), over which it
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

from kpfnb.errors import ServiceUnavailable
from kpfnb.workqueue import connection
from kpfnb.workqueue.hand import Hand, HandDied
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import Claim, Ending, Report, Turn
from kpfnb.workqueue.tasks import Task
from kpfnb.workqueue.worked import Worked

T = TypeVar("T")

IDLE_SECONDS = 60.0
GRACE_SECONDS = 20.0
"""Less than the 30 s that Kubernetes leaves from SIGTERM to SIGKILL."""
LATE_SECONDS = 0.05
"""What is done is reported within this time; so many items are claimed at once as take less."""
MOST_CLAIMS = 32
AGAIN_SECONDS = 5.0
"""The longest rest before a server that does not answer is tried again."""

_log = logging.getLogger(__name__)


class _Woken(BaseException):
    """A signal came while the worker waited for work."""


class Worker:
    """One worker on one queue. `run` is called once, in the main thread."""

    def __init__(
        self,
        queue: Queue,
        task: Task,
        *,
        options: Mapping[str, Any] | None = None,
        idle_seconds: float = IDLE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.name = f"{socket.gethostname()}/{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.worked = Worked()
        self._queue = queue
        self._hand = Hand(task, task.options(options or {}), queue.name)
        self._idle_seconds = idle_seconds
        self._grace_seconds = grace_seconds
        self._stop_at = math.inf
        self._waiting = False
        self._woken: tuple[int, int] = (-1, -1)
        """A pipe: a signal writes to it, what waits for a task looks at it too."""

    def run(self) -> Worked:
        """Work until there was nothing to do for `idle_seconds`, or a signal says to stop.

        On SIGTERM or SIGINT the item in work is finished if it takes no longer than
        `grace_seconds`, else it is handed back; on a second signal at once.
        """
        with self._signals():
            try:
                self._work()
            finally:
                self._hand.close()
        return self.worked

    def _work(self) -> None:
        reports: list[Report] = []
        want, idle_since = 1, time.monotonic()
        while True:
            turn = self._turn(reports, want=0 if self._is_stopping else want)
            if turn.claims:
                began = time.monotonic()
                reports = self._batch(turn.claims)
                want = how_many(len(turn.claims), time.monotonic() - began)
                idle_since = time.monotonic()
                continue
            reports = []
            # Somebody must be there for what will be tried again
            idle_since = math.inf if turn.retries else min(idle_since, time.monotonic())
            left = idle_since + self._idle_seconds - time.monotonic()
            if self._is_stopping or turn.draining or left <= 0:
                break
            self._await_work(turn, left)
        with suppress(ServiceUnavailable):
            self._queue.leave(self.name)

    def _batch(self, claims: Sequence[Claim]) -> list[Report]:
        """Do the items one after the other; reports that were not yet made are returned."""
        reports: list[Report] = []
        rest = deque(claims)
        while rest:
            claim = rest.popleft()
            if self._is_stopping:
                reports.append(Report(claim, Ending.RETURNED))
                continue
            report = self._do(claim, reports, rest)
            if report:
                reports.append(report)
        return reports

    def _do(self, claim: Claim, reports: list[Report], rest: deque[Claim]) -> Report | None:
        """Have one item done; None where its lease was lost meanwhile.

        If it takes long, `reports` are made and the `rest` is handed back: others wait for it.
        """
        began = last = time.monotonic()
        self._hand.begin(claim)
        while True:
            try:
                message = self._listen(last, is_batch=bool(reports or rest))
            except HandDied as error:
                return self._report(claim, {"ending": Ending.FAILED, "error": str(error)}, began)
            now = time.monotonic()
            if message and "confirm" in message:
                self._hand.answer(self._confirm(claim))
            elif message and "note" in message:
                self._beat(claim, message["note"])
            elif message:
                return self._report(claim, message, began)
            elif now >= self._stop_at:
                self._hand.kill()
                _log.warning("%s: handed back", claim.item)
                return Report(claim, Ending.RETURNED)
            if (reports or rest) and now >= last + LATE_SECONDS:
                self._turn([*reports, *(Report(one, Ending.RETURNED) for one in rest)], want=0)
                reports.clear()
                rest.clear()
            if now >= last + self._queue.policy.heartbeat_seconds:
                last = now
                if not self._keep(claim):
                    return None

    def _listen(self, last: float, *, is_batch: bool) -> dict[str, Any] | None:
        """What the task says; None when it is time to do something else."""
        beat = last + self._queue.policy.heartbeat_seconds
        late = last + LATE_SECONDS if is_batch else math.inf
        seconds = min(beat, late, self._stop_at) - time.monotonic()
        message = self._hand.wait(seconds, self._woken[0])
        with suppress(BlockingIOError):
            os.read(self._woken[0], 100)
        return message

    def _report(self, claim: Claim, message: dict[str, Any], began: float) -> Report:
        failed = message["ending"] == Ending.FAILED
        if failed:
            _log.warning("%s: attempt %d failed: %s", claim.item, claim.attempt, message["error"])
        return Report(
            claim,
            Ending(message["ending"]),
            message.get("result"),
            message.get("error", ""),
            self._hand.words() if failed else "",
            message.get("seconds", time.monotonic() - began),
            message.get("final", False),
        )

    def _keep(self, claim: Claim) -> bool:
        """A heartbeat; where the lease is lost, the task's process is ended."""
        if self._hand.is_paused() and not self._resumes():
            _log.warning("%s: its process is stopped; the lease is let go", claim.item)
        elif self._beat(claim):
            return True
        else:
            _log.warning("%s: the lease was lost", claim.item)
        self._hand.kill()
        self.worked.endings[Ending.LOST] += 1
        return False

    def _resumes(self) -> bool:
        """Whether a task's process that was stopped goes on before the lease runs out."""
        rules = self._queue.policy
        deadline = time.monotonic() + rules.lease_seconds - rules.heartbeat_seconds
        while time.monotonic() < min(deadline, self._stop_at):
            if not self._hand.is_paused():
                return True
            time.sleep(rules.heartbeat_seconds / 10)
        return False

    def _beat(self, claim: Claim, note: str = "") -> bool:
        """Renew the lease. A server that does not answer has not said that it is lost."""
        try:
            return self._queue.beat(self.name, claim, note)
        except ServiceUnavailable as error:
            _log.warning("%s", error.what)
            connection.revive()
            return True

    def _confirm(self, claim: Claim) -> bool:
        """Renew the lease before products are published: here only a clear yes counts."""
        try:
            return self._persist(lambda: self._queue.beat(self.name, claim))
        except ServiceUnavailable:
            return False

    def _turn(self, reports: Sequence[Report], *, want: int) -> Turn:
        request = uuid.uuid4().hex
        turn = self._persist(lambda: self._queue.turn(self.name, request, reports, want=want))
        for report, verdict in zip(reports, turn.verdicts, strict=True):
            if verdict is None:
                _log.warning("%s: another worker has it; not committed", report.claim.item)
            self.worked.endings[report.ending if verdict else Ending.LOST] += 1
        return turn

    def _persist(self, call: Callable[[], T]) -> T:
        """Ask again and again, until the server answers: what was done must be reported."""
        from tenacity import Retrying, retry_if_exception_type, wait_random_exponential

        def prepare(state: Any) -> None:
            _log.warning("%s", state.outcome.exception().what)
            connection.revive()

        return Retrying(
            retry=retry_if_exception_type(ServiceUnavailable),
            wait=wait_random_exponential(multiplier=0.1, max=AGAIN_SECONDS),
            stop=lambda _: time.monotonic() >= self._stop_at,
            before_sleep=prepare,
            reraise=True,
        )(call)

    def _await_work(self, turn: Turn, seconds: float) -> None:
        if turn.wait_seconds is not None:
            # A little apart, so that not all come for the same item
            seconds = min(seconds, turn.wait_seconds * (1 + random.random() / 10))
        try:
            try:
                self._waiting = True
                if not self._is_stopping:
                    self._queue.wait(turn.bell, seconds)
            finally:
                # Here too a signal may come
                self._waiting = False
        except (_Woken, ServiceUnavailable) as error:
            # The next turn will meet the same trouble, and deal with it
            _log.info("%s", error)

    @property
    def _is_stopping(self) -> bool:
        return self._stop_at < math.inf

    def _stop(self, *_: object) -> None:
        now = time.monotonic()
        self._stop_at = now if self._is_stopping else now + self._grace_seconds
        os.write(self._woken[1], b"!")
        if self._waiting:
            self._waiting = False
            raise _Woken

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals stop the worker, whatever it waits for."""
        self._woken = os.pipe()
        os.set_blocking(self._woken[0], False)
        before = {one: signal.signal(one, self._stop) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
            for end in self._woken:
                os.close(end)


def how_many(last: int, seconds: float) -> int:
    """How many items to claim next, after the last so many took so long altogether.

    One, but where items are so quick that the server's answer would take longer than the work.
    """
    fits = int(LATE_SECONDS / max(seconds / last, 1e-6))
    return max(1, min(2 * last, fits, MOST_CLAIMS))
