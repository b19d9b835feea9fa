"""The three real L1 files of KPF in the database: every value as astropy reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from astropy.io import fits

from kpfnb.core.result import Outcome
from kpfnb.kpf.files import keywords
from kpfnb.kpf.tsdb import catalogue, database, ingest, maintenance, query
from kpfnb.kpf.tsdb.catalogue import KeywordEntry

pytestmark = pytest.mark.real

HST = timezone(timedelta(hours=-10))
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
STATES = {"YES": True, "NO": False, "open": True, "closed": False, "false": False}
"""All words that the three files have in keywords of kind `switch`."""

SWITCHES = {
    *("GREEN", "RED", "CA_HK", "EXPMETER", "GUIDE", "VIGNETTE", "STVIGNE", "SBVIGNE"),
    *("SCISEL", "SKYSEL", "FFSHTR", "SCRAMSHT", "SIMCALSH"),
}
NUMBERS_AS_TEXT = {"GAIAMAG", "2MASSMAG"}


@pytest.fixture
def entries(
    sqlite: str, real_l1: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> dict[str, KeywordEntry]:
    """The keywords of a database of the real files."""
    paths = list(real_l1.values())
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(paths[0].parents[2]))
    result = ingest.ingest_nights("20230101", "20241231")
    assert (result.outcome, result.ingested) == (Outcome.SUCCEEDED, len(paths))
    with database.read_transaction() as connection:
        return {e.keyword.name: e for e in catalogue.search_keywords(connection)}


def expected_value(name: str, value: object) -> object:
    """What the database should have for the value of a card."""
    if not isinstance(value, str):
        return value
    if name in SWITCHES:
        return STATES[value]
    if name in NUMBERS_AS_TEXT:
        return float(value) if value else None
    for form, zone in (
        ("%Y%m%dT%H:%M:%S HST", HST),
        ("%Y-%m-%d %H:%M:%S.%f", HST),
        ("%Y-%m-%dT%H:%M:%S.%f", UTC),
    ):
        try:
            moment = datetime.strptime(value, form).replace(tzinfo=zone)
        except ValueError:
            continue
        return None if moment == NEVER else moment
    return value or None


def test_every_keyword_has_the_value_that_astropy_reads(entries, real_l1):
    frame = query([f"L1:{name}" for name in entries if name != "SOURCE"], not_junk=False)
    compared = 0
    for obsid, path in real_l1.items():
        header = fits.getheader(path)
        for name in dict.fromkeys(header):
            if name in ("COMMENT", "") or keywords.is_structural(name):
                continue
            expected = expected_value(name, header[name])
            column = f"L1:{name}"
            actual = frame.loc[obsid, column] if column in frame else None
            compared += 1
            if expected is None:
                assert actual is None or pd.isna(actual), (obsid, name, actual)
            else:
                assert actual == expected, (obsid, name, actual, expected)
    assert compared > 300 * len(real_l1)


def test_there_is_one_note_and_no_problem(entries, real_l1):
    rows = maintenance.summarize_problems()[["state", "problem", "files"]].to_numpy().tolist()
    names = "GRACFMD5, OCTAGON, RDACFMD5"
    assert rows == [["note", f"duplicate cards with the same value: {names}", len(real_l1)]]
    status = maintenance.read_status()
    assert (status.problems, status.notes) == (0, len(real_l1))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("THRSBIN", "text"),
        ("KPFERA", "float"),
        ("GREEN", "bool"),
        ("SCISEL", "bool"),
        ("VIGNETTE", "bool"),
        ("THDAYON", "time"),
        ("TSHKEXP", "time"),
        ("DATE-BEG", "time"),
        ("DATE-OBS", "text"),
        ("UT", "text"),
        ("NOTJUNK", "int"),
        ("AIRMASS", "float"),
        ("FRAMENO", "int"),
        ("GRACFMD5", "text"),
        ("TOTCORR", "text"),
    ],
)
def test_the_kind_is_sensible(entries, name, kind):
    assert name not in entries or str(entries[name].kind) == kind


def test_units_and_descriptions_are_known(entries):
    described = {name: entry for name, entry in entries.items() if entry.description}
    assert described.keys() == entries.keys()
    assert (entries["EL"].unit, entries["EL"].description) == ("deg", "DCS Elevation")
    assert entries["EXPTIME"].unit
    assert "HST" in entries["THDAYON"].description
