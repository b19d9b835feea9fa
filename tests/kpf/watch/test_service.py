"""A watcher as a service: refused a second time, stopped by signals, locked in the tree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.core import locks, settings
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError
from kpfnb.kpf.watch import registry, status
from kpfnb.kpf.watch.arrivals import WatchPolicy
from kpfnb.kpf.watch.status import LOG_NAME, WatcherStatus
from tests.kpf.watch.conftest import Tree
from tests.mounts import read_only
from tests.waiting import wait_for

ONCE = WatchPolicy(quiet_seconds=0, once=True)


def test_it_works_and_keeps_a_log(tree: Tree, isolated: Path) -> None:
    tree.write("a.fits")
    assert registry.serve_watcher(tree.handler(), ONCE).done == 1
    assert "a.fits" in (isolated / "work/watch/test" / LOG_NAME).read_text()


def test_a_second_one_on_the_tree_is_refused(
    tree: Tree, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(isolated / "other"))
    with (
        locks.acquire_lock("watch-test", folder=tree.handler().lock_dir),
        pytest.raises(AlreadyRunningError, match="watch-test"),
    ):
        registry.serve_watcher(tree.handler(), ONCE)


def test_a_second_one_in_the_work_directory_is_refused(tree: Tree) -> None:
    with locks.acquire_lock("watch-test"), pytest.raises(AlreadyRunningError, match="watch-test"):
        registry.serve_watcher(tree.handler(), ONCE)


def test_a_read_only_tree_is_locked_elsewhere(
    tree: Tree, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    tree.write("a.fits")
    assert registry.serve_watcher(tree.handler(), ONCE).done == 1
    assert not tree.handler().lock_dir.exists()
    assert len(list((isolated / "work/locks").glob("watch-test*.lock"))) == 2


def test_a_tree_on_a_read_only_mount_is_watched(tree: Tree) -> None:
    tree.write("a.fits")
    with read_only(tree.root):
        with pytest.raises(OSError, match="Read-only"):
            (tree.root / "new").touch()
        assert registry.serve_watcher(tree.handler(), ONCE).done == 1
        assert not tree.handler().lock_dir.exists()


def test_a_work_directory_that_can_not_be_made_is_named(tree: Tree, isolated: Path) -> None:
    (isolated / "work").mkdir()
    (isolated / "work/watch").write_text("in the way")
    with pytest.raises(InvalidSettingsError, match="can't create"):
        registry.serve_watcher(tree.handler(), ONCE)


def test_the_policy_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WATCH_QUIET_SECONDS", "7")
    monkeypatch.setenv("KPFNB_WATCH_POLLING", "true")
    values = settings.load_settings()
    assert registry.load_policy(values) == WatchPolicy(quiet_seconds=7, polling=True)
    assert registry.load_policy(values, polling=False, once=True) == WatchPolicy(
        quiet_seconds=7, once=True
    )


@pytest.fixture
def command(isolated: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`kpfnb watch process` on an empty tree."""
    (isolated / "data/L0").mkdir(parents=True)
    project = Path(__file__).parents[3]
    script = "from kpfnb.cli.app import main; main()"
    program = subprocess.Popen(
        [sys.executable, "-c", script, "watch", "process"],
        env={**os.environ, "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
    )
    wait_for(lambda: any(status.read_reports(isolated / "work")), 30)
    yield program
    program.kill()
    program.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order(
    command: subprocess.Popen[bytes], isolated: Path, number: signal.Signals
) -> None:
    assert next(status.read_reports(isolated / "work")).life is WatcherStatus.RUNNING
    command.send_signal(number)
    assert command.wait(20) == 0
    assert next(status.read_reports(isolated / "work")).life is WatcherStatus.STOPPED


def test_one_that_was_killed_is_seen_to_have_died(
    command: subprocess.Popen[bytes], isolated: Path
) -> None:
    command.kill()
    command.wait()
    assert next(status.read_reports(isolated / "work")).life is WatcherStatus.DIED
