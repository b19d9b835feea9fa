"""What was handled is remembered on disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kpfnb.errors import BadInput
from kpfnb.watching.kind import Stamp
from kpfnb.watching.memory import REASON_LENGTH, Memory, Row, State, mend

STAMP = Stamp(5760, 1_700_000_000_000_000_001)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "watch/memory.sqlite"


def row(name: str, state: State = State.DONE, attempts: int = 0) -> Row:
    return Row(f"/data/L0/20240115/{name}", STAMP, state, attempts, False, "why")


def test_it_is_the_same_after_a_restart(file: Path) -> None:
    with Memory(file) as memory:
        memory.put([row("a"), row("b", State.TAKEN), row("c", State.FAILED, 2)])
        memory.keep_fact("scanned", "yes")
    with Memory(file) as memory:
        assert memory.find("/data/L0/20240115/a") == row("a")
        assert memory.find("/data/L0/20240115/x") is None
        assert {one.path[-1] for one in memory.unfinished()} == {"b", "c"}
        assert [one.path[-1] for one in memory.failed(9)] == ["c"]
        assert (memory.given_up(2), memory.given_up(3)) == (1, 0)
        assert memory.known("/data/L0/20240115") == dict.fromkeys("abc", STAMP)
        assert memory.known("/data/L0") == {}
        assert (memory.fact("scanned"), memory.fact("other")) == ("yes", "")


def test_what_ended_lately_leaves_out_what_was_known_before(file: Path) -> None:
    with Memory(file) as memory:
        memory.put([row("a"), row("b", State.KNOWN), row("c", State.TAKEN)])
        assert [state for _, state in memory.ended_since(0)] == ["done"]


def test_a_very_long_reason_is_cut(file: Path) -> None:
    with Memory(file) as memory:
        memory.put([Row("/a/b", STAMP, State.FAILED, 1, False, "x" * 10_000_000)])
        found = memory.find("/a/b")
    assert found is not None
    assert len(found.reason) == REASON_LENGTH


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 2000])
def test_a_damaged_one_is_set_aside(file: Path, damage: bytes) -> None:
    with Memory(file) as memory:
        memory.put([row("a")])
    file.write_bytes(damage)
    assert bool(mend(file)) is bool(damage)
    with Memory(file) as memory:
        assert memory.unfinished() == []
        memory.put([row("a")])
    assert mend(file) == ""


def test_whoever_only_looks_sets_nothing_aside(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"nonsense" * 2000)
    with pytest.raises(sqlite3.DatabaseError):
        Memory(file)
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_what_is_gone_is_not_known_to_a_scan(file: Path) -> None:
    with Memory(file) as memory:
        memory.put([row("a"), row("b", State.GONE)])
        assert memory.known("/data/L0/20240115") == {"a": STAMP}


def test_one_of_a_newer_version_is_refused(file: Path) -> None:
    with Memory(file):
        pass
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadInput, match="newer kpfnb"):
        Memory(file)


def test_a_full_disk_leaves_what_was_known(file: Path) -> None:
    with Memory(file) as memory:
        memory.put([row("a")])
        memory._connection.execute("PRAGMA max_page_count = 8")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            memory.put(row(f"{number:0100}") for number in range(5000))
        assert list(memory.known("/data/L0/20240115")) == ["a"]
        memory._connection.execute("PRAGMA max_page_count = 100000")
        memory.put([row("b")])
