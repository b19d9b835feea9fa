from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Result
from kpfnb.kpf.timeseries import exploration, explore, export_exploration
from kpfnb.kpf.tsdb import database, ingest
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figure_widget import TooltipDisplay
from kpfnb.notebook.display.figures import LinkedText
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill


@pytest.fixture
def night() -> Iterator[list[str]]:
    """The ObsIDs of a night."""
    columns: dict[str, Any] = {
        "AIRMASS": [1.0, 1.2, 1.4, 1.6],
        "kpfmet.TEMP": [19.0, 19.1, 19.2, 30.0],
        "OBJECT": ["10700", "<b>", "10700", "Sun"],
        "GOOD": [1, 1, 0, 1],
        "2D:NOTJUNK": [1, 1, 1, 0],
    }
    yield fill(NIGHT, columns, ["Star"] * 3 + ["Sun"])
    database.close_connections()


def test_any_keywords_are_explored(night: list[str]) -> None:
    result = explore(keywords=["AIRMASS", "kpfmet.TEMP"], start=NIGHT)
    assert isinstance(result, Result)
    assert result.key_figures() == {"panel": "keywords", "observations": 3}
    assert result.summary().loc["AIRMASS", "median"].item() == pytest.approx(1.2)
    assert result.to_frame().index.tolist() == night[:3]
    assert "3 observations, 20240115" in str(result)
    assert repr(result).count("\n") == 0


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"not_junk": False}, [0, 1, 2, 3]),
        ({"where": ["AIRMASS >= 1.2"]}, [1, 2]),
        ({"where": ["AIRMASS>1.1", "OBJECT == '10700'"]}, [2]),
        ({"object": ["10700"]}, [0, 2]),
        ({"source": ["Sun"], "not_junk": False}, [3]),
        ({"qc": ["GOOD"]}, [0, 1]),
    ],
)
def test_observations_are_chosen(
    night: list[str], options: dict[str, Any], rows: list[int]
) -> None:
    result = explore(keywords=["AIRMASS"], start=NIGHT, **options)
    assert result.to_frame().index.tolist() == [night[row] for row in rows]


def test_a_standard_panel_is_explored(night: list[str]) -> None:
    result = explore("chamber-outside", start=NIGHT)
    assert result.to_dict()["missing"] == ["kpfmet.CHAMBER_EXT_TOP", "kpfmet.CHAMBER_EXT_BOTTOM"]
    assert len(figures.plot(result).axes) == 1


def test_a_group_is_its_first_panel_and_case_does_not_count(night: list[str]) -> None:
    fill(NIGHT, {"L2:CCFRV": [1.0], "L2:CCFERV": [1e-3], "OBJECT": ["10700"]}, first=50_000)
    for name in ("RV", "rv"):
        result = explore(name, start=NIGHT)
        assert result.view.panel.name == "star-velocities"
        assert "(star-velocities, the first panel of 10 in the group)" in result.reason


def test_a_wrong_panel_is_one_short_error(night: list[str]) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        explore("starvelocities", start=NIGHT)
    assert "did you mean star-velocities" in str(caught.value)
    assert len(str(caught.value)) < 250


def test_objects_are_found_as_people_type_them(night: list[str]) -> None:
    result = explore(keywords=["AIRMASS"], start=NIGHT, object=["HD 10700"])
    assert result.to_frame().index.tolist() == [night[0], night[2]]


def test_velocities_are_in_metres_about_the_median_of_each_object(night: list[str]) -> None:
    columns: dict[str, Any] = {
        "L2:CCFRV": [-16.640, -16.641, 30.100, 30.102, -16.639],
        "L2:CCFERV": [0.0005] * 5,
        "L2:CCFBCV": [7.0] * 5,
        "OBJECT": ["10700", "10700", "185144", "185144", "10700"],
    }
    fill(NIGHT, columns, first=50_000)
    result = explore(keywords=["CCFRV", "CCFERV", "CCFBCV"], start=NIGHT)
    summary = result.summary()
    assert summary.loc[("CCFRV", "CCFRV - median", "10700"), "unit"] == "m/s"
    assert summary.loc[("CCFRV", "CCFRV - median", "10700"), "median"] == pytest.approx(-16640)
    assert summary.loc[("CCFERV", "CCFERV", "185144"), "median"] == pytest.approx(0.5)
    # A correction is no velocity of a star
    assert summary.loc[("CCFBCV", "CCFBCV", "CCFBCV"), "unit"] == "km/s"
    legend = figures.plot(result).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text().splitlines()[0] for text in legend.get_texts()] == ["10700", "185144"]
    assert figures.plot(explore("star-velocities", start=NIGHT)).axes[1].get_yscale() == "linear"


def test_all_nights_are_the_default(night: list[str]) -> None:
    fill("20240118", {"AIRMASS": [2.0]})
    assert len(explore(keywords=["AIRMASS"]).to_frame()) == 4


def test_texts_are_states(night: list[str]) -> None:
    result = explore(keywords=["OBJECT"], start=NIGHT)
    assert result.summary()["value"].tolist() == ["10700", "<b>"]
    assert "&lt;b&gt;" in result._repr_html_()


def test_times_are_hours_after_the_start_and_switches_are_numbers(root: Path) -> None:
    """THDAYON is the time at which a lamp was last switched on, in HST."""
    on = "20240114T13:16:40 HST"
    samples.write(root, samples.FIRST, THDAYON=on, SCISEL="open")
    samples.write(root, samples.SECOND, THDAYON=on, SCISEL="closed")
    ingest.ingest_nights(NIGHT)
    result = explore(keywords=["THDAYON", "SCISEL"], start=NIGHT, where=["GREEN == YES"])
    assert result.view.numbers("THDAYON") == pytest.approx([-1, -1 - 1000 / 3600])
    assert result.view.numbers("SCISEL").tolist() == [1, 0]
    assert result.summary()["unit"].tolist() == [exploration.TIME_UNIT, ""]
    database.close_connections()


def test_no_observations_is_no_failure(night: list[str]) -> None:
    result = explore(keywords=["AIRMASS"], start="20230101", end="20230630")
    assert result.outcome.is_good
    assert result.key_figures()["observations"] == 0
    figures.plot(result)


def test_plot_and_values_are_exported(night: list[str], tmp_path: Path) -> None:
    picture, values = export_exploration(explore(keywords=["AIRMASS"], start=NIGHT), tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(values, index_col="ObsID")
    assert table["AIRMASS"].tolist() == [1.0, 1.2, 1.4]
    assert table["time"].iloc[0] == "2024-01-15T01:00:00.000000Z"


def test_text_of_headers_is_no_formula_in_the_values(isolated: Path) -> None:
    fill(NIGHT, {"OBJECT": ["=1+1", "@x"], "DEC": ["-04:15:22", "+04:15:22"]}, ["Star"] * 2)
    for keyword, texts in (("OBJECT", ["'=1+1", "'@x"]), ("DEC", ["-04:15:22", "+04:15:22"])):
        _, values = export_exploration(explore(keywords=[keyword], start=NIGHT), isolated / keyword)
        assert pd.read_csv(values)[keyword].tolist() == texts
    database.close_connections()


@pytest.mark.parametrize("name", [r"$\frac{$ <b>", r"a$b$c", "$"])
def test_names_in_a_plot_are_not_formulas(name: str) -> None:
    fill(NIGHT, {"OBJECT": [name, "b"], "AIRMASS": [1.0, 2.0]}, ["Star"] * 2)
    for result in (
        explore(keywords=["OBJECT"], start=NIGHT),
        explore("observations-by-star", start=NIGHT),
    ):
        FigureCanvasAgg(figures.plot(result)).draw()
    database.close_connections()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either a panel or keywords"),
        ({"panel": "seeing", "keywords": ["AIRMASS"]}, "either a panel or keywords"),
        ({"panel": "seing"}, "did you mean seeing"),
        ({"panel": "no such thing"}, "list: kpfnb timeseries --list"),
        ({"keywords": ["AIRMASS"], "source": ["Stra"]}, "did you mean Star"),
        ({"keywords": ["AIRMASS"], "object": ["1070"]}, "did you mean 10700"),
        ({"keywords": ["AIRMAS"]}, "nearest: AIRMASS"),
        ({"keywords": ["AIRMASS"], "where": ["AIRMASS like 2"]}, "condition 'AIRMASS like 2'"),
        ({"keywords": ["AIRMASS"], "where": ["AIRMAS > 2"]}, "nearest: AIRMASS"),
        ({"keywords": ["AIRMASS"], "where": ["AIRMASS > much"]}, "is not of kind float"),
        ({"keywords": ["AIRMASS", "OBJECT"]}, "texts are OBJECT"),
        ({"keywords": ["AIRMASS"], "start": "20240230"}, "start: '20240230'"),
    ],
)
def test_invalid_requests_are_refused(
    night: list[str], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        explore(**{"start": NIGHT, **options})
    assert words in str(caught.value)


def test_without_a_database_it_says_so() -> None:
    with pytest.raises(InvalidInputError, match="no time-series database"):
        explore(keywords=["AIRMASS"], start=NIGHT)


def test_the_tooltip_has_observation_and_value_and_a_link(
    night: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = explore(keywords=["AIRMASS"], start=NIGHT)
    picture = figures.hover_plot(result)
    hover = TooltipDisplay(picture)
    FigureCanvasAgg(picture.figure).draw()
    [axes] = picture.tooltips
    place = (result.view.times[1], 1.2)
    x, y = axes.transData.transform(place)
    event = SimpleNamespace(inaxes=axes, x=x + 3, y=y, xdata=place[0], ydata=place[1])
    assert hover.tooltip_at(event) == f"{night[1]}\nAIRMASS: 1.2"
    monkeypatch.setenv("KPFNB_LAB_URL", "/kpfnb/")
    linked = hover.tooltip_at(event)
    assert isinstance(linked, LinkedText)
    assert linked.url == f"/kpfnb/observation/{night[1]}"
    event.y = y + 50
    assert hover.tooltip_at(event) == ""
    assert hover.tooltip_at(SimpleNamespace(inaxes=None, x=x, y=y)) == ""
