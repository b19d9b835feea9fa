from pathlib import Path

from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core.fits import headers
from kpfnb.demo import deimos_frames


def test_frames_are_simulated_once(tmp_path: Path) -> None:
    first = deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    before = {path: path.read_bytes() for path in first.paths}
    assert first.created == len(first.paths) == 32
    again = deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    assert again.created == 0 and {path: path.read_bytes() for path in again.paths} == before


def test_all_frames_but_the_truncated_one_are_complete(tmp_path: Path) -> None:
    frames = deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    wrong = [path.name for path in frames.paths if headers.find_defect(path)]
    assert wrong == ["DE.20151016.55555.fits"]


def test_the_command(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "frames"])
    assert done.exit_code == 0 and "simulated 32 frames" in done.stdout
    assert len(list((tmp_path / "work/incoming").iterdir())) == 32
