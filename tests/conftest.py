"""Every test has its own work directory and data root, and no settings from outside.

The reduction of the real frames is expensive: it is made once a session and shared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

from kpfnb.adap.products import reduction
from kpfnb.adap.pypeit import installation
from kpfnb.adap.reduce import job
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core import atomic, locks
from kpfnb.core.errors import ServiceUnavailableError
from tests.real_files import link_real_files

PROJECT = Path(__file__).parents[1]
KEPT_VARIABLES = {"KPFNB_KAST_PACK", "KPFNB_KPF_PACK", "KPFNB_KPF_PIPELINE", "KPFNB_KPF_PYTHON"}
"""They name what tests need, and no settings."""

# How long an example takes depends on what else the machine does
hypothesis.settings.register_profile(
    "kpfnb", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("kpfnb")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs of the tests, also where this session ignores it (nohup)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory of the test, with no kpfnb.toml above it; the settings use it."""
    for name in [name for name in os.environ if name.startswith("KPFNB_")]:
        if name not in KEPT_VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def real_work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory for real PypeIt, shared by all processes of this session."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real"


@pytest.fixture(scope="session")
def kast_frames(real_work_dir: Path) -> Path:
    """The nine real frames: from the pack, else by PypeIt's download."""
    if not installation.pypeit_version():
        pytest.skip("PypeIt is not installed: the extra kpfnb[pypeit]")
    try:
        with locks.acquire_lock("kast-frames", wait_seconds=600, folder=real_work_dir):
            return installation.get_example_frames(real_work_dir)
    except ServiceUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def real(real_work_dir: Path, kast_frames: Path) -> ReductionResult:
    """The one full reduction of the nine frames: the notebook's, once a session (90 CPU-s)."""
    script = "from kpfnb.cli.app import main; main()"
    with locks.acquire_lock("full-reduction", wait_seconds=1200, folder=real_work_dir):
        done = subprocess.run(
            [sys.executable, "-c", script, "run", "reduce", "-f", "params/reduce.kast.yml"],
            cwd=PROJECT,
            env={**os.environ, "KPFNB_WORK_DIR": str(real_work_dir)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    output = real_work_dir / job.OUTPUT_FOLDER / installation.KAST_SPECTROGRAPH
    return ReductionResult.from_dict(atomic.read_json(output / reduction.RECORD_NAME), output)


@pytest.fixture(scope="session")
def real_l1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The real L1 files of KPF by ObsID, in a KPF tree of links: to read, never to change."""
    return link_real_files(tmp_path_factory.mktemp("real-kpf"))
