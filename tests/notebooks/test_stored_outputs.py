"""Every notebook gives the outputs that are stored in it, cell by cell (nbval, strict)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.outputs import NEEDS_PYPEIT, NOTEBOOKS, PROJECT, prepare, release, variables


@pytest.fixture
def work_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where the notebook's data are: the demo night, or the reduction of the real frames."""
    notebook = request.node.callspec.params["notebook"]
    if notebook.stem in NEEDS_PYPEIT:
        request.getfixturevalue("real")
        yield request.getfixturevalue("real_work_dir")
        return
    prepare(notebook, tmp_path / "work")
    yield tmp_path / "work"
    release(tmp_path / "work")


def _cases() -> list[Any]:
    pypeit = [pytest.mark.pypeit, pytest.mark.timeout(1500)]
    return [
        pytest.param(path, id=path.stem, marks=pypeit if path.stem in NEEDS_PYPEIT else [])
        for path in NOTEBOOKS
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", _cases())
def test_outputs_are_as_stored(notebook: Path, work_dir: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--nbval-sanitize-with", str(Path(__file__).with_name("sanitize.cfg"))]
    command += ["--nbval-cell-timeout=500", "--timeout=550", "-q", "-n0", str(notebook)]
    done = subprocess.run(
        command, cwd=PROJECT, env=variables(work_dir), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
