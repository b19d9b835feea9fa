from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from kpfnb.demo.tree import consecutive_nights
from kpfnb.kpf.progress import plots
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
)
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.notebook import links
from kpfnb.notebook.display import figures

LEVELS = ("2D", "L1", "L2")
STARTED = datetime(2024, 5, 1, tzinfo=UTC)


def make_result(names, done=10):
    nights = tuple(
        NightProgress(
            name, 10, 0, STARTED, dict.fromkeys(LEVELS, LevelCount(done, 10)), (), STARTED
        )
        for name in names
    )
    zone = ZoneInfo("UTC")
    return ProgressResult(Path("/d"), "20230101", "20231231", "", LEVELS, nights, zone, STARTED)


@pytest.mark.parametrize(
    ("done", "expected", "label"),
    [
        (300, 300, "all done"),
        (299, 300, "90–99 %"),
        (150, 300, "50–89 %"),
        (1, 300, "1–49 %"),
        (0, 300, "none done"),
        (0, 0, "none expected"),
    ],
)
def test_the_shade_of_a_count(done, expected, label):
    assert plots.share_colour(LevelCount(done, expected)).label == label


def incomplete(nights):
    missing = tuple(
        MissingLevel(f"KP.{night}.0000{n}.00", "L1", IncompleteReason.MISSING)
        for night in nights[:1]
        for n in range(7)
    )
    first, *rest = make_result(nights, done=3).nights
    return replace(make_result(nights, done=3), nights=(replace(first, missing=missing), *rest))


@pytest.mark.parametrize("number", [2, 40])
def test_a_tooltip_names_night_level_and_what_is_missing(number):
    picture = figures.hover_plot(incomplete(consecutive_nights("20230101", number)))
    axes = picture.figure.axes[0 if number == 2 else 1]
    x, y = (0, 1) if number == 2 else (0, 0)
    tooltip = picture.tooltips[axes](SimpleNamespace(xdata=x + 0.4, ydata=y - 0.4)).splitlines()
    assert tooltip == [
        "20230101 L1: 3 of 10 done",
        *(f"KP.20230101.0000{n}.00 missing" for n in range(4)),
        "and 3 more",
    ]
    assert picture.tooltips[axes](SimpleNamespace(xdata=1, ydata=y)) == "20230102 L1: 3 of 10 done"
    assert picture.tooltips[axes](SimpleNamespace(xdata=60, ydata=9)) == ""


@pytest.mark.parametrize("number", [1, 10, 31])
def test_a_short_range_is_one_column_a_night(number):
    figure = figures.plot(make_result(consecutive_nights("20230101", number)))
    assert len(figure.axes) == 1
    image = figure.axes[0].images[0].get_array()
    assert image.shape[:2] == (3, number)
    assert figure.axes[0].get_xlabel() == "night (UT)"


def test_nights_are_drawn_in_the_order_of_time_and_those_without_data_keep_their_place():
    figure = figures.plot(make_result(["20230103", "20230101"]))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["20230101", "20230102", "20230103"]
    opacity = figure.axes[0].images[0].get_array()[0, :, 3]
    assert list(opacity) == [1, 0, 1]


def test_a_single_night_is_not_one_giant_block():
    axes = figures.plot(make_result(["20230101"])).axes[0]
    low, high = axes.get_xlim()
    assert 1 / (high - low) <= 0.1


def test_a_click_on_a_cell_leads_to_the_page_of_the_night(isolated, monkeypatch):
    monkeypatch.setenv(links.LAB_URL_VARIABLE, "/kpfnb/")
    night = make_result(["20230101"]).nights[0]
    assert plots.cell_tooltip(night, "L1").url == ""
    page = isolated / "work/runs/nights/20230101/report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert plots.cell_tooltip(night, "L1").url == f"/kpfnb/files{page}"


def test_a_year_is_a_calendar_for_each_level_with_its_gap():
    names = [name for name in consecutive_nights("20230101", 365) if name != "20230714"]
    figure = figures.plot(make_result(names))
    assert len(figure.axes) == 3
    image = np.asarray(figure.axes[0].images[0].get_array())
    assert image.shape[:2] == (12, 31)
    complete = np.all(np.isclose(image, to_rgba(plots.SHARE_COLOURS[-1].colour)), axis=2)
    assert complete.sum() == 364
    assert not complete[6, 13]


def test_months_without_a_night_have_their_row():
    names = [*consecutive_nights("20221201", 31), *consecutive_nights("20230301", 10)]
    figure = figures.plot(make_result(names))
    assert figure.axes[0].images[0].get_array().shape[0] == 4


@pytest.mark.parametrize("number", [1, 365])
def test_it_can_be_saved(tmp_path, number):
    path = tmp_path / "picture.png"
    figures.plot(make_result(consecutive_nights("20230101", number), done=3)).savefig(path, dpi=40)
    assert path.stat().st_size > 1000
