"""The velocities of a star over its nights, by era of the instrument and version of the DRP.

The dates of the eras are those of KPF's pipeline (static/kpfera_definitions.csv).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.kpf.timeseries.star_names import list_stars, name_key
from kpfnb.kpf.timeseries.star_velocities import read_star, read_stars
from kpfnb.kpf.tsdb import database
from tests.kpf.tsdb.plots.sample_observations import fill

BEFORE, AFTER = "20240115", "20240310"
"""Nights of the eras 1.0 and 2.0."""


@pytest.fixture
def nights() -> Iterator[list[str]]:
    """The ObsIDs of two nights: before and after service mission 1."""
    columns: dict[str, Any] = {
        "OBJECT": ["10700", "10700", "185144", "HD 10700"],
        "TARGNAME": ["10700", "10700", "sig Dra", "10700"],
        "L2:CCFRV": [-16.640, -16.642, 26.5, 0.0],
        "L2:CCFERV": [0.0005, 0.0006, 0.0004, 0.0],
        "L1:SNRSC548": [200.0, 210.0, 300.0, 5.0],
        "L2:DRPTAG": ["v2.8.2"] * 4,
        "EXPTIME": [30.0] * 4,
    }
    obsids = fill(BEFORE, columns)
    later: dict[str, Any] = {"OBJECT": ["10700"] * 3, "L2:CCFRV": [-16.630, -16.632, -16.634]}
    obsids += fill(AFTER, {**later, "L2:CCFERV": [0.0005] * 3, "L2:DRPTAG": ["v2.8.2"] * 3})
    yield obsids
    database.close_connections()


@pytest.mark.parametrize("name", ["10700", "HD 10700", "hd_10700", " HD10700 ", "Hd-10700"])
def test_a_star_is_found_as_people_type_it(nights: list[str], name: str) -> None:
    result = read_star(name)
    assert isinstance(result, Result)
    assert result.star.name == "10700"
    assert (result.star.observations, result.star.nights, result.measured) == (6, 2, 5)
    assert "10700: 6 observations on 2 nights (20240115 to 20240310), 5 velocities" in str(result)


def test_a_star_is_found_by_its_other_name(nights: list[str]) -> None:
    assert read_star("Sig Dra").star.name == "185144"


@pytest.mark.parametrize(
    ("name", "hint"), [("10701", "did you mean 10700"), ("sigma", "kpfnb star --list")]
)
def test_a_wrong_name_is_one_error_with_suggestions(
    nights: list[str], name: str, hint: str
) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        read_star(name)
    assert repr(name) in str(caught.value)
    assert hint in str(caught.value)


def test_velocities_are_about_the_median_of_their_era(nights: list[str]) -> None:
    result = read_star("10700")
    first, second = result.groups
    assert (first.era, first.version, second.era) == ("era 1.0", "", "era 2.0")
    assert first.median == pytest.approx(-16.641)
    assert first.error == pytest.approx(0.55)
    assert second.scatter == pytest.approx(1.4826 * 2, rel=1e-4)
    expected = [1, -1, np.nan, 2, 0, -2]
    assert result.table["relative"].to_numpy() == pytest.approx(expected, nan_ok=True)
    assert result.table["error"].to_numpy()[3] == pytest.approx(0.5)
    # The DRP writes 0 where it has no velocity
    assert np.isnan(result.table["velocity"].to_numpy()[2])


def test_mixed_versions_are_separate_groups(nights: list[str]) -> None:
    columns: dict[str, Any] = {"OBJECT": ["10700"], "L2:CCFRV": [-16.5], "L2:DRPTAG": ["v2.9.1"]}
    fill("20240311", columns)
    result = read_star("10700")
    assert [group.label for group in result.groups] == [
        "era 1.0, v2.8.2",
        "era 2.0, v2.8.2",
        "era 2.0, v2.9.1",
    ]
    assert result.table["relative"].to_numpy()[-1] == 0
    # Its L2 has no error and its L1 no S/N
    assert np.isnan(result.groups[-1].error)
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_star_without_velocities_is_told(nights: list[str]) -> None:
    fill("20240312", {"OBJECT": ["new"], "L2:CCFRV": [0.0]})
    result = read_star("NEW")
    assert result.outcome is Outcome.SKIPPED
    assert "none has a velocity" in result.reason
    assert "1 observation on 1 night (20240312)" in result.reason


def test_all_stars_are_listed_and_read_at_once(nights: list[str]) -> None:
    fill(BEFORE, {"OBJECT": ["autocal-lfc"]}, ["LFC"], first=40_000)
    stars = list_stars()
    assert [star.name for star in stars] == ["10700", "185144"]
    one, _ = read_stars(stars)
    assert one.table.equals(read_star("10700").table)


def test_without_stars_it_says_so() -> None:
    fill(BEFORE, {"OBJECT": ["autocal-lfc"]}, ["LFC"])
    with pytest.raises(InvalidInputError, match="no observations of stars"):
        read_star("10700")
    database.close_connections()


def test_the_key_of_a_name() -> None:
    assert name_key("TOI-1234") == name_key("toi 1234") == "toi1234"
    assert name_key("HD 10700") == "10700"
    assert name_key("HDE 226868") == "hde226868"
