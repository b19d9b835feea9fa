"""A fake PypeIt, and a small night for the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.adap.pypeit import installation
from kpfnb.core import locks
from tests.adap.fake_pypeit import install_commands

FAST = """\
[calibrations]
  [[slitedges]]
    bound_detector = True
  [[flatfield]]
    slit_illum_finecorr = False
[scienceframe]
  [[process]]
    mask_cr = False
[reduce]
  [[skysub]]
    no_local_sky = True
  [[findobj]]
    skip_second_find = True
    skip_final_global = True
[flexure]
  spec_method = skip
"""
"""Parameters with which PypeIt takes a third of its time."""

KAST_DATASET = "kast/600_4310_d55/2015-05-20"


@pytest.fixture
def fake_pypeit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake PypeIt commands, before the real ones on PATH; no pack."""
    install_commands(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("KPFNB_KAST_PACK", raising=False)
    monkeypatch.setattr(
        installation, "list_spectrographs", lambda: ["keck_deimos", "shane_kast_blue"]
    )


@pytest.fixture(scope="session")
def kast_night(real_work_dir: Path, kast_frames: Path) -> Path:
    """The folder of a dataset of real frames, cut to 150 rows: two science frames, a standard.

    It is `.../kast/600_4310_d55/2015-05-20`, with `complete/raw`; created once a session, for all
    its processes. Copy it before you change anything in it.
    """
    dataset = real_work_dir / "fast" / KAST_DATASET
    with locks.acquire_lock("fast-frames", wait_seconds=600, folder=real_work_dir):
        if not (dataset / "complete/raw").is_dir():
            _make_frames(dataset / "complete/raw")
    return dataset


def _make_frames(raw: Path) -> None:
    """A night of the pack: its frames cut to 150 rows, the second exposure with different noise.

    Renamed at the end: a test run that was stopped leaves no half of it.
    """
    pack = installation.pack_folder()
    if not pack:
        pytest.skip(
            f"only the pack that {installation.PACK_VARIABLE} names makes datasets of its frames"
        )
    temporary = raw.with_name("making")
    shutil.rmtree(temporary, ignore_errors=True)
    options = ["--n", "1", "--science", "2", "--crop", "100:250"]
    subprocess.run([sys.executable, pack / "make_datasets.py", temporary, *options], check=True)
    (temporary / "night01").rename(raw)
