"""A separate tree for each test, and watchers that are stopped afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from kpfnb.kpf.watch.arrivals import WatchPolicy
from kpfnb.kpf.watch.handler import WatchHandler, WatchOutcome, WatchResult, WatchTask
from kpfnb.kpf.watch.watcher import Watcher
from tests.kpf.fake_drp import fits
from tests.waiting import wait_for

QUICK = WatchPolicy(quiet_seconds=0.1, retry_seconds=0.1, heartbeat_seconds=0.1)


class Tree:
    """Files named `*.fits` below `root/top`, and the record of what was handled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = root / "top"
        self.top.mkdir(parents=True)
        self.handled: list[WatchTask] = []
        self.outcome = WatchOutcome.DONE

    def write(self, name: str, folder: str = "20240115") -> Path:
        path = self.top / folder / name
        fits(path, {})
        return path

    def handle(self, tasks: Sequence[WatchTask]) -> list[WatchResult]:
        self.handled += tasks
        return [WatchResult(task.path, self.outcome, f"it is {self.outcome}") for task in tasks]

    def names(self) -> list[str]:
        return [task.path.name for task in self.handled]

    def handler(self, **others: object) -> WatchHandler:
        values = {
            "name": "test",
            "root": self.root,
            "lock_dir": self.root / ".state",
            "watched_dirs": (self.top,),
            "is_wanted": lambda path: path.endswith(".fits") and "/." not in path,
            "handle": self.handle,
        }
        return WatchHandler(**(values | others))  # type: ignore[arg-type]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


Start = Callable[..., Watcher]


@pytest.fixture
def start(tmp_path: Path, tree: Tree) -> Iterator[Start]:
    """Start a watcher in a thread; it is stopped at the end of the test."""
    running: list[tuple[Watcher, threading.Thread]] = []

    def begin(handler: WatchHandler | None = None, policy: WatchPolicy = QUICK) -> Watcher:
        watchers: list[Watcher] = []

        def run() -> None:
            watcher = Watcher(handler or tree.handler(), tmp_path / "watch", policy)
            watchers.append(watcher)
            watcher.run()

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: bool(watchers) and watchers[0].counters.report.scanned != "")
        running.append((watchers[0], thread))
        return watchers[0]

    yield begin
    for watcher, _ in running:
        watcher.stop()
    for _, thread in running:
        thread.join(10)
        assert not thread.is_alive()


def once(handler: WatchHandler, folder: Path, **others: object) -> Watcher:
    """Handle the files that are present, and end."""
    policy = {"quiet_seconds": 0.0, "heartbeat_seconds": 0.1, "once": True} | others
    watcher = Watcher(handler, folder, WatchPolicy(**policy))  # type: ignore[arg-type]
    watcher.run()
    return watcher
