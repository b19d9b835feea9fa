"""What was handled is remembered on disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.watch.handler import FileStamp
from kpfnb.kpf.watch.state_store import (
    MAX_REASON_LENGTH,
    FileRecord,
    FileStatus,
    StateStore,
    quarantine_damaged,
)

STAMP = FileStamp(5760, 1_700_000_000_000_000_001)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "watch/memory.sqlite"


def row(name: str, state: FileStatus = FileStatus.DONE, attempts: int = 0) -> FileRecord:
    return FileRecord(f"/data/L0/20240115/{name}", STAMP, state, attempts, False, "why")


def test_it_is_the_same_after_a_restart(file: Path) -> None:
    with StateStore(file) as store:
        store.save_files([row("a"), row("b", FileStatus.TAKEN), row("c", FileStatus.FAILED, 2)])
        store.set_meta("scanned", "yes")
    with StateStore(file) as store:
        assert store.find_file("/data/L0/20240115/a") == row("a")
        assert store.find_file("/data/L0/20240115/x") is None
        assert {record.path[-1] for record in store.unfinished()} == {"b", "c"}
        assert [record.path[-1] for record in store.failed(9)] == ["c"]
        assert (store.count_given_up(2), store.count_given_up(3)) == (1, 0)
        assert store.known_stamps("/data/L0/20240115") == dict.fromkeys("abc", STAMP)
        assert store.known_stamps("/data/L0") == {}
        assert (store.get_meta("scanned"), store.get_meta("other")) == ("yes", "")


def test_what_ended_lately_leaves_out_what_was_known_before(file: Path) -> None:
    with StateStore(file) as store:
        store.save_files([row("a"), row("b", FileStatus.KNOWN), row("c", FileStatus.TAKEN)])
        assert [state for _, state in store.ended_since(0)] == ["done"]


def test_a_very_long_reason_is_cut(file: Path) -> None:
    with StateStore(file) as store:
        store.save_files([FileRecord("/a/b", STAMP, FileStatus.FAILED, 1, False, "x" * 10_000_000)])
        note = store.find_file("/a/b")
    assert note is not None
    assert len(note.reason) == MAX_REASON_LENGTH


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 2000])
def test_a_damaged_one_is_set_aside(file: Path, damage: bytes) -> None:
    with StateStore(file) as store:
        store.save_files([row("a")])
    file.write_bytes(damage)
    assert bool(quarantine_damaged(file)) is bool(damage)
    with StateStore(file) as store:
        assert store.unfinished() == []
        store.save_files([row("a")])
    assert quarantine_damaged(file) == ""


def test_reading_quarantines_nothing(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"nonsense" * 2000)
    with pytest.raises(sqlite3.DatabaseError):
        StateStore(file)
    assert [record.name for record in file.parent.iterdir()] == [file.name]


def test_what_is_gone_is_not_known_to_a_scan(file: Path) -> None:
    with StateStore(file) as store:
        store.save_files([row("a"), row("b", FileStatus.GONE)])
        assert store.known_stamps("/data/L0/20240115") == {"a": STAMP}


def test_one_of_a_newer_version_is_refused(file: Path) -> None:
    with StateStore(file):
        pass
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InvalidInputError, match="newer kpfnb"):
        StateStore(file)


def test_a_full_disk_leaves_what_was_known(file: Path) -> None:
    with StateStore(file) as store:
        store.save_files([row("a")])
        store._connection.execute("PRAGMA max_page_count = 8")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.save_files(row(f"{number:0100}") for number in range(5000))
        assert list(store.known_stamps("/data/L0/20240115")) == ["a"]
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.save_files([row("b")])
