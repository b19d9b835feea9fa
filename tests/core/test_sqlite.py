"""SQLite files of our own: made once, refused from a newer kpfnb, moved aside where damaged."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kpfnb.core import sqlite
from kpfnb.core.errors import InvalidInputError


def _make(connection: sqlite3.Connection, version: int) -> None:
    if version == 0:
        sqlite.execute_statements(connection, "CREATE TABLE a (x); INSERT INTO a VALUES (1);")
    else:
        connection.execute("INSERT INTO a VALUES (2)")


def _open(path: Path, schema: int = 1) -> sqlite3.Connection:
    return sqlite.open_database(path, schema=schema, migrate=_make, what="file of tests")


def _rows(path: Path, schema: int = 1) -> list[int]:
    with closing(_open(path, schema)) as connection:
        return [x for (x,) in connection.execute("SELECT x FROM a ORDER BY x")]


def test_a_file_is_made_once_though_many_open_it(tmp_path: Path) -> None:
    path = tmp_path / "new/a.sqlite"
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(_rows, [path] * 8)) == [[1]] * 8
    assert _rows(path, schema=2) == [1, 2]
    assert _rows(path, schema=2) == [1, 2]


def test_one_of_a_newer_kpfnb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    _open(path, schema=2).close()
    with pytest.raises(
        InvalidInputError, match=r"newer kpfnb wrote .*a\.sqlite \(schema 2; .* has 1\)"
    ):
        _open(path)


def test_what_could_not_be_made_is_made_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"

    def fail(connection: sqlite3.Connection, version: int) -> None:
        _make(connection, version)
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        sqlite.open_database(path, schema=1, migrate=fail, what="file of tests")
    assert _rows(path) == [1]


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(_open(path)) as connection:
        with pytest.raises(ZeroDivisionError), sqlite.transaction(connection):
            connection.execute("INSERT INTO a VALUES (2)")
            raise ZeroDivisionError
        with sqlite.transaction(connection):
            connection.execute("INSERT INTO a VALUES (3)")
    assert _rows(path) == [1, 3]


def test_a_damaged_file_is_moved_aside_with_what_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    _open(path).close()
    assert not sqlite.is_damaged(path)
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    path.with_name("a.sqlite-wal").touch()
    assert sqlite.is_damaged(path)
    aside = sqlite.quarantine_file(path)
    assert aside.read_bytes().startswith(b"no database")
    assert [file.name for file in tmp_path.glob("a.sqlite*") if file.suffix != ".lock"] == []
    assert _rows(path) == [1]


def test_a_locked_file_is_not_mistaken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE a (x)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite.is_damaged(path)
