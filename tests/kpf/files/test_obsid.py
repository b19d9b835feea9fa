"""Names and places of observations."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files import obsid
from kpfnb.kpf.files.obsid import KPF, ObsID

NAME = "KP.20240115.03617.02"


@pytest.mark.parametrize("level", KPF.levels)
@pytest.mark.parametrize("suffix", ["", ".fits"])
def test_a_name_of_any_level_gives_its_observation(level: str, suffix: str) -> None:
    name = obsid.file_name(NAME, level).removesuffix(".fits") + suffix
    assert ObsID.parse(Path("/somewhere") / name) == ObsID(NAME)


@pytest.mark.parametrize(
    "name",
    [
        *("", "KP.20240115.03617.02-1", ".KP.20240115.03617.02.fits.Ab12Cd", f"{NAME}_L3"),
        *(f"{NAME}\n", "KP.20240115.86400.00", "KP.20240115.99999.99", "KP.20241399.00001.00"),
    ],
)
def test_an_invalid_observation_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="is not an ObsID"):
        ObsID.parse(name)


@given(st.text(max_size=30))
def test_any_text_is_an_observation_or_refused(text: str) -> None:
    try:
        parsed = ObsID.parse(text)
    except InvalidInputError:
        return
    assert parsed.text in text


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 8_639_999))
def test_any_time_of_any_date_is_an_observation(day: date, hundredths: int) -> None:
    name = f"KP.{day:%Y%m%d}.{hundredths / 100:08.2f}"
    assert ObsID(name).time.date() == day
    assert KPF.filename_pattern.fullmatch(f"{name}_L1.fits")


@given(st.integers(20_000_000, 20_999_999), st.integers(0, 9_999_999))
def test_a_date_or_time_that_does_not_exist_is_none(day: int, hundredths: int) -> None:
    exists = obsid.is_night(str(day)) and hundredths < 8_640_000
    name = f"KP.{day}.{hundredths / 100:08.2f}"
    assert bool(ObsID.try_parse(name)) is exists
    assert bool(KPF.filename_pattern.fullmatch(f"{name}.fits")) is exists


def test_a_name_gives_night_and_time() -> None:
    observation = ObsID(NAME)
    assert observation.night == "20240115"
    assert observation.time == datetime(2024, 1, 15, 1, 0, 17, 20000, tzinfo=UTC)


def test_each_level_has_its_place() -> None:
    places = [str(ObsID(NAME).path(Path("/data"), level)) for level in KPF.levels]
    assert places == [
        f"/data/L0/20240115/{NAME}.fits",
        f"/data/2D/20240115/{NAME}_2D.fits",
        f"/data/L1/20240115/{NAME}_L1.fits",
        f"/data/L2/20240115/{NAME}_L2.fits",
    ]


def test_levels_come_in_the_order_in_which_they_are_made() -> None:
    assert obsid.validate_product_levels(["L2", "2D"]) == ("2D", "L2")
    for wrong in ([], ["L3"], ["L0"]):
        with pytest.raises(InvalidParameterError, match="levels"):
            obsid.validate_product_levels(wrong)


def test_nights_are_directories_named_by_a_date_in_range(tmp_path: Path) -> None:
    for name in ("20240101", "20240102", "20240103", "abcdefgh", "2024010", "20241399"):
        (tmp_path / "L0" / name).mkdir(parents=True)
    (tmp_path / "L0/20240104").touch()
    assert obsid.list_nights(tmp_path) == ["20240101", "20240102", "20240103"]
    assert obsid.list_nights(tmp_path, "20240102", "20240109") == ["20240102", "20240103"]
    assert obsid.list_nights(tmp_path, "20240102", "20240101") == ["20240102", "20240101"]
    assert obsid.list_nights(tmp_path, "20250101", "20250102") == []


def test_nights_may_be_those_of_products_only(tmp_path: Path) -> None:
    (tmp_path / "L1/20240105").mkdir(parents=True)
    assert obsid.list_nights(tmp_path, levels=tuple(KPF.levels)) == ["20240105"]
    (tmp_path / "L0/20240104").mkdir(parents=True)
    (tmp_path / "L0/20240105").mkdir(parents=True)
    assert obsid.list_nights(tmp_path, levels=tuple(KPF.levels)) == ["20240104", "20240105"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (f"L0/20240115/{NAME}.fits", ""),
        (f"L2/20240115/{NAME}_L2.fits", ""),
        (f"L0/20240116/{NAME}.fits", "it is in L0/20240116, and belongs in L0/20240115"),
        (f"L1/20240115/{NAME}_L2.fits", "it is in L1/20240115, and belongs in L2/20240115"),
        ("L0/20240116/notes.txt", ""),
        (f"L0/20240116/.{NAME}.fits.Ab12Cd", ""),
    ],
)
def test_a_file_in_the_directory_of_another_night_or_level(
    tmp_path: Path, place: str, reason: str
) -> None:
    assert obsid.check_placement(tmp_path / place) == reason
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    level, night, _ = place.split("/")
    expected = [tmp_path / place] if reason else []
    assert obsid.list_misplaced_files(tmp_path, level, night) == expected
    assert obsid.list_misplaced_files(tmp_path, level, "20240101") == []


def test_a_root_without_raw_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"no L0 directory in the data root {tmp_path}"):
        obsid.list_nights(tmp_path)
