"""Questions to the database."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.tsdb import ingest, query
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD

OTHER = "KP.20240116.01000.00"


@pytest.fixture
def filled(sqlite, root):
    samples.write_all(root, FIRST, AIRMASS=1.2, FLAG=True, GOOD=1)
    samples.write_all(root, SECOND, AIRMASS=1.8, NOTJUNK=0, FLAG=False, GOOD=0)
    samples.write(root, THIRD, IMTYPE="Bias", OBJECT="autocal-bias")
    samples.write_all(root, OTHER, AIRMASS=1.4, OBJECT="O'Neill %s; DROP TABLE file", GOOD=1)
    ingest.ingest_nights(NIGHT, "20240116")
    return root


def names(*given, **more):
    return list(query(["OBJECT"], *given, **more).index)


def test_dtypes_are_real(filled):
    columns = ["EXPTIME", "FRAMENO", "FLAG", "DATE-MID", "OBJECT", "GOOD", "L2:FLAG"]
    frame = query(columns, not_junk=False)
    assert [str(kind) for kind in frame.dtypes] == [
        "datetime64[us, UTC]", "float64", "int64", "boolean", "datetime64[us, UTC]", "str",
        "Int64", "boolean",
    ]  # fmt: skip
    assert frame["time"].iloc[0] == datetime(2024, 1, 15, 0, 16, 40, tzinfo=UTC)
    assert frame["DATE-MID"].iloc[0] == pd.Timestamp("2024-01-15T00:16:55.25", tz="UTC")
    assert frame["FLAG"].isna().tolist() == [False, False, True, True]


def test_ranges(filled):
    assert names() == [FIRST, THIRD, OTHER]
    assert names(NIGHT, NIGHT) == [FIRST, THIRD]
    assert names(start="20240116") == [OTHER]
    assert names(end="2024-01-15T00:30") == [FIRST]
    assert names(datetime(2024, 1, 15, 0, 30, tzinfo=UTC), NIGHT) == [THIRD]
    assert names(date(2024, 1, 16)) == [OTHER]
    assert names("20300101") == []


def test_filters(filled):
    assert names(not_junk=False) == [FIRST, SECOND, THIRD, OTHER]
    assert names(source="Bias") == [THIRD]
    assert names(source=["Star", "Bias"], end=NIGHT) == [FIRST, THIRD]
    assert names(object="O'Neill %s; DROP TABLE file") == [OTHER]
    assert names(where=[["AIRMASS", "<", 1.3]]) == [FIRST]
    assert names(where=[["AIRMASS", ">=", 1.2], ["OBJECT", "!=", "10700"]]) == [OTHER]
    assert names(where=[["AIRMASS", "in", [1.2, 1.4]]]) == [FIRST, OTHER]
    assert names(where=[["OBJECT", "not in", ["10700"]]]) == [THIRD, OTHER]
    assert names(where=[["DATE-MID", ">", datetime(2024, 1, 15, tzinfo=UTC)]], source="Bias")
    assert names(qc=["GOOD"]) == [FIRST, OTHER]


def test_the_junk_list_counts_too(filled):
    listing = filled / "reference/Junk_Observations_for_KPF.csv"
    listing.parent.mkdir()
    listing.write_text(f"# junk\nobservation_id\n{OTHER}\n")
    assert names() == [FIRST, THIRD]


def test_an_unreadable_junk_list_is_an_error(filled):
    (filled / "reference/Junk_Observations_for_KPF.csv").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match=r"junk list: .*Is a directory"):
        names()
    assert names(not_junk=False) == [FIRST, SECOND, THIRD, OTHER]


def test_the_level_can_be_named(filled):
    frame = query(["L1:DRPTAG", "DRPTAG"], NIGHT, NIGHT, not_junk=False)
    assert frame["L1:DRPTAG"].notna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"columns": ["AIRMAS"]}, "AIRMASS"),
        ({"columns": ["L0:RVS10"]}, "RVS10 is not in L0 files.*it is in L2"),
        ({"columns": ["CCFRV"]}, "a keyword of KPF, but no ingested file has a value of it"),
        ({"columns": ["kpfred.STA_CCD_T"]}, "a keyword of KPF, but no ingested"),
        ({"columns": ["CCFRVV"]}, "no such keyword.*did you mean CCFRV"),
        ({"columns": ["WXYZWXYZ"]}, "no such keyword.*search"),
        ({"columns": ["OBJECT"], "where": [["AIRMASS", "~", 1]]}, "==, <"),
        ({"columns": ["OBJECT"], "where": ["AIRMASS < 1"]}, "AIRMASS < 1"),
        ({"columns": ["OBJECT"], "where": [["AIRMASS", "<", "low"]]}, "'low' is not of kind float"),
        ({"columns": ["OBJECT"], "where": [["OBJECT", "in", "Bias"]]}, "'Bias' is not a list"),
        ({"columns": ["OBJECT"], "where": [["AIRMASS", "not in", 1]]}, "1 is not a list"),
        ({"columns": ["OBJECT"], "start": "yesterday"}, "yesterday"),
        ({"columns": ["OBJECT"], "qc": ["NOTJUNC"]}, "NOTJUNK"),
    ],
)
def test_the_message_says_what_is_wrong(filled, given, message):
    with pytest.raises(InvalidParameterError) as caught:
        query(**given)
    assert re.search(message, f"{caught.value.what} {caught.value.hint}", re.DOTALL)


def test_without_a_database_it_says_what_to_do(sqlite):
    with pytest.raises(InvalidInputError, match="kpfnb ingest"):
        query(["OBJECT"])
