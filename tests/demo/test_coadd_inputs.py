from __future__ import annotations

from pathlib import Path

from kpfnb.adap.reducing import spectra
from kpfnb.demo import coaddable


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = coaddable.simulate(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert coaddable.simulate(tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert sorted(path.name for path in folder.iterdir()) == list(coaddable.NIGHTS)


def test_spectra_can_be_looked_at(tmp_path: Path) -> None:
    folder = coaddable.simulate(tmp_path)
    found = spectra.read(next(folder.rglob("spec1d_*.fits")))
    assert [len(one.extractions) for one in found] == [2, 2, 2]
