"""From raw frames to the archive and back: the pipeline `adap`, by notebooks, with real PypeIt.

One full default run: nine frames of the Kast spectrograph and a second science exposure, reduced by
a worker of the queue, scored, flux-calibrated, collated, stacked, delivered to S3 and downloaded
again. About 230 CPU-s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from kpfnb import storage
from kpfnb.adap.archive import ipac_tables, verification
from kpfnb.adap.coadd import products, run
from kpfnb.adap.coadd.products import CoaddKind
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.run import CombinedCoaddResult
from kpfnb.adap.coadd.task import CoaddConfig
from kpfnb.adap.products import spectra
from kpfnb.adap.pypeit import installation
from kpfnb.adap.score.row import SCORECARD_COLUMNS
from kpfnb.adap.score.run import tab_for
from kpfnb.core import atomic
from kpfnb.core.result import Outcome
from kpfnb.notebook.display import figures
from kpfnb.queue.client import Queue
from kpfnb.storage import sheets
from tests.storage.conftest import KEYS, s3_port, s3_root  # noqa: F401

pytestmark = [pytest.mark.pypeit, pytest.mark.timeout(1700)]

PROJECT = Path(__file__).parents[2]
CONFIG = "longslit/600-4310_d55"
NAME = f"{CONFIG}/2015-05-20"
STEPS = ["prepare", "load", "reduce", "scorecard", "coadd", "archive"]


@dataclass
class Site:
    """A machine, its remotes, and what the pipeline printed."""

    work: Path
    data: Path
    koa: Path
    variables: dict[str, str]
    printed: str

    def kpfnb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", *arguments]
        return subprocess.run(
            command, cwd=PROJECT, env=self.variables, capture_output=True, text=True
        )

    def values(self, notebook: str) -> dict[str, object]:
        """What the last run of a notebook gave to later steps."""
        last = max(self.work.glob(f"runs/{notebook}/*/result.json"))
        values: dict[str, object] = atomic.read_json(last)["values"]
        return values


@pytest.fixture(scope="module")
def frames(kast_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of full-size frames with two science exposures."""
    pack = installation.pack_folder()
    if not pack:
        pytest.skip(
            f"only the pack that {installation.PACK_VARIABLE} names makes a second exposure"
        )
    folder = tmp_path_factory.mktemp("frames")
    options = ["--n", "1", "--science", "2"]
    subprocess.run([sys.executable, pack / "make_datasets.py", folder, *options], check=True)
    return folder / "night01"


@pytest.fixture(scope="module")
def site(
    frames: Path,
    s3_port: int,  # noqa: F811
    s3_root: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The pipeline has run; backup and archive are S3."""
    folder = tmp_path_factory.mktemp("site")
    (s3_root / "bucket" / folder.name).mkdir()
    bucket = f"s3:bucket/{folder.name}"
    places = {"data": str(folder / "data"), "backup": f"{bucket}/backup", "koa": f"{bucket}/koa"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KPFNB_")}
    variables = kept | {
        "KPFNB_KAST_PACK": os.environ["KPFNB_KAST_PACK"],
        "KPFNB_WORK_DIR": str(folder / "work"),
        "KPFNB_REMOTES": json.dumps(places),
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "Rclone",
        "RCLONE_CONFIG_S3_ENDPOINT": f"http://127.0.0.1:{s3_port}",
        "RCLONE_CONFIG_S3_ACCESS_KEY_ID": KEYS[0],
        "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": KEYS[1],
    }
    site = Site(
        folder / "work", folder / "data", s3_root / "bucket" / folder.name / "koa", variables, ""
    )
    try:
        options = [
            "-p",
            f"raw={frames}",
            "-p",
            f"root={folder / 'data'}",
            "-p",
            f"coadd={NAME}",
        ]
        done = site.kpfnb("pipeline", "run", "adap", *options)
        site.printed = done.stdout + done.stderr
        assert done.returncode == 0, site.printed
        yield site
    finally:
        site.kpfnb("services", "stop")


@pytest.fixture
def local_site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site's settings in this process."""
    for name, value in site.variables.items():
        if name.startswith(("KPFNB_", "RCLONE_")):
            monkeypatch.setenv(name, value)
    return site


def test_every_step_succeeded(site: Site) -> None:
    outcomes = {
        path.parents[1].name: atomic.read_json(path)["outcome"]
        for path in site.work.glob("runs/*/*/run.json")
    }
    notebooks = {"queue" if step == "load" else step for step in STEPS}
    assert {name: outcomes.get(name) for name in notebooks} == dict.fromkeys(notebooks, "succeeded")


def test_the_worker_reduced_all_frames_and_published_them(local_site: Site) -> None:
    with Queue("reduce") as queue:
        item = queue.item(NAME)
    assert (str(item.state), item.attempts) == ("done", 1)
    science = local_site.data / NAME / "complete/reduce/shane_kast_blue_A/Science"
    assert len(list(science.glob("spec2d_*.fits"))) == 3, "two science frames, a standard"
    assert (science.parent / "QA.tar.gz").stat().st_size > 100_000
    assert storage.resolve_location("backup:").glob(
        f"{NAME}/complete/reduce/*/Science/spec1d_*.fits"
    )


def test_it_was_scored(site: Site) -> None:
    text = (site.work / "datasets" / NAME / "complete/reduce/scorecard.csv").read_text()
    header, *rows = text.splitlines()
    assert header.split(",") == list(SCORECARD_COLUMNS)
    assert len(rows) == 2
    assert all(row.startswith(NAME) for row in rows)
    assert NAME in (site.work / "runs/datasets/index.html").read_text()


@pytest.fixture(scope="module")
def coadds(site: Site) -> CombinedCoaddResult:
    """What the pipeline's step has coadded, by its records."""
    complete = site.work / "datasets" / NAME / "complete"
    folders = [complete / kind.folder for kind in CoaddKind]
    results = (
        CoaddResult.from_dict(atomic.read_json(folder / run.RECORD_FILE), folder)
        for folder in folders
    )
    return CombinedCoaddResult(tuple(results))


def test_it_was_coadded_by_all_steps(coadds: CombinedCoaddResult) -> None:
    assert coadds.outcome is Outcome.SUCCEEDED, coadds.reason
    steps = [step.name.split()[0] for part in coadds.parts for step in part.steps]
    assert steps == [
        *("pypeit_sensfunc", "pypeit_flux_calib", "pypeit_collate_1d"),
        *("pypeit_setup_coadd2d", "pypeit_coadd_2dspec"),
    ]
    assert all(step.peak_bytes > 1e8 for part in coadds.parts for step in part.steps)


def test_the_standard_star_calibrates_every_spectrum(
    coadds: CombinedCoaddResult, site: Site
) -> None:
    flux = {frame.kind: frame.flux for frame in coadds.parts[0].science}
    (standard,) = (frame.file for frame in coadds.parts[0].science if frame.kind == "standard")
    assert set(flux) == {"science", "standard"}
    assert set(flux.values()) == {standard.rpartition("/")[2]}
    reduced = site.work / "datasets" / NAME / "complete/reduce"
    for path in reduced.glob("*/Science/spec1d_*.fits"):
        with fits.open(path) as hdus:
            assert "OPT_FLAM" not in hdus[1].columns.names


def test_the_star_has_its_known_flux(coadds: CombinedCoaddResult) -> None:
    """Feige 66 (10.5 mag) has about 4e-13 erg/s/cm²/Å at 4500 Å."""
    (path,) = coadds.parts[0].output.glob("spec1d/spec1d_*Feige66*.fits")
    name = max(spectra.read_spectra(path), key=lambda spectrum: spectrum.snr or 0).name
    with fits.open(path) as hdus:
        table = hdus[name].data
        near = abs(table["OPT_WAVE"] - 4500) < 50
        assert 1e4 < np.median(table["OPT_FLAM"][near]) < 1e5


def test_the_coadd_is_better_than_its_parts(coadds: CombinedCoaddResult) -> None:
    result = coadds.parts[0]
    coadd = max(result.coadds, key=lambda coadd: coadd.snr or 0)
    coadded = products.read_spectrum(result.output / coadd.products[0])
    parts = [path for path in result.output.glob("spec1d/*.fits") if "Feige66" not in path.name]
    best = max(spectrum.snr or 0 for path in parts for spectrum in spectra.read_spectra(path))
    assert (len(coadd.frames), coadd.fluxed, coadded.fluxed) == (2, True, True)
    assert 1.15 * best < coadd.snr < 1.7 * best
    near = abs(coadded.wavelength - 4500) < 200
    assert 5 < np.median(coadded.flux[near]) < 60


def test_two_exposures_are_stacked(coadds: CombinedCoaddResult, tmp_path: Path) -> None:
    result = coadds.parts[1]
    (coadd,) = result.coadds
    assert len(coadd.frames) == 2
    spec2d, spec1d = (result.output / name for name in coadd.products)
    with fits.open(spec2d) as hdus:
        assert hdus[0].header["COADDOBJ"] == spec2d.stem.removeprefix("spec2d_")
        assert "DET01-SCIIMG" in hdus
    best = max(spectra.read_spectra(spec1d), key=lambda spectrum: spectrum.snr or 0)
    assert best.snr == pytest.approx(coadd.snr)
    assert best.snr > 11
    picture = figures.plot(coadds)
    picture.savefig(tmp_path / "coadds.png")
    assert len(picture.axes) >= 3


def test_a_second_coadd_has_nothing_to_do(local_site: Site, coadds: CombinedCoaddResult) -> None:
    for part in coadds.parts:
        folder = local_site.work / "datasets" / NAME
        again = run.coadd_folder(folder, "", part.kind, CoaddConfig(), progress=False)
        assert again.note.startswith("nothing to do")
        assert again.coadds == part.coadds


def test_the_sheet_was_updated(local_site: Site) -> None:
    table = sheets.open_workbook().read(tab_for(NAME))
    assert len([row for row in table.rows if NAME in row]) == 2


def test_all_of_it_is_in_the_archive(local_site: Site) -> None:
    reduced = ipac_tables.read_table(local_site.koa / "reduced_files_meta.dat")
    assert len(reduced) == 3
    assert {row["koaid"] for row in reduced} == {f"n01_b{n}.fits.gz" for n in (24, 27, 28)}
    coadded = ipac_tables.read_table(local_site.koa / "coadded_files_meta.dat")
    assert {row["source_id"] for row in coadded} == {"n01_b27.fits.gz", "n01_b28.fits.gz"}
    named = [value for row in (*reduced, *coadded) for key, value in row.items() if "file" in key]
    assert all((local_site.koa / name).is_file() for name in named)
    assert "Missing\n-------\nnone" in (local_site.koa / "report.txt").read_text()
    assert "Unrecognised\n------------\nnone" in (local_site.koa / "report.txt").read_text()
    assert (
        verification.verify_delivery(destination="koa:", progress=False).outcome
        is Outcome.SUCCEEDED
    )


def test_the_downloaded_files_are_identical(local_site: Site, tmp_path: Path) -> None:
    transfer = storage.transfer_files(
        storage.resolve_location("koa:"), tmp_path / "back", progress=False
    )
    assert not transfer.failed
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "back"
    )
    assert done.returncode == 0
    science = local_site.work / "datasets" / NAME / "complete/reduce/shane_kast_blue_A/Science"
    for path in science.glob("spec?d_*.fits"):
        back = tmp_path / "back" / NAME / "shane_kast_blue_A/Science" / path.name
        assert back.read_bytes() == path.read_bytes()


def test_run_again_it_has_nothing_to_do(site: Site) -> None:
    before = {path: path.stat().st_mtime_ns for path in site.koa.rglob("*") if path.is_file()}
    done = site.kpfnb("archive", "deliver", NAME, "--to", "koa:", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [unit["state"] for unit in json.loads(done.stdout)["units"]] == ["there already"]
    assert {p: p.stat().st_mtime_ns for p in site.koa.rglob("*") if p.is_file()} == before
