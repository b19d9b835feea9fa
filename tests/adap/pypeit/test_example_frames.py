"""Real frames through real PypeIt: one full reduction that the tests share, and two cheap failures.

About 130 CPU-s in all.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.adap.products import reduction
from kpfnb.adap.pypeit import input_files, installation
from kpfnb.adap.pypeit.log import read_log
from kpfnb.adap.reduce import run
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core import atomic
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.notebook.display import figures
from tests.adap.conftest import FAST

pytestmark = [pytest.mark.pypeit, pytest.mark.timeout(1500)]

H_BETA = 4862.7
"""Å, in vacuum."""


@pytest.fixture
def cropped(kast_frames: Path, tmp_path: Path) -> Path:
    """An arc, a flat, a bias and the science exposure, 150 rows of each."""
    raw = tmp_path / "cropped"
    raw.mkdir()
    for name in ("b1", "b11", "b21", "b27"):
        with fits.open(kast_frames / f"{name}.fits.gz") as hdus:
            data, header = hdus[0].data[100:250], hdus[0].header
            header["DATASEC"] = "[1:2048,1:150]"
            fits.PrimaryHDU(data, header).writeto(raw / f"{name}.fits")
    return raw


def reduce_fast(raw: Path, work_dir: Path, output: Path) -> ReductionResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KPFNB_WORK_DIR", str(work_dir))
        config = ReductionConfig(spectrograph=installation.KAST_SPECTROGRAPH, parameters=FAST)
        return run.reduce_folder(raw, output, config, progress=False)


def test_both_frames_are_reduced(real: ReductionResult) -> None:
    assert real.outcome is Outcome.SUCCEEDED, real.reason
    assert [(v.file, v.kind, v.is_reduced) for v in real.science] == [
        ("b27.fits.gz", "science", True),
        ("b24.fits.gz", "standard", True),
    ]
    types = real.frames().set_index("file")["frame type"]
    assert len(types) == 9
    assert types["b1.fits.gz"] == "arc, tilt"
    assert types["b11.fits.gz"] == "pixelflat, illumflat, trace"
    assert [step.failure for step in real.steps] == ["", ""]
    assert 0.5 < float(real.key_figures()["peak memory (GB)"]) < 8


def test_its_files_are_read_as_pypeit_wrote_them(real: ReductionResult) -> None:
    (path,) = real.output.glob("*/*.pypeit")
    file = input_files.read_pypeit_file(path)
    assert (file.setup, file.configuration) == ("A", {"dichroic": "d55", "dispname": "600/4310"})
    assert (file.missing_types, file.raw_paths) == ((), (Path(real.inputs["raw"]),))
    log = read_log(path.with_suffix(".log"))
    assert (log.detectors, log.errors) == (1, ())
    assert 10 < log.execution_seconds < real.steps[1].seconds
    assert log.last_step == "Generating QA HTML"


def test_products_know_where_they_are(real: ReductionResult) -> None:
    for path in real.output.glob("*/Science/spec1d_*.fits"):
        calibrations = Path(fits.getval(path, "CLBS_DIR"))
        assert calibrations.is_dir()
        assert calibrations == path.parents[1] / "Calibrations"


def test_the_standard_star_is_there(real: ReductionResult) -> None:
    best = max(real.spectra(), key=lambda spectrum: spectrum.snr)
    assert (best.target, best.file) == ("Feige 66", "b24.fits.gz")
    assert best.snr > 50
    spectrum = best.extractions["optimal"]
    near = abs(spectrum.wavelength - H_BETA) < 60
    line = spectrum.wavelength[near][np.argmin(spectrum.flux[near])]
    assert abs(line - H_BETA) < 5
    assert spectrum.flux[near].min() < 0.8 * np.median(spectrum.flux[near])


def test_it_shows_spectra_and_pictures(real: ReductionResult, tmp_path: Path) -> None:
    picture = figures.plot(real)
    picture.savefig(tmp_path / "spectra.png")
    assert len(picture.axes) == len(real.spectra()) == 4
    page = real.qa()._repr_html_()
    assert len(re.findall("<figure", page)) == len(list(real.output.glob("*/QA/PNGs/*.png"))) > 10
    assert len(page) < 2_500_000
    table = real._repr_html_()
    assert "J1217p3905" in table


def test_the_report_shows_types_spectra_and_pictures(
    real: ReductionResult, real_work_dir: Path
) -> None:
    report = next(real_work_dir.glob("runs/reduce/*/report.html"))
    page = report.read_text(encoding="utf-8")
    assert "pixelflat, illumflat, trace" in page
    assert page.count("data:image/jpeg;base64,") > 10
    assert "data:image/png;base64," in page
    assert len(page) < 5_000_000


def test_a_second_run_has_nothing_to_do(
    real: ReductionResult, real_work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(real_work_dir))
    inputs = real.inputs
    config = ReductionConfig(spectrograph=inputs["spectrograph"], setup=inputs["setup"])
    again = run.reduce_folder(inputs["raw"], real.output, config)
    assert again.reason.startswith("nothing to do")
    assert (again.outcome, again.science) == (Outcome.SUCCEEDED, real.science)


def test_a_damaged_product_of_the_real_ones_is_found(real: ReductionResult, tmp_path: Path) -> None:
    (path,) = real.output.glob("*/*.pypeit")
    folder = tmp_path / path.parent.name
    for source in [path, path.with_suffix(".log"), *path.parent.glob("Science/*.fits")]:
        target = folder / source.relative_to(path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        target.write_bytes(content[:-5000000] if source.name.startswith("spec2d_b27") else content)
    science, standard = reduction.evaluate_frames(
        input_files.read_pypeit_file(folder / path.name), ""
    )
    assert science.reason.startswith("spec2d is truncated")
    assert standard.is_reduced


def test_a_frame_that_is_no_fits_does_not_stop_the_others(
    cropped: Path, real_work_dir: Path, tmp_path: Path
) -> None:
    (cropped / "a0.fits").write_text("no FITS file")
    result = reduce_fast(cropped, real_work_dir, tmp_path / "out")
    assert result.outcome is Outcome.PARTIAL
    assert result.reason == "1 of 1 science and standard frames reduced: a0.fits: not FITS"
    assert result.spectra()[0].snr > 3


def test_noise_for_an_arc_is_a_failure(cropped: Path, real_work_dir: Path, tmp_path: Path) -> None:
    with fits.open(cropped / "b1.fits", mode="update") as hdus:
        noise = np.random.default_rng(1).normal(1100, 8, hdus[0].data.shape)
        hdus[0].data = noise.clip(0, 65535).astype("u2")
    result = reduce_fast(cropped, real_work_dir, tmp_path / "out")
    assert result.outcome is Outcome.FAILED
    assert [verdict.file for verdict in result.science] == ["b27.fits"]
    assert re.search(r"run_pypeit shane_kast_blue_A: \w+Error: .*last step: ", result.reason)


@pytest.mark.skipif("KPFNB_KAST_PACK" not in os.environ, reason="needs the pack, for its frames")
def test_frames_come_through_pypeits_own_download(
    kast_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that PypeIt would download are put into its cache and then requested."""
    real_pack = installation.pack_folder()
    manifest = atomic.read_json(real_pack / installation.PACK_MANIFEST)
    entries = [
        {
            "name": name,
            "subdir": "tests",
            "path": str(kast_frames / name),
            "sha256": hashlib.sha256((kast_frames / name).read_bytes()).hexdigest(),
        }
        for name in installation.KAST_FRAMES
    ]
    sites = [{**entry, "path": str(real_pack / entry["path"])} for entry in manifest["astropy"]]
    atomic.write_json(
        tmp_path / "pack" / installation.PACK_MANIFEST,
        {"raw": [], "astropy": sites, "pypeit": entries},
    )
    monkeypatch.setenv(installation.PACK_VARIABLE, str(tmp_path / "pack"))
    variables = installation.pack_environment(tmp_path / "work")
    installation.run_in_pypeit(
        "fetch", str(tmp_path / "got"), *installation.KAST_FRAMES, variables=variables
    )
    for name in installation.KAST_FRAMES:
        assert (tmp_path / "got" / name).read_bytes() == (kast_frames / name).read_bytes()
    with pytest.raises(ServiceUnavailableError, match=r"PypeIt's download cache: .*b99\.fits"):
        installation.run_in_pypeit(
            "fetch", str(tmp_path / "got"), "b99.fits.gz", variables=variables
        )
