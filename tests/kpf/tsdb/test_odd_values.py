"""One value of another kind affects no other value, and is reported for its own file."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from kpfnb.kpf.tsdb import database, ingest, maintenance, query
from kpfnb.kpf.tsdb.catalogue import search_keywords
from kpfnb.kpf.tsdb.plots import data
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD

OTHER = "KP.20240116.01000.00"


def problems():
    frame = maintenance.summarize_problems()
    frame = frame[frame["reason"] != "NaN"]
    return frame[["state", "problem", "files", "example"]].to_numpy().tolist()


def kind(name):
    with database.read_transaction() as connection:
        return {str(entry.kind) for entry in search_keywords(connection, f"^{name}$")}


def readings(keyword):
    sql = f"SELECT obsid, number, text FROM reading WHERE keyword = '{keyword}' ORDER BY obsid"
    with database.read_transaction() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_one_text_leaves_the_numbers_of_the_range_as_they_are(any_database, root):
    samples.write(root, FIRST, AIRMASS=1.2)
    bad = samples.write(root, SECOND, AIRMASS="n/a", EXPTIME="300.0")
    samples.write(root, OTHER, AIRMASS=1.4)
    ingest.ingest_nights(NIGHT, "20240116")
    frame = query(["AIRMASS", "EXPTIME"])
    assert frame["AIRMASS"].tolist() == [1.2, pytest.approx(np.nan, nan_ok=True), 1.4]
    assert frame["EXPTIME"].tolist() == [30.5, 300.0, 30.5]
    assert [str(dtype) for dtype in frame.dtypes[1:]] == ["float64", "float64"]
    assert problems() == [
        ["warning", "value of another kind: AIRMASS = 'n/a' (column: float)", 1, str(bad)],
        ["note", "number written as text: EXPTIME", 1, str(bad)],
    ]
    assert readings("AIRMASS") == [(FIRST, 1.2, None), (SECOND, None, "n/a"), (OTHER, 1.4, None)]


def test_after_the_repair_the_next_plain_ingest_corrects_the_rows(any_database, root):
    samples.write(root, FIRST, AIRMASS=1.2)
    samples.write(root, SECOND, AIRMASS="n/a")
    ingest.ingest_nights(NIGHT)
    samples.write(root, SECOND, AIRMASS=1.3)
    assert ingest.ingest_nights(NIGHT).ingested == 1
    assert query(["AIRMASS"])["AIRMASS"].tolist() == [1.2, 1.3]
    assert problems() == []
    assert [row[2] for row in readings("AIRMASS")] == [None, None]


def test_a_product_has_its_own_problem(any_database, root):
    samples.write(root, FIRST, AIRMASS=1.1)
    for level in ("L0", "2D"):
        samples.write(root, SECOND, level, AIRMASS="n/a")
    samples.write(root, SECOND, "L1", AIRMASS=1.5)
    ingest.ingest_nights(NIGHT)
    assert [(row[0], row[2]) for row in problems()] == [("warning", 2)]
    frame = query(["2D:AIRMASS", "L1:AIRMASS"])
    assert frame.iloc[1, 1:].isna().tolist() == [True, False]


def test_the_plot_shows_what_is_known(sqlite, root):
    samples.write(root, FIRST, AIRMASS=1.2)
    samples.write(root, SECOND, AIRMASS="n/a")
    ingest.ingest_nights(NIGHT)
    panel = TimeSeriesPanel.model_validate(
        {
            "name": "a", "group": "A", "title": "A",
            "rows": [{"label": "airmass", "lines": {"star": "AIRMASS"}}],
            "select": {"where": [["AIRMASS", "<", 2], ["GREEN", "==", "YES"]]},
        }
    )  # fmt: skip
    view = PanelView(data.fetch_table([panel], NIGHT, NIGHT), panel)
    assert (view.is_empty, view.numbers("AIRMASS").tolist()) == (False, [1.2])


@pytest.mark.parametrize("first", ["broken", "2024-01-15T00:00:00", True, 2**60])
def test_one_odd_value_of_an_unknown_keyword_does_not_decide(any_database, root, first):
    """Whenever it comes: before the numbers, after them, or in the same night."""
    samples.write(root, FIRST, SOMEKEY=first)
    ingest.ingest_nights(NIGHT)
    samples.write(root, SECOND, SOMEKEY=2.5)
    samples.write(root, THIRD, SOMEKEY=3.5)
    ingest.ingest_nights(NIGHT)
    samples.write(root, OTHER, SOMEKEY=first)
    ingest.ingest_nights("20240116")
    values = query(["SOMEKEY"])["SOMEKEY"]
    assert values.tolist()[1:3] == [2.5, 3.5]
    assert kind("SOMEKEY") == {"float"}


def test_most_values_decide_what_an_unknown_keyword_is(any_database, root):
    """One number first, then texts: the number becomes a text, and nothing is lost."""
    samples.write_all(root, FIRST, SOMEKEY=4)
    ingest.ingest_nights(NIGHT)
    assert kind("SOMEKEY") == {"int"}
    for obsid in (SECOND, THIRD, OTHER):
        samples.write_all(root, obsid, SOMEKEY="blue")
    ingest.ingest_nights(NIGHT, "20240116")
    assert kind("SOMEKEY") == {"text"}
    for column in ("SOMEKEY", "L2:SOMEKEY"):
        assert query([column])[column].tolist() == ["4", "blue", "blue", "blue"]
    assert problems() == []


def test_files_one_by_one_give_the_same_kind_as_together(sqlite, root):
    values = [1, "odd", 2.5, 3, "odd", 4.5]
    for number, value in enumerate(values):
        samples.write(root, f"KP.{NIGHT}.0{number}000.00", SOMEKEY=value)
    for path in sorted(root.glob("L0/*/*")):
        ingest.ingest_files([path])
    one_by_one = query(["SOMEKEY"])
    ingest.ingest_nights(NIGHT, force=True)
    assert query(["SOMEKEY"]).equals(one_by_one)
    assert one_by_one["SOMEKEY"].tolist()[2:4] == [2.5, 3.0]


def test_switches_are_one_and_zero_and_the_old_words_still_select(any_database, root):
    samples.write_all(root, FIRST, SCISEL="open", VIGNETTE="false")
    samples.write_all(root, SECOND, SCISEL="closed", VIGNETTE="true", GREEN="NO")
    ingest.ingest_nights(NIGHT)
    columns = ["GREEN", "SCISEL", "VIGNETTE", "L1:SCISEL"]
    frame = query(columns)
    assert frame[columns].to_numpy().tolist() == [
        [True, True, False, True], [False, False, True, False],
    ]  # fmt: skip
    assert [row[1] for row in readings("GREEN")[::4]] == [1.0, 0.0]
    for condition in (["GREEN", "==", "YES"], ["GREEN", "==", 1], ["SCISEL", "in", ["open"]]):
        assert list(query(["GREEN"], where=[condition]).index) == [FIRST]
    assert list(query(["GREEN"], where=[["VIGNETTE", "!=", "false"]]).index) == [SECOND]
    assert problems() == []


def test_times_in_hst_are_real_times(any_database, root):
    samples.write(
        root, FIRST, THDAYON="20240210T07:00:09 HST", UAUON="19691231T14:00:00 HST",
        TSHKEXP="2024-02-10 14:00:48.675",
    )  # fmt: skip
    samples.write(root, SECOND, UAUON="20240211T00:00:00 HST")
    ingest.ingest_nights(NIGHT)
    frame = query(["THDAYON", "UAUON", "TSHKEXP"])
    assert frame["THDAYON"].iloc[0].isoformat() == "2024-02-10T17:00:09+00:00"
    assert frame["TSHKEXP"].iloc[0].isoformat() == "2024-02-11T00:00:48.675000+00:00"
    assert frame["UAUON"].isna().tolist() == [True, False]
    where = [["THDAYON", "==", "20240210T07:00:09 HST"]]
    assert list(query(["OBJECT"], where=where).index) == [FIRST]
    with database.read_transaction() as connection:
        found = [entry.keyword.name for entry in search_keywords(connection, "HST")]
    assert {"THDAYON", "UAUON"} <= set(found)


def test_a_keyword_of_texts_may_look_like_a_number(sqlite, root):
    """THRSBIN is `All` in the real L1 KP.20240211.00048.69, and a wavelength elsewhere."""
    samples.write(root, FIRST, THRSBIN=604.38, OBJECT=10700, GAIAID=2993561629444856960)
    samples.write(root, SECOND, THRSBIN="All")
    ingest.ingest_nights(NIGHT)
    frame = query(["THRSBIN", "OBJECT", "GAIAID"])
    assert frame["THRSBIN"].tolist() == ["604.38", "All"]
    assert frame["OBJECT"].tolist() == ["10700", "10700"]
    assert frame["GAIAID"].iloc[0] == "2993561629444856960"
    assert problems() == []


def test_units_and_descriptions_come_from_the_catalogue_where_cards_have_none(sqlite, root):
    samples.write(root, FIRST, AIRMASS=1.2, EL=(40.0, "[deg] from the card"), ELAPSED=30.0)
    ingest.ingest_nights(NIGHT)
    with database.read_transaction() as connection:
        entries = {entry.keyword.name: entry for entry in search_keywords(connection)}
    assert (entries["EL"].unit, entries["EL"].description) == ("deg", "from the card")
    assert entries["ELAPSED"].unit
    assert entries["AIRMASS"].description
