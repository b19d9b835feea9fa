"""The profiles say what PypeIt says: real `pypeit_setup`, frame by frame."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.adap.prepare import frames
from kpfnb.adap.profiles import spectrograph
from kpfnb.adap.profiles.spectrograph import Profile
from kpfnb.adap.pypeit import input_files, installation
from kpfnb.demo import deimos_frames

pytestmark = [
    pytest.mark.pypeit,
    pytest.mark.skipif(not installation.pypeit_version(), reason="needs the extra kpfnb[pypeit]"),
]


def setup(raw: Path, folder: Path, name: str, work_dir: Path) -> dict[str, input_files.PypeItFrame]:
    command = [Path(sys.executable).with_name("pypeit_setup"), "-s", name, "-r", raw, "-c", "all"]
    variables = installation.pack_environment(work_dir)
    environment = {**os.environ, **variables, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        list(map(str, [*command, "-d", folder])),
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    plans = [input_files.read_pypeit_file(path) for path in folder.glob("*/*.pypeit")]
    return {frame.file: frame for plan in plans for frame in plan.frames}


def compare(raw: Path, folder: Path, spectrograph: Profile, work_dir: Path) -> None:
    messages = setup(raw, folder, spectrograph.spectrograph, work_dir)
    assert messages
    for file, frame in messages.items():
        exposure = frames.read_exposure(raw / file, spectrograph)
        assert set(exposure.types) == set(frame.types), file
        for name, source in spectrograph.header.items():
            if not source.in_table or name not in frame.values:
                continue
            value = exposure.values[name]
            if isinstance(value, float):
                assert value == pytest.approx(float(frame.values[name]), rel=1e-9), (file, name)
            else:
                assert str(value) == frame.values[name].strip("'\""), (file, name)


def test_the_real_kast_frames(kast_frames: Path, tmp_path: Path, real_work_dir: Path) -> None:
    compare(kast_frames, tmp_path, spectrograph.load_profile("shane_kast_blue"), real_work_dir)


def test_simulated_deimos_frames(kast_frames: Path, tmp_path: Path, real_work_dir: Path) -> None:
    # The frames come with what PypeIt needs to know of the observatories
    raw = tmp_path / "raw"
    for path in deimos_frames.simulate_deimos_frames(raw).paths:
        exposure = frames.read_exposure(path, spectrograph.load_profile("keck_deimos"))
        if exposure.defect or exposure.missing:
            path.unlink()
    (tmp_path / "out").mkdir()
    compare(raw, tmp_path / "out", spectrograph.load_profile("keck_deimos"), real_work_dir)
