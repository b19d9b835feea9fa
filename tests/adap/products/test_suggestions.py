"""Forms suggest the datasets and remotes of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.products import suggestions
from kpfnb.adap.profiles.suggestions import suggest_spectrographs


def test_datasets_and_their_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("KPFNB_REMOTES", f'{{"data": "{tmp_path}/data", "koa": "drive:koa"}}')
    (tmp_path / "work/datasets/M1/1200G/2015-10-16/complete").mkdir(parents=True)
    (tmp_path / "data/M2/600ZD/2015-10-17_2015-10-18").mkdir(parents=True)
    (tmp_path / "data/M2/600ZD/notes").mkdir()
    assert [*suggestions.suggest_datasets()] == [
        "M1/1200G/2015-10-16", "M2/600ZD/2015-10-17_2015-10-18", "M1/1200G", "M2/600ZD"
    ]  # fmt: skip
    assert [*suggestions.suggest_remotes()] == ["data:", "koa:"]


def test_a_remote_elsewhere_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path))
    monkeypatch.setenv("KPFNB_REMOTES", '{"data": "drive:datasets"}')
    assert suggestions.suggest_datasets() == {}


def test_spectrographs_are_those_with_a_profile() -> None:
    assert "keck_deimos" in suggest_spectrographs()
