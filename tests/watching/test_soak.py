"""The soak test: a minute here, as long as `SOAK_SECONDS` says elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("SOAK_SECONDS", "40"))
OWN_DISK = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.mark.timeout(SECONDS + 260)
def test_every_l0_has_its_products_and_none_is_made_twice(tmp_path: Path) -> None:
    may_mount = not subprocess.run(
        ["sh", "-c", " ".join([*OWN_DISK, "true"])], capture_output=True
    ).returncode
    command = [sys.executable, "-m", "tests.watching.soak", str(tmp_path / "soak"), str(SECONDS)]
    done = subprocess.run(
        [*(OWN_DISK if may_mount else []), *command, os.environ.get("SOAK_SEED", "1")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    report = json.loads(done.stdout)
    assert report["l0"] > SECONDS
    assert report["given"] > SECONDS
    assert report["lacking"] == []
    assert report["given_wrongly"] == []
    assert report["again_without_reason"] == []
    assert report["left"] == []
    assert report["counts"]["starts"] > report["counts"].get("kill_watcher", 0)
    if report["disk"] != "filled":
        pytest.skip(f"all is well, but the disk was not filled: {report['disk']}")
