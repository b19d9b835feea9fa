"""Every test has a work directory and a data root of its own, and no setting from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, with no kpfnb.toml above it; the settings point below it."""
    for name in [name for name in os.environ if name.startswith("KPFNB_")]:
        if name != "KPFNB_KAST_PACK":
            monkeypatch.delenv(name)
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
