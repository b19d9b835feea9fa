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

from kpfnb import files
from kpfnb.errors import BadParameter, ServiceUnavailable
from kpfnb.services import manager, valkey


@pytest.fixture(autouse=True)
def stopped(isolated: Path) -> Iterator[None]:
    yield
    valkey.stop()


def client() -> Redis:
    return Redis.from_url(valkey.address(), decode_responses=True)


def test_started_once_and_found_again_by_another_process() -> None:
    first = valkey.start()
    assert first.running and valkey.start().pid == first.pid
    script = "from kpfnb.services import valkey; print(valkey.start().pid)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert int(done.stdout) == first.pid


def test_its_data_outlive_it() -> None:
    with client() as one:
        one.set("a", "1")
        assert one.config_get("append*")["appendfsync"] == "always"
    assert not valkey.stop().running
    with client() as other:
        assert other.get("a") == "1"


def test_killed_it_loses_nothing_and_is_started_again() -> None:
    with client() as one:
        for number in range(500):
            one.xadd("s", {"n": number})
    pid = valkey.start().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert valkey.revive()
    with client() as other:
        assert other.xlen("s") == 500


def test_one_that_a_person_stopped_is_not_revived() -> None:
    valkey.start()
    assert "not running" in str(valkey.stop())
    assert not valkey.revive()
    assert not valkey.status().running
    assert not valkey.stop().running, "stopping twice is no mistake"


def test_others_can_not_reach_it() -> None:
    path = Path(valkey.start().address.removeprefix("unix://"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(valkey.folder().stat().st_mode) == 0o700


def test_a_long_path_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / ("long " * 20) / "%41 work"))
    service = valkey.start()
    with client() as one:
        assert one.ping()
    path = Path(service.address.removeprefix("unix://"))
    assert len(os.fsencode(path)) < 100
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    valkey.stop()
    assert not path.parent.exists()


def test_a_path_with_odd_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Short enough for a socket
    work = Path(os.path.relpath(tmp_path)) / "%41 ?#"
    monkeypatch.setenv("KPFNB_WORK_DIR", str(work))
    with client() as one:
        assert one.ping()
    valkey.stop()


def test_two_never_share_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record names another machine, nobody answers here: but it lives, and holds the lock."""
    valkey.start()
    record = valkey.folder() / "service.json"
    kept = record.read_text()
    files.write_json(record, {"socket": "/nowhere/valkey.sock", "host": "far-away"})
    monkeypatch.setattr(valkey, "STOP_SECONDS", 0.1)
    with pytest.raises(ServiceUnavailable, match="does not answer here") as caught:
        valkey.start()
    assert "far-away" in caught.value.hint
    record.write_text(kept)
    assert valkey.status().running


def test_a_record_of_another_machine_whose_server_is_gone_is_no_hindrance() -> None:
    valkey.start()
    valkey.stop()
    files.write_json(
        valkey.folder() / "service.json", {"socket": "/nowhere/valkey.sock", "host": "far-away"}
    )
    assert valkey.start().running
    assert files.read_json(valkey.folder() / "service.json")["host"] == socket.gethostname()


def test_a_server_that_can_not_start_tells_why() -> None:
    damaged = valkey.folder() / "appendonlydir"
    damaged.mkdir(parents=True)
    (damaged / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(ServiceUnavailable, match="did not start") as caught:
        valkey.start()
    assert "valkey.log" in caught.value.hint


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(BadParameter, match="no service 'valky'"):
        manager("valky")
