"""Copies between local directories: complete or absent, however the copy ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.core.result import Outcome
from kpfnb.storage import FileOutcome, local_files
from tests.waiting import wait_for

SLOW = """
import pathlib, shutil, sys, time
from kpfnb import storage

def copy_half(source, target):
    pathlib.Path(target).write_bytes(pathlib.Path(source).read_bytes()[:-1])
    time.sleep(600)

shutil.copyfile = copy_half
storage.transfer_files(*sys.argv[1:])
"""


def write(folder: Path) -> dict[str, bytes]:
    contents = {f"a/{number}.fits": os.urandom(50_000) for number in range(3)}
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return contents


def below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_keep_their_time_and_permissions(tmp_path: Path) -> None:
    contents = write(tmp_path / "from")
    os.utime(tmp_path / "from/a/0.fits", ns=(5, 1_432_123_456_789_012_345))
    reports: list[tuple[int, int]] = []
    places = str(tmp_path / "from"), str(tmp_path / "to")
    failures = local_files.copy_files(*places, contents, lambda *counts: reports.append(counts))
    assert failures == {}
    assert below(tmp_path / "to") == contents
    status = (tmp_path / "to/a/0.fits").stat()
    assert status.st_mtime_ns == 1_432_123_456_789_012_345
    assert status.st_mode == (tmp_path / "from/a/0.fits").stat().st_mode
    assert reports == [(0, 0), (1, 50_000), (2, 100_000)]


def test_a_file_that_can_not_be_copied_does_not_affect_the_others(tmp_path: Path) -> None:
    contents = write(tmp_path / "from")
    (tmp_path / "to/a/0.fits").mkdir(parents=True)
    result = storage.transfer_files(tmp_path / "from", tmp_path / "to", retries=0, progress=False)
    states = {item.path: item.state for item in result.items}
    assert states.pop("a/0.fits") is FileOutcome.FAILED
    assert set(states.values()) == {FileOutcome.COPIED}
    assert result.failed[0].detail == "is a directory"
    del contents["a/0.fits"]
    assert below(tmp_path / "to") == contents


def test_a_killed_copy_leaves_no_half_file_and_the_next_run_removes_its_traces(
    tmp_path: Path,
) -> None:
    contents = write(tmp_path / "from")
    places = [str(tmp_path / "from"), str(tmp_path / "to")]
    process = subprocess.Popen([sys.executable, "-c", SLOW, *places])
    wait_for(lambda: any(len(data) == 49_999 for data in below(tmp_path / "to").values()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "to").rglob("*.fits"))
    assert storage.transfer_files(*places, progress=False).outcome is Outcome.SUCCEEDED
    assert below(tmp_path / "to") == contents


def test_a_stopped_copy_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "from")

    def stop(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copyfile", stop)
    result = storage.transfer_files(tmp_path / "from", tmp_path / "to", progress=False)
    assert result.interrupted
    assert below(tmp_path / "to") == {}
