"""A stand-in for PypeIt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.adap import installation
from tests.adap import fakepypeit


@pytest.fixture
def fake_pypeit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for PypeIt's commands, found before the real ones; no pack."""
    fakepypeit.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("KPFNB_KAST_PACK", raising=False)
    monkeypatch.setattr(installation, "spectrographs", lambda: ["keck_deimos", "shane_kast_blue"])
