from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.adap.pypeit import installation
from tests.adap import fake_pypeit

pytestmark = pytest.mark.skipif(
    not installation.pypeit_version(),
    reason="needs the extra kpfnb[pypeit]: the spectrographs' names",
)


def kpfnb(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    script = "from kpfnb.cli.app import main; main()"
    environment = {key: value for key, value in os.environ.items() if key != "KPFNB_KAST_PACK"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, "reduce", *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    frames = {f"{name}.fits": kinds for name, kinds in fake_pypeit.CALIBRATIONS.items()}
    return fake_pypeit.write_raw(tmp_path / "night", {**frames, "b27.fits": "science"})


@pytest.mark.slow
def test_a_dataset_is_reduced_as_json(raw: Path, tmp_path: Path) -> None:
    fake_pypeit.install_commands(tmp_path / "bin")
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    done = kpfnb(str(raw), str(tmp_path / "out"), "-s", "shane_kast_blue", "--json", PATH=path)
    record = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (record["outcome"], record["output"]) == ("succeeded", str(tmp_path / "out"))
    failed = kpfnb(
        str(raw),
        str(tmp_path / "other"),
        *("-s", "shane_kast_blue", "--timeout-minutes", "0.15"),
        PATH=path,
        FAKE_PYPEIT="silent",
    )
    assert failed.returncode == 1
    assert "failed: 0 of 1 science and standard frames reduced" in failed.stdout


def test_dry_run_says_what_would_be_done(raw: Path, tmp_path: Path) -> None:
    done = kpfnb(str(raw), "--spectrograph", "keck_deimos", "--dry-run")
    assert done.returncode == 0
    assert "would reduce 4 of 4 frames" in done.stdout
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{raw}", "-s", "keck_demos"], "did you mean keck_deimos"),
        (["{raw}"], "no spectrograph is named"),
        (["{raw}/nope", "-s", "keck_deimos"], "does not exist"),
        (["{raw}", "-s", "keck_deimos", "--setup", "1"], "not a setup of PypeIt"),
        (["{raw}", "-s", "keck_deimos", "--config", "nope.cfg"], "config: can't read"),
    ],
)
def test_a_mistake_is_one_clear_message(raw: Path, arguments: list[str], words: str) -> None:
    done = kpfnb(*(argument.format(raw=raw) for argument in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_an_example() -> None:
    done = kpfnb("--help")
    assert done.returncode == 0
    assert "Example: kpfnb reduce" in done.stdout
