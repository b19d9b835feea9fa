from __future__ import annotations

from pathlib import Path

from kpfnb.adap.products import spectra
from kpfnb.demo import coadd_inputs


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = coadd_inputs.simulate_coadd_inputs(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert coadd_inputs.simulate_coadd_inputs(tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert sorted(path.name for path in folder.iterdir()) == list(coadd_inputs.NIGHTS)


def test_spectra_can_be_read(tmp_path: Path) -> None:
    folder = coadd_inputs.simulate_coadd_inputs(tmp_path)
    records = spectra.read_spectra(next(folder.rglob("spec1d_*.fits")))
    assert [len(record.extractions) for record in records] == [2, 2, 2]
