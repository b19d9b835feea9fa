"""A stored verdict is stale if the files of its night have changed since."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.demo.header_only_night import HeaderOnlyNight
from kpfnb.kpf.verdict import assessment
from kpfnb.kpf.verdict.freshness import describe_staleness
from tests.kpf.verdict.conftest import NIGHT

MakeNight = Callable[..., HeaderOnlyNight]


def stale() -> str:
    stored = assessment.load_verdict(settings.load_settings(), NIGHT)
    assert stored
    return describe_staleness(stored, NIGHT)


@pytest.fixture
def root(make_night: MakeNight) -> Path:
    """The data root, with a night whose verdict is stored."""
    make_night()
    assessment.save_verdict(assessment.assess_night(NIGHT))
    return settings.load_settings().kpf_root


def test_a_verdict_is_fresh_as_long_as_nothing_changes(root: Path) -> None:
    assert stale() == ""


@pytest.mark.parametrize("level", ["L0", "2D", "L1", "L2"])
def test_files_that_came_or_went_are_counted(root: Path, level: str) -> None:
    files = sorted((root / level / NIGHT).glob("KP*.fits"))
    files[0].unlink()
    files[1].unlink()
    assert stale().endswith(f": 2 {level} files removed")
    # The night, the time in the zone of the settings
    assert stale().startswith("since 20")
    assessment.save_verdict(assessment.assess_night(NIGHT))
    assert stale() == ""
    files[0].write_bytes(files[2].read_bytes())
    assert stale().endswith(f": 1 {level} file added")


def test_a_file_that_was_written_again_is_named(root: Path) -> None:
    file = min((root / "L2" / NIGHT).glob("KP*.fits"))
    os.utime(file, (time.time() + 5, time.time() + 5))
    assert stale().endswith(": L2 files changed")


def test_masters_and_quicklook_records_count(root: Path) -> None:
    next((root / "masters" / NIGHT).glob("*.fits")).unlink()
    record = root / f"QLP/{NIGHT}/KP.{NIGHT}.00001.00/QC/a_L0.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert stale().endswith(": 1 master removed, 1 quicklook record added")


def test_a_verdict_of_an_earlier_version_says_that_its_files_are_unknown(root: Path) -> None:
    stored = assessment.load_verdict(settings.load_settings(), NIGHT)
    assert stored
    del stored["files"]
    assert "earlier version" in describe_staleness(stored, NIGHT)
