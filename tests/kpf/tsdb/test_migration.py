"""A database of schema 1 is converted by the next ingest, without its files."""

from __future__ import annotations

import shutil
import struct

import pytest
from sqlalchemy import select, text

from kpfnb.compute.services import postgres
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.tsdb import (
    backup,
    database,
    ingest,
    maintenance,
    migration,
    odd_values,
    query,
    schema,
)
from kpfnb.kpf.tsdb.kinds import ValueRule
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD

COLUMNS = ["AIRMASS", "EXPTIME", "SCISEL", "L2:SCISEL", "SOMEKEY", "THDAYON", "OBJECT", "RVS10"]


@pytest.fixture
def schema_1(any_database, root):
    """A database as kpfnb left it with schema 1: words, HST, and columns that became text.

    Such a database was also made by that version itself, and converted.
    """
    hst = "20240210T07:00:09 HST"
    samples.write_all(root, FIRST, AIRMASS=1.2, SCISEL="open", SOMEKEY=3.5, THDAYON=hst)
    samples.write_all(root, SECOND, AIRMASS="n/a", EXPTIME="300.0", SCISEL="closed", SOMEKEY=4.5)
    samples.write_all(root, THIRD, AIRMASS=1.4, SCISEL="open", SOMEKEY="broken")
    ingest.ingest_nights(NIGHT)
    expected = query(COLUMNS)
    with database.write_transaction() as connection:
        for name in ("AIRMASS", "EXPTIME", "SCISEL", "SOMEKEY", "THDAYON"):
            ids = select(schema.keyword_table.c.id).where(schema.keyword_table.c.name == name)
            odd_values.convert_keywords(connection, connection.scalars(ids).all(), ValueRule.TEXT)
        for new, old in (('"T"', '"open"'), ('"F"', '"closed"'), ("2024-02-10T17:00:09", hst)):
            connection.execute(
                text("UPDATE block SET texts = replace(texts, :new, :old) WHERE kind = 'text'"),
                {"new": new, "old": old},
            )
        connection.execute(text("DELETE FROM problem"))
        connection.execute(text("UPDATE about SET value = '1' WHERE name = 'schema'"))
    return expected


def test_an_old_database_is_not_read_as_if_it_were_new(schema_1):
    with pytest.raises(InvalidInputError, match=r"schema 1.*needs 2") as caught:
        query(COLUMNS)
    assert "kpfnb ingest" in caught.value.hint


def test_the_next_ingest_converts_the_database_without_the_files(schema_1, root, monkeypatch):
    monkeypatch.setattr(ingest, "read_file", lambda *given, **more: pytest.fail("read again"))
    assert ingest.ingest_nights(NIGHT).unchanged == 12
    assert query(COLUMNS).equals(schema_1)
    frame = maintenance.summarize_problems()
    assert dict(zip(frame["problem"], frame["files"], strict=True)) == {
        "value of another kind: AIRMASS = 'n/a' (column: float)": 4,
        "value of another kind: SOMEKEY = 'broken' (column: float)": 4,
    }
    assert {path.rpartition("/")[2][:20] for path in frame["example"]} == {SECOND, THIRD}


def test_a_converted_database_is_like_one_that_was_made_anew(schema_1, root):
    ingest.ingest_nights(NIGHT)
    ingest.ingest_nights(NIGHT, force=True)
    assert query(COLUMNS).equals(schema_1)


def test_a_failed_conversion_leaves_the_old_database(schema_1, root, monkeypatch):
    def fail(connection):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr(migration.catalogue, "complete_descriptions", fail)
        ingest.ingest_nights(NIGHT)
    shutil.rmtree(root / "L1")
    ingest.ingest_nights(NIGHT)
    assert query(COLUMNS).equals(schema_1)


def test_an_old_database_can_be_backed_up_and_restored(schema_1, root, isolated, monkeypatch):
    if database.database_url().get_backend_name() == "postgresql":
        folder = str(postgres.find_program("pg_dump").parent)
        monkeypatch.setenv("PATH", folder, prepend=":")
    saved = backup.write_backup(isolated / "saved")
    ingest.ingest_nights(NIGHT)
    backup.restore_backup(saved, replace=True)
    with pytest.raises(InvalidInputError, match="schema 1"):
        query(COLUMNS)
    ingest.ingest_nights(NIGHT)
    assert query(COLUMNS).equals(schema_1)


def _make_schema_1() -> None:
    with database.write_transaction() as connection:
        connection.execute(text("UPDATE about SET value = '1' WHERE name = 'schema'"))


def test_levels_that_refer_to_files_read_again_keep_their_values(any_database, root):
    paths = samples.write_all(root, FIRST, SCISEL="open", AIRMASS="n/a")
    ingest.ingest_files(paths)
    ingest.ingest_files(paths[:1])
    with database.write_transaction() as connection:
        for name in ("SCISEL", "AIRMASS"):
            ids = select(schema.keyword_table.c.id).where(schema.keyword_table.c.name == name)
            odd_values.convert_keywords(connection, connection.scalars(ids).all(), ValueRule.TEXT)
        connection.execute(text("DELETE FROM problem"))
    _make_schema_1()
    with database.write_transaction():
        pass
    assert query(["SCISEL", "2D:SCISEL", "L2:SCISEL"]).iloc[0, 1:].tolist() == [True, True, True]
    problems = maintenance.summarize_problems().set_index("problem")["files"]
    assert problems["value of another kind: AIRMASS = 'n/a' (column: float)"] == 4


def test_numbers_in_a_column_of_texts_become_texts(any_database, root):
    ingest.ingest_files(samples.write_all(root, FIRST, THRSBIN="2"))
    ingest.ingest_files(samples.write_all(root, SECOND, THRSBIN="All"))
    with database.write_transaction() as connection:
        # Schema 1 widened the keyword, and left the blocks of numbers as they were
        connection.execute(
            text("UPDATE block SET kind = 'int', numbers = :two, texts = NULL WHERE texts = :old"),
            {"two": struct.pack(">d", 2), "old": '"2"'},
        )
    _make_schema_1()
    with database.write_transaction():
        pass
    assert query(["THRSBIN", "L2:THRSBIN"]).iloc[0, 1:].tolist() == ["2", "2"]


def test_kinds_and_descriptions_are_those_of_new_keywords(any_database, root):
    paths = samples.write_all(root, FIRST, AGEBIAS=1.0, GRSHUTT=1)
    ingest.ingest_files(paths)
    columns = schema.keyword_table.c
    query_all = select(columns.name, columns.kind, columns.unit, columns.description)
    with database.read_transaction() as connection:
        expected = sorted(map(tuple, connection.execute(query_all)))
    with database.write_transaction() as connection:
        for name, old in (("AGEBIAS", "int"), ("GRSHUTT", "bool")):
            condition = columns.name == name
            connection.execute(schema.keyword_table.update().where(condition).values(kind=old))
        condition = columns.name == "GREEN"
        connection.execute(schema.keyword_table.update().where(condition).values(description=""))
    _make_schema_1()
    with database.write_transaction() as connection:
        assert sorted(map(tuple, connection.execute(query_all))) == expected
