"""Changes are reported as they happen; where some may be missed, that is reported, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.kpf.watch import events
from kpfnb.kpf.watch.events import ChangeListener, TreeChanges
from tests.waiting import wait_for


class Ear:
    def __init__(self, top: Path, **options: bool) -> None:
        self.heard: list[TreeChanges] = []
        self.events = ChangeListener(
            [top], is_wanted=lambda p: p.endswith(".fits"), on_changes=self.heard.append, **options
        )
        self.events.start()

    def files(self) -> set[str]:
        return {Path(path).name for changes in self.heard for path in changes.files}

    def folders(self) -> set[str]:
        return {Path(path).name for changes in self.heard for path in changes.folders}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top/night").mkdir(parents=True)
    return tmp_path / "top"


@pytest.fixture
def ear(top: Path) -> Iterator[Ear]:
    ear = Ear(top)
    wait_for_events(ear, top)
    yield ear
    ear.events.stop()


def wait_for_events(ear: Ear, top: Path) -> None:
    """Wait until changes are reported."""

    def is_heard() -> bool:
        (top / "begin.fits").write_text("")
        return "begin.fits" in ear.files()

    wait_for(is_heard)


def test_files_that_are_written_renamed_and_touched(ear: Ear, top: Path) -> None:
    (top / "night/a.fits").write_text("")
    (top / "night/.b.fits.Xy").write_text("")
    (top / "night/.b.fits.Xy").rename(top / "night/b.fits")
    wait_for(lambda: {"a.fits", "b.fits"} <= ear.files())
    ear.heard.clear()
    os.utime(top / "night/a.fits")
    wait_for(lambda: ear.files() == {"a.fits"})


def test_new_directories_are_reported(ear: Ear, top: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved").rename(top / "moved")
    (top / "made").mkdir()
    wait_for(lambda: ear.folders() == {"made", "moved"})
    (top / "made/a.fits").write_text("")
    wait_for(lambda: "a.fits" in ear.files())


def test_a_top_that_is_replaced_is_watched_again(ear: Ear, top: Path) -> None:
    shutil.rmtree(top)
    top.mkdir()
    ear.heard.clear()
    ear.events.restart_if_replaced()
    wait_for(lambda: any(changes.missed for changes in ear.heard))
    wait_for_events(ear, top)


def test_a_top_that_comes_later_is_watched(tmp_path: Path) -> None:
    ear = Ear(tmp_path / "later")
    (tmp_path / "later").mkdir()
    ear.events.restart_if_replaced()
    wait_for_events(ear, tmp_path / "later")
    ear.events.stop()


def test_a_flood_of_changes_is_reported(
    ear: Ear, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FLOOD_CHANGES", 20)
    for number in range(100):
        (top / f"{number}.fits").write_text("")
    wait_for(lambda: any("very many" in changes.missed for changes in ear.heard))


def test_polling_sees_the_same(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_MS", 50)
    ear = Ear(top, polling=True)
    wait_for_events(ear, top)
    (top / "night/a.fits").write_text("")
    wait_for(lambda: "a.fits" in ear.files())
    assert ear.events.mode == "polling"
    ear.events.stop()


LIMITED = """
import sys
import threading
from pathlib import Path
from kpfnb.kpf.watch import events
Path("/proc/sys/user/max_inotify_watches").write_text("1")
from tests.kpf.watch.test_events import Ear, wait_for_events
events.POLL_MS = 50
ear = Ear(Path(sys.argv[1]))
wait_for_events(ear, Path(sys.argv[1]))
print(ear.events.mode)
ear.events.stop()
"""


def test_at_the_systems_limit_it_polls_and_says_so(top: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(top)]
    namespace = ["unshare", "--user", "--map-root-user"]
    if subprocess.run(["sh", "-c", " ".join([*namespace, "true"])], capture_output=True).returncode:
        pytest.skip("no user namespace may be made here")
    project = Path(__file__).parents[3]
    done = subprocess.run(
        [*namespace, *command], cwd=project, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("polling: the operating system's limit on watches is reached"), (
        done.stderr
    )
    assert "fs.inotify.max_user_watches" in done.stdout


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (OSError('OS file watch limit reached. about ["/data"]'), True),
        (RuntimeError("Error creating recommended watcher: Too many open files"), True),
        (FileNotFoundError('No path was found. about ["/data"]'), False),
    ],
)
def test_what_is_a_limit(error: Exception, limit: bool) -> None:
    assert events.is_watch_limit(error) is limit


def test_it_ends_where_stop_is_called_while_the_watch_begins(top: Path) -> None:
    listener = ChangeListener([top], is_wanted=lambda path: True, on_changes=lambda changes: None)

    class Early(threading.Event):
        """`stop` is called just before the watch is restarted."""

        def clear(self) -> None:
            listener._stopping.set()
            self.set()
            super().clear()

    listener._restart = Early()
    listener.start()
    listener._thread.join(5)
    assert not listener._thread.is_alive()
