"""Workers on a real server, while processes around them are killed at random.

    python -m tests.queue.chaos --kills 1000

Workers and the processes of their tasks are killed, or stopped beyond their leases and continued;
connections are cut; the server is killed and restarted. In the end the history is checked. This is
a program of its own: its workers are forked from it, which is cheap.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from kpfnb.compute.services import valkey
from kpfnb.core.errors import KpfnbError
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import Lease, QueuePolicy
from kpfnb.queue.records import AttemptReport, ClaimResponse, QueueItem, QueueItemStatus
from kpfnb.queue.tasks import QueueTask
from kpfnb.queue.worker import Worker
from tests.queue.history import DOOMED, History, violations

NAME = "chaos"
POLICY = QueuePolicy(
    lease_seconds=0.6, heartbeat_seconds=0.2, backoff_seconds=0.1, keep_events=1_000_000
)
WORKERS = 6
CHUNK = 60
PAUSE_SECONDS = 1.0
"""Longer than the lease."""
FINISH_SECONDS = 60

WEIGHTS = {
    "kill worker": 50,
    "kill task": 25,
    "kill server": 4,
    "pause worker": 20,
    "pause task": 4,
    "terminate worker": 5,
    "cut connections": 8,
}


class Witness:
    """A log of lines that survives the processes that write it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, kind: str, item: str, token: int) -> None:
        descriptor = os.open(self._folder / kind, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{item} {token}\n".encode())
        os.close(descriptor)

    def recorded(self, kind: str) -> list[tuple[str, int]]:
        path = self._folder / kind
        lines = path.read_text().splitlines() if path.exists() else []
        return [(item, int(token)) for item, token in map(str.split, lines)]


class WitnessedQueue(Queue):
    """A queue that records the claims and answers that workers get."""

    witness: Witness

    def report_and_claim(
        self, worker: str, request: str, reports: Sequence[AttemptReport] = (), *, want: int = 1
    ) -> ClaimResponse:
        response = super().report_and_claim(worker, request, reports, want=want)
        for report, status in zip(reports, response.report_statuses, strict=True):
            if status is QueueItemStatus.DONE:
                self.witness.record("accepted", report.claim.item, report.claim.token)
        for claim in response.claims:
            self.witness.record("claims", claim.item, claim.token)
        return response


class Chaos:
    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.loaded: list[str] = []
        self.witness = Witness(folder)
        self._workers: set[int] = set()
        self._paused: dict[int, float] = {}

    def run(self, kills: int) -> History:
        try:
            self._open().close()
            while sum(n for name, n in self.done.items() if name.startswith("kill")) < kills:
                self._wake()
                self._staff()
                self._feed()
                [action] = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))
                self._act(action)
                time.sleep(self.random.uniform(0, 0.09))
            return self._finish()
        finally:
            for pid in self._workers:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            valkey.stop_server()

    def _open(self) -> WitnessedQueue:
        while True:
            try:
                queue = WitnessedQueue(NAME, policy=POLICY)
                queue.witness = self.witness
                return queue
            except KpfnbError:
                time.sleep(0.1)

    def _staff(self) -> None:
        for pid in list(self._workers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._workers.discard(pid)
                self._paused.pop(pid, None)
        while len(self._workers) < WORKERS:
            pid = os.fork()
            if not pid:
                self._run_worker()
            self._workers.add(pid)

    def _run_worker(self) -> None:
        try:
            task = QueueTask("chaos", self._task)
            Worker(self._open(), task, idle_seconds=1e6, grace_seconds=0.3).run()
        finally:
            os._exit(0)

    def _task(self, item: str, lease: Lease) -> dict[str, Any]:
        chance = random.Random(lease.token)
        if item.startswith("poison"):
            os.kill(os.getpid(), chance.choice([signal.SIGKILL, signal.SIGSEGV]))
        # The second attempt takes long: a worker that continues meets the one that took its item
        time.sleep(chance.choice([0, 0, 0.03, 0.1, 0.5]) + (0.8 if lease.attempt == 2 else 0))
        if item.startswith("broken"):
            raise RuntimeError(f"{item} is broken")
        if chance.random() < 0.5:
            lease.confirm()
        self.witness.record("effects", item, lease.token)
        return {"token": lease.token}

    def _feed(self) -> None:
        with suppress(KpfnbError), self._open() as queue:
            if queue.counts()[QueueItemStatus.WAITING] >= CHUNK // 2:
                return
            number = len(self.loaded)
            names = [f"item{number + n}" for n in range(CHUNK - 2)]
            names += [f"{kind}{number}" for kind in DOOMED]
            self.random.shuffle(names)
            # Recorded first: if the server is killed now, they are loaded again, and then known
            self.loaded += names
            while True:
                with suppress(KpfnbError):
                    queue.load(names)
                    return

    def _act(self, action: str) -> None:
        what, _, whom = action.partition(" ")
        if whom == "server":
            self._kill_server()
        elif whom == "connections":
            with suppress(KpfnbError), self._open() as queue:
                queue.client.client_kill_filter(_type="normal", skipme=True)
        else:
            pid = self._victim(whom)
            if not pid:
                return
            signals = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "terminate": signal.SIGTERM}
            try:
                os.kill(pid, signals[what])
            except ProcessLookupError:
                return
            if what == "pause":
                self._paused[pid] = time.monotonic() + self.random.uniform(0.3, PAUSE_SECONDS)
        self.done[action] += 1

    def _victim(self, whom: str) -> int:
        worker = self.random.choice(sorted(self._workers))
        if whom == "worker":
            return worker
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(worker).children():
                return child.pid
        return 0

    def _kill_server(self) -> None:
        pid = valkey.server_status().pid
        if pid:
            os.kill(pid, signal.SIGKILL)
        if self.random.random() < 0.5:
            # Otherwise a worker has to
            valkey.start_server()

    def _wake(self, all_of_them: bool = False) -> None:
        for pid, until in list(self._paused.items()):
            if all_of_them or time.monotonic() >= until:
                del self._paused[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _finish(self) -> History:
        """Let the workers finish; then requeue items that were parked without being doomed."""
        self._wake(all_of_them=True)
        requeued: set[str] = set()
        deadline = time.monotonic() + FINISH_SECONDS
        queue = self._open()
        while time.monotonic() < deadline:
            self._staff()
            counts = queue.counts()
            if not any(counts[state] for state in QueueItemStatus if state.is_open):
                parked = [
                    n for n in queue.names(QueueItemStatus.PARKED) if not n.startswith(DOOMED)
                ]
                if not parked:
                    break
                requeued |= set(parked)
                queue.move("requeue", parked)
            time.sleep(0.1)
        final: list[QueueItem] = [
            i for state in QueueItemStatus for i in queue.items(state, limit=10**6)
        ]
        events = queue.events(limit=10**6)
        queue.close()
        return History(
            self.loaded,
            final,
            events,
            self.witness.recorded("claims"),
            self.witness.recorded("accepted"),
            self.witness.recorded("effects"),
            requeued,
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("folder", type=Path, help="an empty directory")
    arguments = options.parse_args()
    os.environ["KPFNB_WORK_DIR"] = str(arguments.folder / "work")
    began = time.monotonic()
    chaos = Chaos(arguments.folder, arguments.seed)
    history = chaos.run(arguments.kills)
    errors = violations(history)
    endings = Counter(str(event.ending) for event in history.events)
    print(f"seed {arguments.seed}, {time.monotonic() - began:.0f} s: {dict(chaos.done)}")
    print(f"{len(history.loaded)} items, {dict(endings)}, {len(history.requeued)} requeued")
    print(*errors[:50], sep="\n")
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
