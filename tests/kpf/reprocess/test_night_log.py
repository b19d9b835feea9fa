from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.reprocess import night_log
from kpfnb.kpf.reprocess.night_log import NightLogEntry

ENTRY = NightLogEntry(
    run="20240102T000000Z-abcdef",
    root="/data",
    night="20240101",
    version="2.9",
    started="2024-01-02T00:00:00Z",
    ended="2024-01-02T01:00:00Z",
    done=390,
    skipped=5,
    failed=1,
    junk=4,
    unreached=0,
    folder="/work/reprocess/20240102T000000Z-abcdef",
)

OLD_COLUMNS = (
    *("run", "root", "night", "version", "started", "ended"),
    *("done", "skipped", "failed", "junk", "unreached", "folder"),
)


def test_rows_come_back_by_data_root_in_order(tmp_path: Path) -> None:
    log = tmp_path / "new/nights.sqlite"
    assert night_log.read_entries(log, "/data") == []
    entries = [ENTRY, replace(ENTRY, night="20231231"), replace(ENTRY, run="later")]
    night_log.add_entries(log, *entries, replace(ENTRY, root="/elsewhere"))
    assert night_log.read_entries(log, "/data") == entries


def test_a_log_of_another_format_is_refused_and_kept(tmp_path: Path) -> None:
    log = tmp_path / "nights.sqlite"
    night_log.add_entries(log, ENTRY)
    with closing(sqlite3.connect(log)) as database:
        database.execute("PRAGMA user_version = 99")
    for use in (
        lambda: night_log.add_entries(log, ENTRY),
        lambda: night_log.read_entries(log, "/data"),
    ):
        with pytest.raises(InvalidInputError, match="schema 99; this one has 2"):
            use()


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    log = tmp_path / "nights.sqlite"
    log.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(InvalidInputError, match=r"nights.sqlite can't be used"):
        night_log.add_entries(log, ENTRY)


def test_the_last_row_of_a_night_counts(tmp_path: Path) -> None:
    log = tmp_path / "nights.sqlite"
    planned = replace(ENTRY, started="", ended="", done=0, failed=0)
    night_log.add_entries(log, planned, replace(planned, night="20231231"))
    night_log.add_entries(log, ENTRY)
    first, second = night_log.read_entries(log, "/data")
    assert (first, second.night, second.ended) == (ENTRY, "20231231", "")


@pytest.mark.parametrize(
    ("how", "finished"),
    [({}, True), ({"failed": 1}, False), ({"ended": ""}, False), ({"unreached": 2}, False)],
)
def test_when_a_night_is_finished(how: dict[str, Any], finished: bool) -> None:
    assert replace(ENTRY, **{"failed": 0, **how}).is_finished is finished


def test_the_last_run_is_that_of_its_kind() -> None:
    masters = replace(ENTRY, run="m", kind=night_log.MASTERS)
    later = replace(ENTRY, run="b")
    entries = [ENTRY, later, replace(later, night="20240102"), masters]
    assert night_log.select_last_run(entries, night_log.SCIENCE) == entries[1:3]
    assert night_log.select_last_run(entries, night_log.MASTERS) == [masters]
    assert night_log.select_last_run([], night_log.SCIENCE) == []


def test_a_log_of_schema_1_is_migrated(tmp_path: Path) -> None:
    log = tmp_path / "nights.sqlite"
    old = tuple(getattr(ENTRY, name) for name in OLD_COLUMNS)
    with closing(sqlite3.connect(log)) as database, database:
        database.execute(f"CREATE TABLE nights ({', '.join(OLD_COLUMNS)})")
        database.execute(f"INSERT INTO nights VALUES ({', '.join('?' * len(old))})", old)
        database.execute("PRAGMA user_version = 1")
    night_log.add_entries(log, replace(ENTRY, run="new", kind=night_log.MASTERS))
    assert [entry.kind for entry in night_log.read_entries(log, "/data")] == ["science", "masters"]
    assert night_log.read_entries(log, "/data")[0] == ENTRY
