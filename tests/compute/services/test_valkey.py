from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from kpfnb.compute.services import get_service, valkey
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidParameterError, ServiceUnavailableError


@pytest.fixture(autouse=True)
def stopped(isolated: Path) -> Iterator[None]:
    yield
    valkey.stop_server()


def client() -> Redis:
    return Redis.from_url(valkey.start_and_get_url(), decode_responses=True)


def test_started_once_and_found_again_by_another_process() -> None:
    first = valkey.start_server()
    assert first.running and valkey.start_server().pid == first.pid
    script = "from kpfnb.compute.services import valkey; print(valkey.start_server().pid)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert int(done.stdout) == first.pid


def test_its_data_outlive_it() -> None:
    with client() as connection:
        connection.set("a", "1")
        assert connection.config_get("append*")["appendfsync"] == "always"
    assert not valkey.stop_server().running
    with client() as other:
        assert other.get("a") == "1"


def test_killed_it_loses_nothing_and_is_started_again() -> None:
    with client() as connection:
        for number in range(500):
            connection.xadd("s", {"n": number})
    pid = valkey.start_server().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert valkey.restart_if_dead()
    with client() as other:
        assert other.xlen("s") == 500


def test_one_that_a_person_stopped_is_not_revived() -> None:
    valkey.start_server()
    assert "not running" in str(valkey.stop_server())
    assert not valkey.restart_if_dead()
    assert not valkey.server_status().running
    assert not valkey.stop_server().running, "stopping twice is no mistake"


def test_others_can_not_reach_it() -> None:
    path = Path(valkey.start_server().address.removeprefix("unix://"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(valkey.data_folder().stat().st_mode) == 0o700


def test_a_long_path_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / ("long " * 20) / "%41 work"))
    service = valkey.start_server()
    with client() as connection:
        assert connection.ping()
    path = Path(service.address.removeprefix("unix://"))
    assert len(os.fsencode(path)) < 100
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    valkey.stop_server()
    assert not path.parent.exists()


def test_a_path_with_odd_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Short enough for a socket
    work = Path(os.path.relpath(tmp_path)) / "%41 ?#"
    monkeypatch.setenv("KPFNB_WORK_DIR", str(work))
    with client() as connection:
        assert connection.ping()
    valkey.stop_server()


def test_two_never_share_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record names another machine and no server answers, but it runs and holds the lock."""
    valkey.start_server()
    record = valkey.data_folder() / "service.json"
    kept = record.read_text()
    atomic.write_json(record, {"socket": "/nowhere/valkey.sock", "host": "far-away"})
    monkeypatch.setattr(valkey, "STOP_SECONDS", 0.1)
    with pytest.raises(ServiceUnavailableError, match="does not answer here") as caught:
        valkey.start_server()
    assert "far-away" in caught.value.hint
    record.write_text(kept)
    assert valkey.server_status().running


def test_a_stale_record_of_another_machine_is_ignored() -> None:
    valkey.start_server()
    valkey.stop_server()
    atomic.write_json(
        valkey.data_folder() / "service.json",
        {"socket": "/nowhere/valkey.sock", "host": "far-away"},
    )
    assert valkey.start_server().running
    assert atomic.read_json(valkey.data_folder() / "service.json")["host"] == socket.gethostname()


def test_a_server_that_can_not_start_says_why() -> None:
    damaged = valkey.data_folder() / "appendonlydir"
    damaged.mkdir(parents=True)
    (damaged / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(ServiceUnavailableError, match="did not start") as caught:
        valkey.start_server()
    assert "valkey.log" in caught.value.hint


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(InvalidParameterError, match="no service 'valky'"):
        get_service("valky")
