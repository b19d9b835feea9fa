"""Files are complete or absent, even if writing them is interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError


def test_content_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "new/directory/result.json"
    atomic.write_json(path, {"night": "20240115", "é": [1, None]})
    assert atomic.read_json(path) == {"night": "20240115", "é": [1, None]}
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]


def test_a_page_that_is_as_it_was_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "new/index.html"
    atomic.write_text_if_changed(path, "é")
    os.utime(path, (1e9, 1e9))
    atomic.write_text_if_changed(path, "é")
    assert path.stat().st_mtime == 1e9
    atomic.write_text_if_changed(path, "è")
    assert (path.read_text(encoding="utf-8"), path.stat().st_mtime > 1e9) == ("è", True)
    path.write_bytes(b"\xff")
    atomic.write_text_if_changed(path, "è")
    assert path.read_text(encoding="utf-8") == "è"


def test_temporary_file_has_the_suffix(tmp_path: Path) -> None:
    # Writers such as astropy and matplotlib choose the format by it
    with atomic.replace_atomically(tmp_path / "plot.fits.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
        temporary.touch()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_content(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "result.txt"
    atomic.write_text(path, "old")
    with pytest.raises(error), atomic.replace_atomically(path) as temporary:
        temporary.write_text("half of the ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_removes_its_own_file(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        atomic.replace_atomically(tmp_path / "a.txt") as temporary,
    ):
        temporary.unlink()
    assert list(tmp_path.iterdir()) == []


def test_others_may_read_as_the_umask_says(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a.txt", "")
    plain = tmp_path / "plain.txt"
    plain.touch()
    assert (tmp_path / "a.txt").stat().st_mode == plain.stat().st_mode


def test_synced_before_it_is_there_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = tmp_path / "a.txt", []

    def synced(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append((name == tmp_path, path.exists()))

    monkeypatch.setattr(os, "fsync", synced)
    atomic.write_text(path, "new")
    # The file before the rename, then the directory that holds the name
    assert steps == [(False, False), (True, True)]


def test_readers_see_the_old_or_the_new_content_only(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic.write_json(path, ["0" * 10_000] * 10)
    done = threading.Event()

    def write() -> None:
        for number in range(1, 60):
            atomic.write_json(path, [str(number % 10) * 10_000] * 10)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        content = atomic.read_json(path)
        assert len(content) == 10
        assert len(set(content)) == 1
    writer.join()


KILLED = """
import os, signal, sys
from kpfnb.core import atomic
with atomic.replace_atomically(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    (left,) = [file for file in tmp_path.iterdir() if file != path]
    assert left.name.startswith(atomic.TEMPORARY_PREFIX)


WRITES = "import sys; from kpfnb.core import atomic; atomic.write_text(sys.argv[1], 'new')"


def write_elsewhere(path: Path) -> None:
    """In another process: stale files are removed on the first write in a directory."""
    subprocess.run([sys.executable, "-c", WRITES, str(path)], check=True)


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    write_elsewhere(tmp_path / "b.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["b.txt"]


WAITS = """
import sys
from kpfnb.core import atomic
with atomic.replace_atomically(sys.argv[1]) as temporary:
    print(temporary, flush=True)
    input()
    temporary.write_text("whole")
"""


def test_what_a_living_writer_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with subprocess.Popen(
        [sys.executable, "-c", WAITS, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout
        temporary = Path(writer.stdout.readline().strip())
        write_elsewhere(tmp_path / "b.txt")
        assert temporary.exists()
        writer.communicate("\n")
    assert (writer.returncode, path.read_text()) == (0, "whole")


@pytest.mark.parametrize(("hours", "stays"), [(1, True), (23, True), (25, False)])
def test_of_another_machine_it_goes_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, stays: bool
) -> None:
    # Process 1 is always there, but here
    left = tmp_path / f"{atomic.TEMPORARY_PREFIX}0123abcd-1-q_8wxyz_.fits"
    left.touch()
    later = left.stat().st_ctime + hours * 3600
    monkeypatch.setattr(atomic.time, "time", lambda: later)
    atomic.write_text(tmp_path / "b.txt", "")
    assert left.exists() == stays


@pytest.mark.parametrize("name", ["0123456789abcdef", "qa", "0123abcd-x", ""])
def test_what_others_have_hidden_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hidden = tmp_path / f"{atomic.TEMPORARY_PREFIX}{name}"
    hidden.touch()
    later = hidden.stat().st_ctime + 1e6
    monkeypatch.setattr(atomic.time, "time", lambda: later)
    atomic.write_text(tmp_path / "b.txt", "")
    assert hidden.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KB."""
    mount, folder = shutil.which("mount"), tmp_path / "disk"
    folder.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_content(small_disk: Path) -> None:
    path = small_disk / "a.txt"
    atomic.write_text(path, "old")
    with pytest.raises(OSError, match="No space left"):
        atomic.write_text(path, "new" * 100_000)
    assert path.read_text() == "old"
    assert list(small_disk.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", '{"a": 1', "NaN and more", "\udcff"])
def test_damaged_json_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInputError, match=str(path)):
        atomic.read_json(path)


def test_json_is_readable_by_people_and_programs(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"name": "Kea – α"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "Kea – α" in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"name": "Kea – α"}
