"""Real observations from the disk to pages, database, progress and verdict.

What is expected of each file was read in the files themselves: the wavelengths with astropy, the
flags in their headers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpfnb.core import atomic
from kpfnb.core.result import Outcome
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.nightreport.report import write_report
from kpfnb.kpf.progress.result import assess_progress
from kpfnb.kpf.quicklook import process_range
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.tsdb import ingest, query
from kpfnb.kpf.verdict import assessment
from tests.real_files import REAL_AUGUST, REAL_FEBRUARY, link_real_files

pytestmark = pytest.mark.real

FIRST, LAST = "20230628", "20240211"


@pytest.fixture
def tree(isolated: Path) -> dict[str, Path]:
    """The real files in the data root of the test."""
    return link_real_files(isolated / "data")


@pytest.mark.slow
def test_quicklook_finds_the_odd_wavelengths_and_no_other_fault(tree):
    """The file of August has MONOTWLS = 0: wavelengths of two CAL orders do not fall throughout."""
    result = process_range(FIRST, LAST)
    assert result.outcome is Outcome.SUCCEEDED
    assert {ObsID.parse(item.name).text for item in result.items} == set(tree)
    for item in result.items:
        obsid = ObsID.parse(item.name).text
        checks = read_checks(result.products, obsid)
        assert item.verdict == Verdict.PASS, item
        # What was found and is not judged has a number; the others have the reason
        found = [
            c
            for c in checks
            if c["verdict"] == Verdict.NOT_JUDGED and isinstance(c["value"], float | int)
        ]
        assert all("wavelengths" in c["name"].lower() or c["source"] == "ISGOOD" for c in found)
        assert {"MONOTWLS", "rising_other_orders"} <= {c["source"] for c in found} or (
            obsid != REAL_AUGUST
        )
        # A check that does not apply says why
        assert all(c["value"] not in (None, "") for c in checks)


@pytest.mark.slow
def test_quicklook_draws_the_spectra(tree):
    result = process_range(LAST)
    night = result.products / LAST
    assert (night / "index.html").is_file()
    pictures = [path.name for path in night.rglob(f"{REAL_FEBRUARY}*.png")]
    # Five orderlets, one order, S/N, flux ratios, differences of wavelengths
    assert len(pictures) == 9, pictures


def test_the_database_has_the_keywords_of_each_observation(tree):
    assert ingest.ingest_nights(FIRST, LAST).outcome is Outcome.SUCCEEDED
    frame = query(["OBJECT", "IMTYPE", "EXPTIME", "DRPTAG", "MONOTWLS"], not_junk=False)
    assert list(frame.index) == sorted(tree)
    assert set(frame["OBJECT"]) == {"autocal-flat-all"}
    assert set(frame["EXPTIME"]) == {30.0}
    flags = dict(frame["MONOTWLS"])
    assert flags == {obsid: int(obsid != REAL_AUGUST) for obsid in tree}


def test_progress_says_that_there_is_an_l1_without_an_l0(tree):
    progress = assess_progress(FIRST, LAST)
    assert [night.night for night in progress.nights] == sorted(obsid[3:11] for obsid in tree)
    text = str(progress)
    for path in tree.values():
        assert path.name in text
    assert "without an L0" in text


def test_the_verdict_judges_by_the_products_and_names_what_is_missing(tree):
    verdict = assessment.assess_night(LAST)
    results = {result.rule.name: result for result in verdict.results}
    assert results["bias-frames"].verdict is Verdict.FAIL
    # SNRSC548 of its header is 108; the pipeline's limits for flats are 40 and 1600
    assert results["flat-signal"].verdict is Verdict.PASS
    assert "1 observation with products and without an L0" in str(verdict)


def test_a_report_of_the_night_can_be_written(tree):
    report = write_report(LAST)
    assert "no bias frames" in Path(report.page).read_text()


def read_checks(products: Path, obsid: str) -> list[dict[str, Any]]:
    """The checks in the record of an observation."""
    records = map(atomic.read_json, (products / obsid[3:11]).rglob(f"*{obsid}*.json"))
    return [check for record in records for check in record["checks"]]
