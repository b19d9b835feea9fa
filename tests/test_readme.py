"""Every command of the README works unchanged, in the order of the README."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.demo.real import PACK_VARIABLE
from tests.real_files import skip_without_real_files

PROJECT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```sh\n(.*?)^```", (PROJECT / "README.md").read_text(), re.M | re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]

ELSEWHERE = {
    "make test": "is what runs this test",
    "make demo-adap": "is the pipeline of tests/adap/test_end_to_end.py, with real PypeIt",
    "kpfnb run reduce -f params/reduce.kast.yml": "is run by tests/adap, with real PypeIt",
    "kpfnb night 20240115": "takes minutes: tests/cli/test_night.py kills a small one",
}

REAL = {"make demo-real", "kpfnb demo real work/real/data"}
"""They need the real KPF files."""

PARTIAL = (
    "kpfnb prepare frames work/incoming work/prepared/keck_deimos --spectrograph keck_deimos",
    "kpfnb verdict 20240115 --override",
    "kpfnb verdict 20240115 --line",
)
"""Two simulated frames have bad headers, the night has few calibrations; the README says so."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with this environment as its own, as after the first `make`."""
    copy = tmp_path_factory.mktemp("readme") / "kpfnb"
    kept = shutil.ignore_patterns(".venv", "work", ".git", "__pycache__", ".*_cache", "tests")
    shutil.copytree(PROJECT, copy, ignore=kept)
    environment = copy / ".venv"
    environment.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(Path(sys.prefix) / part)
    # For make: everything is installed
    (environment / ".base").touch()
    (environment / ".real").touch()
    (copy / "jump.csv").write_text('"observation_id"\n"KP.20240115.03617.02"\n')
    return copy


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=[pytest.mark.real] if command in REAL else [])
        for command in COMMANDS
        if command not in ELSEWHERE
    ],
)
def test_it_works(command: str, project: Path) -> None:
    if command in REAL:
        skip_without_real_files()
    variables = {
        k: v for k, v in os.environ.items() if not k.startswith("KPFNB_") or k == PACK_VARIABLE
    }
    variables["PATH"] = f"{project / '.venv/bin'}{os.pathsep}{variables['PATH']}"
    done = subprocess.run(
        shlex.split(command), cwd=project, env=variables, capture_output=True, text=True
    )
    expected = 3 if command.startswith(PARTIAL) else 0
    assert done.returncode == expected, done.stdout[-3000:] + done.stderr[-3000:]


def test_what_is_run_elsewhere_is_in_the_readme() -> None:
    assert set(ELSEWHERE) <= set(COMMANDS)


def test_make_demo_comes_first() -> None:
    assert COMMANDS[0] == "make demo"
