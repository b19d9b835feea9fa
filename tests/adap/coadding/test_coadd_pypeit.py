"""Real PypeIt on real frames: sensitivity function, fluxes, collating, and two exposures stacked.

About 65 CPU-s beyond the reduction that all tests share.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.adap.coadding import coadd, coadds, coaddspectra
from kpfnb.adap.coadding.coadds import Coadds
from kpfnb.adap.reducing import spectra
from kpfnb.outcomes import Outcome

pytestmark = [pytest.mark.pypeit, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def night(kast_reduced: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the reduced night, with none of its pictures and calibrations."""
    folder = tmp_path_factory.mktemp("coadd").joinpath(*kast_reduced.parts[-3:])
    ignored = shutil.ignore_patterns("raw", "QA", "Calibrations")
    return Path(shutil.copytree(kast_reduced, folder, ignore=ignored))


@pytest.fixture(scope="module")
def made(night: Path, real_work_dir: Path) -> Coadds:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KPFNB_WORK_DIR", str(real_work_dir))
        return coadds.run(str(night), progress=False)


def test_all_steps_are_done(made: Coadds) -> None:
    assert made.outcome is Outcome.SUCCEEDED, made.reason
    assert "pypeit" not in sys.modules
    steps = [step.name.split()[0] for part in made.parts for step in part.steps]
    assert steps == [
        *("pypeit_sensfunc", "pypeit_flux_calib", "pypeit_collate_1d"),
        *("pypeit_setup_coadd2d", "pypeit_coadd_2dspec"),
    ]
    assert all(step.peak_bytes > 1e8 for part in made.parts for step in part.steps)


def test_the_standard_star_calibrates_every_spectrum(made: Coadds, night: Path) -> None:
    flux = {frame.kind: frame.flux for frame in made.parts[0].science}
    (standard,) = (frame.file for frame in made.parts[0].science if frame.kind == "standard")
    assert set(flux) == {"science", "standard"}
    assert set(flux.values()) == {standard.rpartition("/")[2]}
    for path in night.glob("complete/reduce/*/Science/spec1d_*.fits"):
        with fits.open(path) as hdus:
            assert "OPT_FLAM" not in hdus[1].columns.names


def test_the_star_has_its_known_flux(made: Coadds) -> None:
    """Feige 66 (10.5 mag) has about 4e-13 erg/s/cm²/Å at 4500 Å."""
    (path,) = made.parts[0].output.glob("spec1d/spec1d_*Feige66*.fits")
    name = max(spectra.read(path), key=lambda one: one.snr or 0).name
    with fits.open(path) as hdus:
        table = hdus[name].data
        near = abs(table["OPT_WAVE"] - 4500) < 50
        assert 1e4 < np.median(table["OPT_FLAM"][near]) < 1e5


def test_the_coadd_is_better_than_its_parts(made: Coadds) -> None:
    result = made.parts[0]
    (one,) = result.coadds
    coadded = coaddspectra.read(result.output / one.products[0])
    parts = [path for path in result.output.glob("spec1d/*.fits") if "Feige66" not in path.name]
    best = max(spectrum.snr or 0 for path in parts for spectrum in spectra.read(path))
    assert (len(one.frames), one.fluxed, coadded.fluxed) == (2, True, True)
    assert 1.15 * best < one.snr < 1.7 * best
    near = abs(coadded.wavelength - 4500) < 200
    assert 5 < np.median(coadded.flux[near]) < 60


def test_two_exposures_are_stacked(made: Coadds, tmp_path: Path) -> None:
    result = made.parts[1]
    (one,) = result.coadds
    spec2d, spec1d = (result.output / name for name in one.products)
    with fits.open(spec2d) as hdus:
        assert hdus[0].header["COADDOBJ"] == spec2d.stem.removeprefix("spec2d_")
        assert "DET01-SCIIMG" in hdus
    best = max(spectra.read(spec1d), key=lambda spectrum: spectrum.snr or 0)
    assert best.snr == pytest.approx(one.snr)
    assert best.snr > 11
    picture = made.plot()
    picture.savefig(tmp_path / "coadds.png")
    assert len(picture.axes) == 3


def test_there_is_nothing_to_do_again(
    made: Coadds, night: Path, real_work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(real_work_dir))
    for part in made.parts:
        again = coadd.run(night, kind=part.kind, progress=False)
        assert again.note.startswith("nothing to do")
        assert again.coadds == part.coadds
