"""Databases that can't be used are named in plain words, without their passwords."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from kpfnb.errors import BadInput, BadParameter, BadSettings, Busy, ServiceUnavailable
from kpfnb.kpf import nightlog
from kpfnb.kpf.tsdb import backup, database, ingest, layout, query
from kpfnb.services import postgres
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND


@pytest.mark.parametrize("url", ["not a url", "mysql://u:hidden@h/d", "sqlite://"])
def test_urls_that_are_none(url, monkeypatch):
    monkeypatch.setenv("KPFNB_TSDB_URL", url)
    with pytest.raises(BadSettings, match="tsdb_url") as caught:
        query(["OBJECT"])
    assert "hidden" not in str(caught.value)


def test_a_server_that_is_not_there(monkeypatch, root):
    samples.write(root, FIRST)
    monkeypatch.setenv("KPFNB_TSDB_URL", "postgresql://u:hidden@127.0.0.1:9/d")
    for work in (lambda: query(["OBJECT"]), lambda: ingest.nights(NIGHT)):
        with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1") as caught:
            work()
        assert "hidden" not in str(caught.value)
    database.forget()


def test_a_database_of_another_version_is_refused(any_database, root):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    with database.writing() as connection:
        schema = layout.about.c.name == "schema"
        connection.execute(update(layout.about).where(schema).values(value="99"))
    for work in (lambda: query(["OBJECT"]), lambda: ingest.nights(NIGHT)):
        with pytest.raises(BadInput, match="schema 99; this kpfnb knows 1"):
            work()


def test_a_damaged_file(sqlite, isolated):
    (isolated / "work").mkdir()
    (isolated / "work" / database.FILE_NAME).write_bytes(b"no database " * 1000)
    with pytest.raises(BadInput, match="damaged"):
        query(["OBJECT"])


def test_a_database_that_somebody_else_writes_to(sqlite, root, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with database.writing(), pytest.raises(Busy, match="writes to"), database.writing():
        pass


def test_a_full_disk(sqlite, root):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    path = samples.write(root, SECOND, **{f"K{number}": "x" * 60 for number in range(300)})
    from sqlalchemy import event

    def limit(connection):
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    event.listen(database._engine(database.url()), "begin", limit)
    with pytest.raises(ServiceUnavailable, match="full"):
        ingest.files([path], wait_seconds=0)
    database.forget()
    assert len(query(["OBJECT"])) == 1
    assert ingest.files([path]).taken == 1


def test_a_reader_of_postgresql_reads_and_changes_nothing(postgresql, root, monkeypatch):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    role = f"r{postgresql.partition('@/')[2][:9]}"
    for word in ("it's %s secret", "another"):
        backup.add_reader(role, SecretStr(word))
    monkeypatch.setenv("KPFNB_TSDB_URL", postgresql.replace("kpfnb@", f"{role}:another@"))
    assert len(query(["OBJECT"])) == 1
    with pytest.raises(BadSettings, match="may only read") as caught:
        ingest.nights(NIGHT, force=True)
    assert "another" not in str(caught.value)
    plain = postgresql.replace("kpfnb@", f"{role}@")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM file")


def test_readers_are_of_postgresql_alone(sqlite):
    with pytest.raises(BadParameter, match="no roles"):
        backup.add_reader("plots", SecretStr("x"))
    with pytest.raises(BadParameter, match="role"):
        backup.add_reader("plots; DROP TABLE file", SecretStr("x"))


def test_backup_and_restore(any_database, root, isolated, monkeypatch):
    if any_database.startswith("postgresql"):
        folder = str(postgres.program("pg_dump").parent)
        monkeypatch.setenv("PATH", folder, prepend=":")
    samples.write_all(root, FIRST)
    ingest.nights(NIGHT)
    before = query(["OBJECT", "RVS10"])
    saved = backup.back_up(isolated / "saved")
    samples.write_all(root, SECOND)
    ingest.nights(NIGHT)
    with pytest.raises(BadInput, match="--replace"):
        backup.restore(saved)
    backup.restore(saved, replace=True)
    assert query(["OBJECT", "RVS10"]).equals(before)
    assert ingest.nights(NIGHT).taken == 4
    assert len(query(["OBJECT"])) == 2


def test_programs_of_postgresql_are_found_beside_python_too(
    postgresql, root, isolated, monkeypatch
):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServiceUnavailable, match="pg_dump is not installed"):
        backup.back_up(isolated / "saved")
    assert not (isolated / "saved").exists()
    monkeypatch.setattr(sys, "executable", str(postgres.program("pg_dump").with_name("python")))
    assert backup.back_up(isolated / "saved").stat().st_size


@pytest.mark.parametrize("content", [None, b"", b"text" * 100])
def test_what_is_no_backup_is_refused(sqlite, isolated, content):
    file = Path(isolated / "other")
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match="other"):
        backup.restore(file)


def test_another_sqlite_file_is_no_backup_and_replaces_nothing(sqlite, root, isolated):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    nightlog.add(isolated / "nights.sqlite", nightlog.Entry("run", str(root), NIGHT, ""))
    with pytest.raises(BadInput, match=r"nights\.sqlite"):
        backup.restore(isolated / "nights.sqlite", replace=True)
    assert len(query(["OBJECT"])) == 1


def test_a_database_of_another_kpfnb_is_not_overwritten_unasked(
    any_database, root, isolated, monkeypatch
):
    if any_database.startswith("postgresql"):
        folder = str(postgres.program("pg_dump").parent)
        monkeypatch.setenv("PATH", folder, prepend=":")
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    saved = backup.back_up(isolated / "saved")
    with database.writing() as connection:
        about = layout.about
        connection.execute(update(about).where(about.c.name == "schema").values(value="99"))
    with pytest.raises(BadInput, match="--replace"):
        backup.restore(saved)
    with pytest.raises(BadInput, match="schema 99"):
        query(["OBJECT"])


@pytest.mark.parametrize(
    "damage", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_damaged_database_is_restored(sqlite, root, isolated, damage):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    saved = backup.back_up(isolated / "saved")
    database.forget()
    path = isolated / "work" / database.FILE_NAME
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    path.write_bytes(damage)
    with pytest.raises(BadInput, match="kpfnb tsdb restore"):
        query(["OBJECT"])
    backup.restore(saved)
    assert len(query(["OBJECT"])) == 1
    assert [one.read_bytes() for one in path.parent.glob("*.damaged-*")] == [damage]
