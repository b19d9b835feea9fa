from pathlib import Path

from typer.testing import CliRunner

from kpfnb import fitsheader
from kpfnb.cli import app
from kpfnb.demo import deimos


def test_frames_are_simulated_once(tmp_path: Path) -> None:
    first = deimos.simulate(tmp_path / "raw")
    before = {path: path.read_bytes() for path in first.paths}
    assert first.made == len(first.paths) == 32
    again = deimos.simulate(tmp_path / "raw")
    assert again.made == 0 and {path: path.read_bytes() for path in again.paths} == before


def test_all_but_the_one_that_is_cut_off_are_whole(tmp_path: Path) -> None:
    found = deimos.simulate(tmp_path / "raw")
    wrong = [path.name for path in found.paths if fitsheader.defect(path)]
    assert wrong == ["DE.20151016.55555.fits"]


def test_the_command(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "frames"])
    assert done.exit_code == 0 and "simulated 32 frames" in done.stdout
    assert len(list((tmp_path / "work/incoming").iterdir())) == 32
