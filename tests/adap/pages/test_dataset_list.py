"""The pages of datasets: made from the files on disk, kept when these are removed, and small."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from kpfnb import runs
from kpfnb.adap.pages import dataset, dataset_list
from kpfnb.adap.score import run
from kpfnb.core import atomic, settings
from kpfnb.demo import reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedSlit
from kpfnb.runs import RunRecord

NAME = "m/c/2015-10-16"


@pytest.fixture
def reduce() -> Path:
    """A simulated reduction of a good and a bad slit, scored, in the work directory."""
    folder = settings.load_settings().work_dir / "datasets" / NAME / "complete/reduce"
    reduced_datasets.write_reduction(
        folder, {"DE.1.fits": {"DET01": [SimulatedSlit(100), SimulatedSlit(420, rms=0.9)]}}
    )
    run.score_reductions(folder, progress=False)
    return folder


def test_a_dataset_has_a_page_with_its_pictures_and_scorecard(reduce: Path) -> None:
    index = dataset_list.write_dataset_pages()
    page_path = index.parent / f"{NAME}.html"
    assert f'href="{NAME}.html"' in index.read_text()
    page = page_path.read_text()
    assert "data:image/jpeg;base64," in page
    assert "Slits with high RMS of the wavelengths" in page
    assert "DET01:420" in page
    assert "SIMULATED" in page
    link = os.path.relpath(reduce / "reduction.json", page_path.parent)
    assert f'href="{link}"' in page
    assert len(page) < 1.5 * dataset.QA_BYTES


def test_it_is_made_again_only_where_something_has_changed(reduce: Path) -> None:
    page_path = dataset_list.write_dataset_pages().parent / f"{NAME}.html"
    before = page_path.stat().st_mtime_ns
    dataset_list.write_dataset_pages()
    assert page_path.stat().st_mtime_ns == before
    (reduce / "bad_slits.csv").write_text("slit_id,spec2d\nDET01:100,spec2d_x.fits\n")
    os.utime(reduce / "bad_slits.csv", (2e9, 2e9))
    dataset_list.write_dataset_pages()
    assert "DET01:100" in page_path.read_text()


def test_it_stays_when_the_local_copy_goes(reduce: Path) -> None:
    dataset_list.write_dataset_pages()
    shutil.rmtree(reduce.parents[1])
    index = dataset_list.write_dataset_pages()
    assert f'href="{NAME}.html"' in index.read_text()
    assert dataset_list.GONE_NOTE in index.read_text()
    atomic.write_text(index.parent / f"{NAME}.json", "{}")
    assert f'href="{NAME}.html"' in dataset_list.write_dataset_pages().read_text()


def test_it_links_to_its_runs_and_to_full_size_pictures(reduce: Path) -> None:
    configuration = settings.load_settings()
    for number, parameters in enumerate(
        [{"dataset": NAME}, {"datasets": ["x", f"/data/{NAME}/"]}, {"dataset": f"{NAME}_2015"}]
    ):
        folder = configuration.runs_dir / f"reduce/20261127T2{number}0000.000000Z-abcdef12"
        started = f"2026-11-27T2{number}:00:00Z"
        record = RunRecord("abc", "reduce", started, parameters=parameters, directory=folder)
        runs.write_record(record)
    page_path = dataset_list.write_dataset_pages().parent / f"{NAME}.html"
    page = page_path.read_text()
    results = [target for target in re.findall(r'href="([^"]+)"', page) if "/reduce/2026" in target]
    assert [target.split("/")[-2][9:11] for target in results] == ["21", "20"]
    assert "reduce 2026-11-27 20:00 UTC" in page
    pictures = re.findall(r'href="([^"]+\.png)"', page)
    assert pictures
    assert all((page_path.parent / unquote(item)).is_file() for item in pictures)


def test_what_was_never_reduced_has_no_page() -> None:
    (settings.load_settings().work_dir / "datasets" / NAME / "complete/raw").mkdir(parents=True)
    index = dataset_list.write_dataset_pages()
    assert NAME in index.read_text()
    assert not (index.parent / f"{NAME}.html").exists()
