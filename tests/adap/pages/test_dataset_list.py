"""The pages of datasets: made from what is on disk, kept when it goes, small enough to be many."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from kpfnb import files, runs, settings
from kpfnb.adap import datasetpage, datasetspage
from kpfnb.adap.scoring import scorecards
from kpfnb.demo import reductions
from kpfnb.demo.slitmask import Slit
from kpfnb.runs import Record

NAME = "m/c/2015-10-16"


@pytest.fixture
def reduce() -> Path:
    """A simulated reduction of a good and a bad slit, scored, in the work directory."""
    folder = settings.load().work_dir / "datasets" / NAME / "complete/reduce"
    reductions.write(folder, {"DE.1.fits": {"DET01": [Slit(100), Slit(420, rms=0.9)]}})
    scorecards.run(folder, progress=False)
    return folder


def test_a_dataset_has_a_page_with_its_pictures_and_scorecard(reduce: Path) -> None:
    index = datasetspage.write()
    own = index.parent / f"{NAME}.html"
    assert f'href="{NAME}.html"' in index.read_text()
    page = own.read_text()
    assert "data:image/jpeg;base64," in page
    assert "slit_rms_over_thresh" in page
    assert "DET01:420" in page
    assert "SIMULATED" in page
    link = os.path.relpath(reduce / "reduction.json", own.parent)
    assert f'href="{link}"' in page
    assert len(page) < 1.5 * datasetpage.QA_BYTES


def test_it_is_made_again_only_where_something_has_changed(reduce: Path) -> None:
    own = datasetspage.write().parent / f"{NAME}.html"
    before = own.stat().st_mtime_ns
    datasetspage.write()
    assert own.stat().st_mtime_ns == before
    (reduce / "bad_slits.csv").write_text("slit_id,spec2d\nDET01:100,spec2d_x.fits\n")
    os.utime(reduce / "bad_slits.csv", (2e9, 2e9))
    datasetspage.write()
    assert "DET01:100" in own.read_text()


def test_it_stays_when_the_local_copy_goes(reduce: Path) -> None:
    datasetspage.write()
    shutil.rmtree(reduce.parents[1])
    index = datasetspage.write()
    assert f'href="{NAME}.html"' in index.read_text()
    assert datasetspage.GONE in index.read_text()
    files.write_text(index.parent / f"{NAME}.json", "{}")
    assert f'href="{NAME}.html"' in datasetspage.write().read_text()


def test_it_leads_to_the_runs_that_made_it_and_to_whole_pictures(reduce: Path) -> None:
    here = settings.load()
    for number, parameters in enumerate(
        [{"dataset": NAME}, {"datasets": ["x", f"/data/{NAME}/"]}, {"dataset": f"{NAME}_2015"}]
    ):
        folder = here.runs_dir / f"reduce/20261127T2{number}0000.000000Z-abcdef12"
        started = f"2026-11-27T2{number}:00:00Z"
        record = Record("abc", "reduce", started, parameters=parameters, directory=folder)
        runs.write(record)
    own = datasetspage.write().parent / f"{NAME}.html"
    page = own.read_text()
    found = [target for target in re.findall(r'href="([^"]+)"', page) if "/reduce/2026" in target]
    assert [target.split("/")[-2][9:11] for target in found] == ["21", "20"]
    assert "reduce 2026-11-27 20:00 UTC" in page
    pictures = re.findall(r'href="([^"]+\.png)"', page)
    assert pictures
    assert all((own.parent / unquote(one)).is_file() for one in pictures)


def test_what_was_never_reduced_has_no_page() -> None:
    (settings.load().work_dir / "datasets" / NAME / "complete/raw").mkdir(parents=True)
    index = datasetspage.write()
    assert NAME in index.read_text()
    assert not (index.parent / f"{NAME}.html").exists()
