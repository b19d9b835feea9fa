"""Databases that can't be used are named in plain words, without their passwords."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from kpfnb.compute.services import postgres
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    InvalidParameterError,
    InvalidSettingsError,
    ServiceUnavailableError,
)
from kpfnb.kpf.reprocess import night_log
from kpfnb.kpf.tsdb import backup, database, ingest, query
from kpfnb.kpf.tsdb.schema import about_table
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND


@pytest.mark.parametrize("url", ["not a url", "mysql://u:hidden@h/d", "sqlite://"])
def test_invalid_urls(url, monkeypatch):
    monkeypatch.setenv("KPFNB_TSDB_URL", url)
    with pytest.raises(InvalidSettingsError, match="tsdb_url") as caught:
        query(["OBJECT"])
    assert "hidden" not in str(caught.value)


def test_a_server_that_does_not_answer(monkeypatch, root):
    samples.write(root, FIRST)
    monkeypatch.setenv("KPFNB_TSDB_URL", "postgresql://u:hidden@127.0.0.1:9/d")
    for work in (lambda: query(["OBJECT"]), lambda: ingest.ingest_nights(NIGHT)):
        with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1") as caught:
            work()
        assert "hidden" not in str(caught.value)
    database.close_connections()


def test_a_database_of_another_version_is_refused(any_database, root):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    with database.write_transaction() as connection:
        is_schema = about_table.c.name == "schema"
        connection.execute(update(about_table).where(is_schema).values(value="99"))
    for work in (lambda: query(["OBJECT"]), lambda: ingest.ingest_nights(NIGHT)):
        with pytest.raises(InvalidInputError, match="schema 99; this kpfnb needs 2"):
            work()


def test_a_damaged_file(sqlite, isolated):
    (isolated / "work").mkdir()
    (isolated / "work" / database.FILE_NAME).write_bytes(b"no database " * 1000)
    with pytest.raises(InvalidInputError, match="damaged"):
        query(["OBJECT"])


def test_a_database_that_another_process_writes_to(sqlite, root, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with (
        database.write_transaction(),
        pytest.raises(AlreadyRunningError, match="writes to"),
        database.write_transaction(),
    ):
        pass


def test_a_full_disk(sqlite, root):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    path = samples.write(root, SECOND, **{f"K{number}": "x" * 60 for number in range(300)})
    from sqlalchemy import event

    def limit(connection):
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    event.listen(database.get_engine(database.database_url()), "begin", limit)
    with pytest.raises(ServiceUnavailableError, match="full"):
        ingest.ingest_files([path], wait_seconds=0)
    database.close_connections()
    assert len(query(["OBJECT"])) == 1
    assert ingest.ingest_files([path]).ingested == 1


def test_a_reader_of_postgresql_reads_and_changes_nothing(postgresql, root, monkeypatch):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    role = f"r{postgresql.partition('@/')[2][:9]}"
    for word in ("it's %s secret", "another"):
        backup.create_reader_role(role, SecretStr(word))
    monkeypatch.setenv("KPFNB_TSDB_URL", postgresql.replace("kpfnb@", f"{role}:another@"))
    assert len(query(["OBJECT"])) == 1
    with pytest.raises(InvalidSettingsError, match="may only read") as caught:
        ingest.ingest_nights(NIGHT, force=True)
    assert "another" not in str(caught.value)
    plain = postgresql.replace("kpfnb@", f"{role}@")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM file")


def test_only_postgresql_has_readers(sqlite):
    with pytest.raises(InvalidParameterError, match="no roles"):
        backup.create_reader_role("plots", SecretStr("x"))
    with pytest.raises(InvalidParameterError, match="role"):
        backup.create_reader_role("plots; DROP TABLE file", SecretStr("x"))


def test_backup_and_restore(any_database, root, isolated, monkeypatch):
    if any_database.startswith("postgresql"):
        folder = str(postgres.find_program("pg_dump").parent)
        monkeypatch.setenv("PATH", folder, prepend=":")
    samples.write_all(root, FIRST)
    ingest.ingest_nights(NIGHT)
    before = query(["OBJECT", "RVS10"])
    saved = backup.write_backup(isolated / "saved")
    samples.write_all(root, SECOND)
    ingest.ingest_nights(NIGHT)
    with pytest.raises(InvalidInputError, match="--replace"):
        backup.restore_backup(saved)
    backup.restore_backup(saved, replace=True)
    assert query(["OBJECT", "RVS10"]).equals(before)
    assert ingest.ingest_nights(NIGHT).ingested == 4
    assert len(query(["OBJECT"])) == 2


def test_programs_of_postgresql_are_found_beside_python_too(
    postgresql, root, isolated, monkeypatch
):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServiceUnavailableError, match="pg_dump is not installed"):
        backup.write_backup(isolated / "saved")
    assert not (isolated / "saved").exists()
    monkeypatch.setattr(
        sys, "executable", str(postgres.find_program("pg_dump").with_name("python"))
    )
    assert backup.write_backup(isolated / "saved").stat().st_size


@pytest.mark.parametrize("content", [None, b"", b"text" * 100])
def test_a_file_that_is_not_a_backup_is_refused(sqlite, isolated, content):
    file = Path(isolated / "other")
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="other"):
        backup.restore_backup(file)


def test_another_sqlite_file_is_not_restored(sqlite, root, isolated):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    night_log.add_entries(
        isolated / "nights.sqlite", night_log.NightLogEntry("run", str(root), NIGHT, "")
    )
    with pytest.raises(InvalidInputError, match=r"nights\.sqlite"):
        backup.restore_backup(isolated / "nights.sqlite", replace=True)
    assert len(query(["OBJECT"])) == 1


def test_a_database_of_another_version_is_only_overwritten_on_request(
    any_database, root, isolated, monkeypatch
):
    if any_database.startswith("postgresql"):
        folder = str(postgres.find_program("pg_dump").parent)
        monkeypatch.setenv("PATH", folder, prepend=":")
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    saved = backup.write_backup(isolated / "saved")
    with database.write_transaction() as connection:
        is_schema = about_table.c.name == "schema"
        connection.execute(update(about_table).where(is_schema).values(value="99"))
    with pytest.raises(InvalidInputError, match="--replace"):
        backup.restore_backup(saved)
    with pytest.raises(InvalidInputError, match="schema 99"):
        query(["OBJECT"])


@pytest.mark.parametrize(
    "damage", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_damaged_database_is_restored(sqlite, root, isolated, damage):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    saved = backup.write_backup(isolated / "saved")
    database.close_connections()
    path = isolated / "work" / database.FILE_NAME
    for log_file in path.parent.glob(f"{path.name}-*"):
        log_file.unlink()
    path.write_bytes(damage)
    with pytest.raises(InvalidInputError, match="kpfnb tsdb restore"):
        query(["OBJECT"])
    backup.restore_backup(saved)
    assert len(query(["OBJECT"])) == 1
    assert [damaged_file.read_bytes() for damaged_file in path.parent.glob("*.damaged-*")] == [
        damage
    ]
