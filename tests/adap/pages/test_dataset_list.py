"""The pages of datasets: made from the files on disk, kept when these are removed, and small."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from kpfnb import runs
from kpfnb.adap.pages import dataset, dataset_list
from kpfnb.adap.score import run
from kpfnb.adap.score.page import write_page
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
    zone = configuration.zone
    local = datetime(2026, 11, 27, 20, tzinfo=UTC).astimezone(zone)
    assert f"reduce {local:%Y-%m-%d %H:%M}<" in page
    assert page.count(f">{zone.key}<") == 1
    pictures = re.findall(r'href="([^"]+\.png)"', page)
    assert pictures
    assert all((page_path.parent / unquote(item)).is_file() for item in pictures)


def test_what_was_never_reduced_has_no_page() -> None:
    (settings.load_settings().work_dir / "datasets" / NAME / "complete/raw").mkdir(parents=True)
    index = dataset_list.write_dataset_pages()
    assert NAME in index.read_text()
    assert not (index.parent / f"{NAME}.html").exists()


def test_a_dataset_that_is_not_all_reduced_can_be_reduced_again(reduce: Path) -> None:
    record = {
        "outcome": "partial",
        "reason": "1 of 2 reduced",
        "inputs": {"frames": {}, "spectrograph": "keck_deimos"},
        "science": [
            {"file": "a.fits", "kind": "science", "setup": "A", "reason": "no spec2d"},
            {"file": "b.fits", "kind": "science", "setup": "A", "reason": ""},
        ],
    }
    summaries = {}
    for outcome in ("partial", "succeeded"):
        atomic.write_json(reduce / "reduction.json", {**record, "outcome": outcome})
        summaries[outcome] = dataset_list.summarize_dataset(reduce.parents[1], NAME)
    assert summaries["succeeded"].reduce_again is None
    action = summaries["partial"].reduce_again
    assert action and action.parameters == {
        "dataset": NAME,
        "force": True,
        "spectrograph": "keck_deimos",
    }
    page = dataset_list.render_list_page([summaries["partial"]], reduce)
    assert page.count('data-label="Reduce again"') == 1
    assert "-p spectrograph=keck_deimos" in page


def test_the_scorecard_leads_to_the_page_of_the_dataset(reduce: Path) -> None:
    result = run.score_reductions(reduce, progress=False)
    assert f"{NAME}.html" not in write_page(result).read_text()
    index = dataset_list.write_dataset_pages()
    page_path = write_page(result)
    targets = re.findall(rf'href="([^"]*{NAME}\.html)"', page_path.read_text())
    assert len(targets) >= 2
    for target in targets:
        assert (page_path.parent / unquote(target)).samefile(index.parent / f"{NAME}.html")


def test_what_is_not_reduced_comes_first(reduce: Path) -> None:
    last = settings.load_settings().work_dir / "datasets/z/c/2015-10-16/complete/raw"
    last.mkdir(parents=True)
    page = dataset_list.write_dataset_pages().read_text()
    assert page.index("z/c/2015-10-16") < page.index(NAME)
