"""The complete watcher: every file that arrives is handled once, and again only if needed."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kpfnb.core.errors import AlreadyRunningError, ServiceUnavailableError
from kpfnb.kpf.watch import events, watcher
from kpfnb.kpf.watch.handler import WatchOutcome, WatchResult, WatchTask
from kpfnb.kpf.watch.state_store import FileRecord, StateStore
from kpfnb.kpf.watch.status import WatcherStatus
from tests.kpf.watch.conftest import QUICK, Start, Tree, once
from tests.waiting import wait_for


def test_a_new_file_is_handled_once(tree: Tree, start: Start) -> None:
    tree.write("old.fits")
    start()
    wait_for(lambda: tree.names() == ["old.fits"])
    tree.write("new.fits")
    wait_for(lambda: tree.names() == ["old.fits", "new.fits"])
    assert tree.handled[1] == WatchTask(tree.top / "20240115/new.fits", attempt=1, renewed=False)


def test_a_restart_goes_on_and_repeats_nothing(tree: Tree, tmp_path: Path) -> None:
    tree.write("a.fits")
    once(tree.handler(), tmp_path / "watch")
    tree.write("b.fits")
    once(tree.handler(), tmp_path / "watch")
    once(tree.handler(), tmp_path / "watch")
    assert tree.names() == ["a.fits", "b.fits"]


def test_a_touched_file_is_handled_again(tree: Tree, start: Start) -> None:
    path = tree.write("a.fits")
    start()
    wait_for(lambda: tree.names() == ["a.fits"])
    os.utime(path)
    wait_for(lambda: len(tree.handled) == 2)
    assert tree.handled[1] == WatchTask(path, attempt=1, renewed=True)


def test_one_that_is_touched_while_it_is_in_work_is_handled_again(tree: Tree, start: Start) -> None:
    path = tree.write("a.fits")
    entered, go_on = threading.Event(), threading.Event()

    def handle(tasks: Sequence[WatchTask]) -> list[WatchResult]:
        entered.set()
        go_on.wait(10)
        return tree.handle(tasks)

    running = start(tree.handler(handle=handle))
    entered.wait(10)
    os.utime(path)
    wait_for(lambda: running.counters.report.waiting == 1)
    go_on.set()
    wait_for(lambda: tree.names() == ["a.fits", "a.fits"])


def test_a_change_of_permissions_is_no_reason(tree: Tree, start: Start) -> None:
    path = tree.write("a.fits")
    start()
    wait_for(lambda: tree.names() == ["a.fits"])
    path.chmod(0o600)
    tree.write("b.fits")
    wait_for(lambda: "b.fits" in tree.names())
    assert tree.names() == ["a.fits", "b.fits"]


def test_files_that_came_with_their_folder_are_found(tree: Tree, start: Start) -> None:
    start(policy=replace(QUICK, rescan_seconds=3600))
    aside = tree.root / "aside"
    for name in ("a.fits", "b.fits"):
        tree.write(name, "../aside")
    aside.rename(tree.top / "20240116")
    wait_for(lambda: sorted(tree.names()) == ["a.fits", "b.fits"])


def test_a_failure_is_tried_again_and_given_up(tree: Tree, start: Start) -> None:
    path = tree.write("a.fits")
    tree.outcome = WatchOutcome.FAILED
    running = start(policy=replace(QUICK, retry_seconds=0.05))
    wait_for(lambda: running.counters.report.given_up == 1)
    assert [task.attempt for task in tree.handled] == [1, 2, 3]
    assert running.counters.report.failing == ((str(path), "it is failed"),)
    assert "a.fits (attempt 3): it is failed" in running.counters.report.last_error
    tree.outcome = WatchOutcome.DONE
    os.utime(path)
    wait_for(lambda: running.counters.report.given_up == 0 and len(tree.handled) == 4)
    assert tree.handled[3].attempt == 1


def test_what_was_postponed_does_not_count_as_a_failure(
    tree: Tree, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PAUSE_SECONDS", 0.1)
    tree.write("a.fits")
    calls: list[int] = []

    def handle(tasks: Sequence[WatchTask]) -> list[WatchResult]:
        calls.append(1)
        if len(calls) < 3:
            raise ServiceUnavailableError("the database does not answer")
        return tree.handle(tasks)

    running = start(tree.handler(handle=handle))
    wait_for(lambda: running.counters.report.done == 1)
    assert tree.handled[0].attempt == 1
    assert (running.counters.report.failed, len(calls)) == (0, 3)


def test_an_error_of_the_handler_is_that_of_each_file(tree: Tree, tmp_path: Path) -> None:
    def handle(tasks: Sequence[WatchTask]) -> list[WatchResult]:
        raise ZeroDivisionError("division by zero")

    tree.write("a.fits")
    final = once(tree.handler(handle=handle), tmp_path / "watch")
    assert final.counters.report.failing[0][1] == "ZeroDivisionError: division by zero"


def test_a_file_without_a_result_has_failed(tree: Tree, tmp_path: Path) -> None:
    tree.write("a.fits")
    final = once(tree.handler(handle=lambda tasks: []), tmp_path / "watch")
    assert final.counters.report.failing[0][1] == "the handler gave no result"


def test_only_complete_files_are_handled(tree: Tree, start: Start) -> None:
    path = tree.write("a.fits")
    content = path.read_bytes()
    path.write_bytes(content[:4000])
    running = start()
    wait_for(lambda: running.counters.report.not_whole == ((str(path), "truncated"),))
    assert tree.handled == []
    path.write_bytes(content)
    wait_for(lambda: tree.names() == ["a.fits"])


def test_cut_off_files_are_reported_by_once(tree: Tree, tmp_path: Path) -> None:
    tree.write("a.fits").write_bytes(b"")
    final = once(tree.handler(), tmp_path / "watch")
    assert final.counters.report.not_whole == ((str(tree.top / "20240115/a.fits"), "empty"),)
    assert final.counters.report.outcome == "partial"


def test_what_was_there_before_since_is_left_alone_until_touched(tree: Tree, start: Start) -> None:
    old = tree.write("old.fits", "20231231")
    tree.write("new.fits", "20240101")
    start(policy=replace(QUICK, since="20240101", rescan_seconds=0.2))
    wait_for(lambda: tree.names() == ["new.fits"])
    os.utime(old)
    wait_for(lambda: tree.names() == ["new.fits", "old.fits"])


def test_a_file_without_an_event_is_found_by_the_next_scan(
    tree: Tree, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events.ChangeListener, "start", lambda self: None)
    monkeypatch.setattr(events.ChangeListener, "stop", lambda self: None)
    start(policy=replace(QUICK, rescan_seconds=0.2))
    tree.write("a.fits")
    wait_for(lambda: tree.names() == ["a.fits"])


def test_a_flood_is_handled_completely(tree: Tree, start: Start) -> None:
    start(tree.handler(max_calls=3, batch_size=200))
    names = {tree.write(f"{number:04d}.fits").name for number in range(1500)}
    wait_for(lambda: len(tree.handled) >= len(names), 60)
    assert sorted(tree.names()) == sorted(names)


def test_the_number_of_calls_is_limited(tree: Tree, tmp_path: Path) -> None:
    running, most = [], []

    def handle(tasks: Sequence[WatchTask]) -> list[WatchResult]:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return tree.handle(tasks)

    for number in range(20):
        tree.write(f"{number}.fits")
    once(tree.handler(handle=handle, max_calls=3, batch_size=2), tmp_path / "watch")
    assert max(most) == 3
    assert len(tree.handled) == 20


def test_it_waits_for_its_session(
    tree: Tree, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PAUSE_SECONDS", 0.1)
    others = [True]
    turns: list[str] = []

    @contextmanager
    def turn() -> Iterator[None]:
        if others:
            raise AlreadyRunningError("reprocess is already running")
        turns.append("begun")
        yield
        turns.append("ended")

    tree.write("a.fits")
    running = start(tree.handler(session=turn))
    wait_for(lambda: running.counters.report.trouble == "reprocess is already running")
    others.clear()
    wait_for(lambda: turns == ["begun", "ended"])
    assert tree.names() == ["a.fits"]
    wait_for(lambda: running.counters.report.trouble == "")


def test_once_does_not_wait_for_its_session(tree: Tree, tmp_path: Path) -> None:
    @contextmanager
    def turn() -> Iterator[None]:
        raise AlreadyRunningError("reprocess is already running")
        yield

    tree.write("a.fits")
    with pytest.raises(AlreadyRunningError):
        once(tree.handler(session=turn), tmp_path / "watch")


def test_tasks_of_a_killed_watcher_are_handled_again(tree: Tree, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    path = tree.write("a.fits")
    once(tree.handler(), tmp_path / "watch")
    os.utime(path)

    def die(memory: StateStore, rows: object) -> None:
        put(memory, rows)  # type: ignore[arg-type]
        raise Killed

    put = StateStore.save_files
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(StateStore, "save_files", die)
        once(tree.handler(), tmp_path / "watch")
    once(tree.handler(), tmp_path / "watch")
    assert [task.renewed for task in tree.handled] == [False, True]


def test_to_stop_is_to_finish_what_runs(tree: Tree, start: Start) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def handle(tasks: Sequence[WatchTask]) -> list[WatchResult]:
        entered.set()
        go_on.wait(10)
        return tree.handle(tasks)

    tree.write("a.fits")
    running = start(tree.handler(handle=handle))
    entered.wait(10)
    running.stop()
    wait_for(lambda: running.counters.report.life is WatcherStatus.STOPPING)
    tree.write("b.fits")
    go_on.set()
    wait_for(lambda: running.counters.report.life is WatcherStatus.STOPPED)
    assert tree.names() == ["a.fits"]


def test_a_file_that_was_gone_and_returns_unchanged_is_found(tree: Tree, tmp_path: Path) -> None:
    tree.write("a.fits")
    tree.outcome = WatchOutcome.GONE
    once(tree.handler(), tmp_path / "watch")
    tree.outcome = WatchOutcome.DONE
    once(tree.handler(), tmp_path / "watch")
    once(tree.handler(), tmp_path / "watch")
    assert tree.names() == ["a.fits", "a.fits"]


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_failed_file_that_vanished_is_no_problem_any_more(
    tree: Tree, start: Start, attempts: int
) -> None:
    path = tree.write("a.fits")
    tree.outcome = WatchOutcome.FAILED
    pace = replace(QUICK, attempts=attempts, retry_seconds=3600, rescan_seconds=0.2)
    running = start(policy=pace)
    wait_for(lambda: len(running.counters.report.failing) == 1)
    path.unlink()
    wait_for(lambda: running.counters.report.failing == ())
    assert running.counters.report.given_up == 0
    assert running.counters.report.outcome == "succeeded"


def test_a_folder_that_can_not_be_read_is_no_success(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write("a.fits")
    tree.write("b.fits", "20240116")
    bad = str(tree.top / "20240116")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if folder == bad:
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        final = once(tree.handler(), tmp_path / "watch").counters.report
    assert (final.done, final.outcome) == (1, "partial")
    assert final.unread == (f"{bad} can't be read: Permission denied",)
    assert once(tree.handler(), tmp_path / "watch").counters.report.outcome == "succeeded"
    assert tree.names() == ["a.fits", "b.fits"]


def test_a_scan_that_ended_early_is_no_success(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(memory: StateStore, folder: str) -> object:
        raise sqlite3.OperationalError("disk I/O error")

    tree.write("a.fits")
    monkeypatch.setattr(StateStore, "known_stamps", fail)
    final = once(tree.handler(), tmp_path / "watch").counters.report
    assert (final.unread, final.outcome) == (("the scan ended early: disk I/O error",), "partial")


def test_once_does_not_wait_for_space_for_its_state(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(memory: StateStore, rows: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    tree.write("a.fits")
    monkeypatch.setattr(StateStore, "save_files", refuse)
    with pytest.raises(ServiceUnavailableError, match="state can't be written: database or disk"):
        once(tree.handler(), tmp_path / "watch")
    assert tree.handled == []


class Disk:
    """The disk of the state store."""

    is_full = False


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, save_files = Disk(), StateStore.save_files

    def save(store: StateStore, records: Iterable[FileRecord]) -> None:
        if disk.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        save_files(store, records)

    monkeypatch.setattr(StateStore, "save_files", save)
    return disk


def test_a_state_that_can_be_written_again_is_no_trouble_any_more(
    tree: Tree, start: Start, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(watcher, "CHECK_SECONDS", 0.1)
    entered, go_on = threading.Event(), threading.Event()

    def handle(tasks: Sequence[WatchTask]) -> list[WatchResult]:
        entered.set()
        go_on.wait(10)
        return tree.handle(tasks)

    running = start(tree.handler(handle=handle))
    tree.write("a.fits")
    entered.wait(10)
    disk.is_full = True
    go_on.set()
    wait_for(lambda: "state can't be written" in running.counters.report.trouble)
    disk.is_full = False
    wait_for(lambda: running.counters.report.trouble == "")


def test_a_jump_of_the_clock_changes_nothing(
    tree: Tree, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    past = time.time() - 86_400
    monkeypatch.setattr(time, "time", lambda: past)
    path = tree.write("a.fits")
    os.utime(path, (past, past))
    wait_for(lambda: tree.names() == ["a.fits"])


def test_a_state_that_can_not_be_written_is_waited_for(
    tree: Tree, start: Start, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PAUSE_SECONDS", 0.1)
    running = start()
    disk.is_full = True
    tree.write("a.fits")
    wait_for(lambda: "state can't be written" in running.counters.report.trouble)
    assert tree.handled == []
    disk.is_full = False
    wait_for(lambda: tree.names() == ["a.fits"])
    wait_for(lambda: running.counters.report.done == 1)
