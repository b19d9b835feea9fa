"""The soak test: a minute here, as long as `SOAK_SECONDS` says elsewhere, in rounds."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
SECONDS = float(os.environ.get("SOAK_SECONDS", "40"))
SEED = int(os.environ.get("SOAK_SEED", "1"))

ROUND_SECONDS = 120.0
"""The disk of a round, in memory, has room for the files of so long."""

ROUNDS = math.ceil(SECONDS / ROUND_SECONDS)
OWN_DISK = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.mark.slow
@pytest.mark.timeout(ROUND_SECONDS + 260)
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_every_l0_has_its_products_and_no_product_is_made_twice(tmp_path: Path, seed: int) -> None:
    seconds = min(SECONDS, ROUND_SECONDS)
    may_mount = not subprocess.run(
        ["sh", "-c", " ".join([*OWN_DISK, "true"])], capture_output=True
    ).returncode
    command = [sys.executable, "-m", "tests.kpf.watch.soak", str(tmp_path / "soak"), str(seconds)]
    done = subprocess.run(
        [*(OWN_DISK if may_mount else []), *command, str(seed)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    report = json.loads(done.stdout)
    assert report["l0"] > seconds
    assert report["given"] > seconds
    assert report["missing"] == []
    assert report["given_wrongly"] == []
    assert report["again_without_reason"] == []
    assert report["left"] == []
    assert report["counts"]["starts"] > report["counts"].get("kill_watcher", 0)
    if report["disk"] != "filled":
        pytest.skip(f"all is well, but the disk was not filled: {report['disk']}")
