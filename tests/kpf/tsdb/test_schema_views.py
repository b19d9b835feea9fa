"""The database is readable with plain SQL alone."""

from __future__ import annotations

import math
import sys

import pytest
from sqlalchemy import text

from kpfnb.kpf.tsdb import database, ingest, query
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD

DOUBLES = [0.0, -1.0, 0.1, -2.5e-300, 1e300, math.pi, 5e-324, sys.float_info.max, 2460324.58]


def rows(sql):
    with database.read_transaction() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_doubles_are_unpacked_to_the_last_bit(any_database, root):
    for number, value in enumerate(DOUBLES):
        samples.write(root, f"KP.{NIGHT}.{number:05d}.00", VALUE=value, SAME=DOUBLES[5])
    ingest.ingest_nights(NIGHT)
    numbers = rows("SELECT number FROM reading WHERE keyword = 'VALUE' ORDER BY obsid")
    assert [value for (value,) in numbers] == query(["VALUE"])["VALUE"].tolist()
    assert {value for (value,) in rows("SELECT number FROM reading WHERE keyword = 'SAME'")} == {
        math.pi
    }


def test_texts_times_nulls_and_repeated_values(any_database, root):
    samples.write_all(root, FIRST)
    samples.write_all(root, SECOND, OBJECT="185144", AIRMASS=1.25)
    samples.write(root, THIRD, IMTYPE="Bias", OBJECT="autocal-bias", DATE__MID=None)
    ingest.ingest_nights(NIGHT)
    objects = rows("SELECT obsid, text FROM reading WHERE keyword = 'OBJECT' AND level = 'L2'")
    assert sorted(objects) == [(FIRST, "10700"), (SECOND, "185144")]
    times = rows("SELECT text FROM reading WHERE keyword = 'DATE-MID' AND level = 'L0'")
    assert times == [("2024-01-15T00:16:55",)] * 2
    assert rows("SELECT obsid, number FROM reading WHERE keyword = 'AIRMASS' AND level = '2D'") == [
        (SECOND, 1.25)
    ]
    assert not rows("SELECT * FROM reading WHERE keyword = 'kpfmet.U_GOLD'")


@pytest.mark.parametrize(
    ("view", "column", "values"),
    [
        ("exposure", "OBJECT", ["10700"]),
        ("quality", "NOTJUNK", [1.0]),
        ("velocity", "CCFRV", [4.5]),
    ],
)
def test_groups_have_a_column_for_each_keyword(any_database, root, view, column, values):
    samples.write_all(root, FIRST, CCFRV=4.5)
    ingest.ingest_nights(NIGHT)
    assert [value for (value,) in rows(f'SELECT "{column}" FROM {view}')] == values


def test_observations_list_their_missing_levels(any_database, root):
    samples.write(root, FIRST)
    ingest.ingest_files([samples.write(root, FIRST, "2D"), root / f"L0/{NIGHT}/{FIRST}.fits"])
    assert rows("SELECT obsid, source, present, missing FROM observation") == [
        (FIRST, "Star", "L0 2D", "L1 L2")
    ]


def test_an_l0_without_keywords_of_cameras_is_judged_by_its_extensions(any_database, root):
    samples.write(root, FIRST, GREEN=None, RED=None)
    samples.write(root, SECOND, GREEN="NO", RED="NO")
    samples.write(root, THIRD, GREEN=True, RED=None)
    ingest.ingest_nights(NIGHT)
    assert rows("SELECT obsid, missing FROM observation ORDER BY obsid") == [
        (FIRST, "2D L1 L2"),
        (SECOND, "2D"),
        (THIRD, "2D L1 L2"),
    ]
