"""Names and places of observations."""

from __future__ import annotations

from datetime import UTC, datetime
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
    ["", "KP.20240115.03617.02-1", ".KP.20240115.03617.02.fits.Ab12Cd", f"{NAME}_L3", f"{NAME}\n"],
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
    for name in ("20240101", "20240102", "20240103", "abcdefgh", "2024010"):
        (tmp_path / "L0" / name).mkdir(parents=True)
    (tmp_path / "L0/20240104").touch()
    assert obsid.list_nights(tmp_path) == ["20240101", "20240102", "20240103"]
    assert obsid.list_nights(tmp_path, "20240102", "20240109") == ["20240102", "20240103"]
    assert obsid.list_nights(tmp_path, "20240102", "20240101") == ["20240102", "20240101"]
    assert obsid.list_nights(tmp_path, "20250101", "20250102") == []


def test_a_root_without_raw_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"no L0 directory in the data root {tmp_path}"):
        obsid.list_nights(tmp_path)
