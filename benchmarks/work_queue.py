"""How many items per second two workers process, compared with RQ and Huey.

    python benchmarks/work_queue.py [--items 6000]

An item does nothing, so that only the queue is measured. All three use the same server: the
embedded one, which writes every change to disk before it answers, and then the same with
`appendfsync everysec`. Only kpfnb has leases, fencing and counted attempts: an item whose worker is
killed is lost with Huey, and waits for a time limit with RQ, whose fastest worker class is used
(no process per item). `pip install kpfnb[bench]` installs both. Wall-clock time from the start
of the workers to the end of the last.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from functools import cached_property
from typing import Any

from redis import Redis

from kpfnb.compute.services import valkey
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import Lease
from kpfnb.queue.records import QueueItemStatus
from kpfnb.queue.tasks import QueueTask
from kpfnb.queue.worker import Worker

NAME = "benchmark"
WORKERS = 2
REQUIRED = 1500
SHARE = 10
"""RQ and Huey get so many times fewer items, so that it does not take long."""


def nothing(item: str, lease: Lease | None = None) -> None:
    """A task that takes no time."""


class Kpfnb:
    def load(self, items: int) -> None:
        with Queue(NAME) as queue:
            queue.load(f"item {number}" for number in range(items))

    def work(self) -> None:
        with Queue(NAME) as queue:
            Worker(queue, QueueTask("nothing", nothing), idle_seconds=0).run()

    def left(self) -> int:
        with Queue(NAME) as queue:
            return sum(
                queue.counts()[state]
                for state in QueueItemStatus
                if state is not QueueItemStatus.DONE
            )


class Rq:
    def load(self, items: int) -> None:
        for number in range(items):
            # As quick as doing nothing; RQ takes no function of the main program
            self._queue.enqueue("posixpath.basename", str(number))

    def work(self) -> None:
        import rq

        worker = rq.SimpleWorker([self._queue], connection=client())
        worker.work(burst=True, logging_level="ERROR")

    def left(self) -> int:
        return len(self._queue)

    @cached_property
    def _queue(self) -> Any:
        import rq

        return rq.Queue(NAME, connection=client())


class Huey:
    def load(self, items: int) -> None:
        for number in range(items):
            self._app[1](str(number))

    def work(self) -> None:
        app, _ = self._app
        while (task := app.dequeue()) is not None:
            app.execute(task)

    def left(self) -> int:
        return self._app[0].pending_count()

    @cached_property
    def _app(self) -> tuple[Any, Any]:
        import huey

        app = huey.RedisHuey(NAME, blocking=False, connection_pool=client().connection_pool)
        return app, app.task()(nothing)


def client() -> Redis:
    return Redis.from_url(valkey.start_and_get_url())


def measure(contestant: Any, items: int) -> float:
    """Items a second."""
    contestant.load(items)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=contestant.work) for _ in range(WORKERS)]
    began = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    rate = items / (time.perf_counter() - began)
    name = type(contestant).__name__.lower()
    print(f"  {name:<8} {rate:8.0f} items/s  ({items} items, {contestant.left()} left)", flush=True)
    return rate


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--items", type=int, default=6000)
    items = options.parse_args().items
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KPFNB_WORK_DIR"] = folder
        try:
            for policy in ("always", "everysec"):
                with client() as connection:
                    connection.flushall()
                    connection.config_set("appendfsync", policy)
                print(f"{WORKERS} workers, appendfsync {policy}")
                rate = measure(Kpfnb(), items)
                for other in (Rq(), Huey()):
                    print(f"           {rate / measure(other, items // SHARE):.1f} times as many")
                verdict = "ok" if rate >= REQUIRED else "TOO SLOW"
                print(f"  required: {REQUIRED} items/s, {verdict}")
        finally:
            valkey.stop_server()


if __name__ == "__main__":
    main()
