"""The newest night is found by names alone; the same names as the KPF layout has."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kpfnb.core import nights
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.kpf.files.obsid import KPF, file_name

NIGHTS = 1000


def make_files(root: Path, night: str, count: int = 1) -> None:
    directory = root / "L0" / night
    directory.mkdir(parents=True)
    for number in range(count):
        (directory / f"KP.{night}.{number:05d}.00.fits").touch()


def test_the_last_night_is_the_newest_with_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(tmp_path, "20231231", 2)
    make_files(tmp_path, "20240115", 3)
    make_files(tmp_path, "20240116", 0)
    for name in ("20249999", "later", "99999999"):
        (tmp_path / "L0" / name).mkdir()
    (tmp_path / "L0" / "20240117").mkdir()
    (tmp_path / "L0" / "20240117" / "notes.txt").touch()
    (tmp_path / "L0" / "20240118").touch()
    assert nights.find_last_night(tmp_path) == "20240115"
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    assert nights.resolve_night("last") == nights.resolve_night(" Last ") == "20240115"
    assert nights.resolve_night("20231231") == "20231231"
    assert nights.resolve_night("") == ""
    assert nights.resolve_target("20231231:last") == "20231231:20240115"
    assert nights.resolve_target("last") == "20240115"
    assert nights.resolve_target("lists/last") == "lists/last"


def test_without_a_night_the_error_names_the_directory(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingsError, match=f"no night in {tmp_path}/L0: No such"):
        nights.find_last_night(tmp_path)
    make_files(tmp_path, "20240116", 0)
    with pytest.raises(InvalidInputError, match=f"no night in {tmp_path}/L0: no directory"):
        nights.find_last_night(tmp_path)


def test_the_files_of_a_month_are_counted(tmp_path: Path) -> None:
    make_files(tmp_path, "20240115", 3)
    make_files(tmp_path, "20240116", 0)
    make_files(tmp_path, "20240131", 1)
    make_files(tmp_path, "20240201", 1)
    assert nights.count_raw_files("202401", tmp_path) == {"20240115": 3, "20240131": 1}
    assert nights.count_raw_files("202312", tmp_path) == {}


def test_the_names_are_those_of_the_layout() -> None:
    assert KPF.raw == nights.RAW_DIRECTORY
    name = file_name("KP.20240115.00001.00", KPF.raw)
    assert name.startswith("KP.20240115.") and name.endswith(".fits")


def test_a_thousand_nights_take_no_time(tmp_path: Path) -> None:
    for number in range(NIGHTS):
        (
            tmp_path
            / "L0"
            / f"{2000 + number // 336}{1 + number // 28 % 12:02d}{1 + number % 28:02d}"
        ).mkdir(parents=True)
    make_files(tmp_path, "19991231")
    started = time.perf_counter()
    assert nights.find_last_night(tmp_path) == "19991231"
    assert time.perf_counter() - started < 1
