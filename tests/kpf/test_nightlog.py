from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kpfnb.errors import BadInput
from kpfnb.kpf import nightlog
from kpfnb.kpf.nightlog import Entry

ENTRY = Entry(
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


def test_rows_come_back_by_data_root_in_order(tmp_path: Path) -> None:
    log = tmp_path / "new/nights.sqlite"
    assert nightlog.read(log, "/data") == []
    entries = [ENTRY, replace(ENTRY, night="20231231"), replace(ENTRY, version="3.0")]
    for entry in [*entries, replace(ENTRY, root="/elsewhere")]:
        nightlog.add(log, entry)
    assert nightlog.read(log, "/data") == entries


def test_a_log_of_another_format_is_refused_and_kept(tmp_path: Path) -> None:
    log = tmp_path / "nights.sqlite"
    nightlog.add(log, ENTRY)
    with closing(sqlite3.connect(log)) as database:
        database.execute("PRAGMA user_version = 99")
    for use in (lambda: nightlog.add(log, ENTRY), lambda: nightlog.read(log, "/data")):
        with pytest.raises(BadInput, match="format 99, this kpfnb knows 1"):
            use()


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    log = tmp_path / "nights.sqlite"
    log.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(BadInput, match=r"nights.sqlite can't be used"):
        nightlog.add(log, ENTRY)
