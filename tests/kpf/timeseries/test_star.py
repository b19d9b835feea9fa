"""The pages of stars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core import palette, settings
from kpfnb.kpf.timeseries import site, star, star_plot
from kpfnb.kpf.timeseries.star_velocities import read_star
from kpfnb.kpf.tsdb import database
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import LinkedText, PointTooltip
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill

HOSTILE = "<script>alert(1)</script> $\\frac{ ../x"


@pytest.fixture
def night() -> Iterator[list[str]]:
    """The ObsIDs of a night of two stars; the first observation has a quicklook page."""
    columns: dict[str, Any] = {
        "OBJECT": ["10700", "10700", HOSTILE, "empty"],
        "L2:CCFRV": [-16.640, -16.642, 26.5, 0.0],
        "L2:CCFERV": [0.0005, 0.0006, 0.0004, 0.0],
        "L1:SNRSC548": [200.0, 210.0, 300.0, 1.0],
    }
    obsids = fill(NIGHT, columns)
    page = settings.load_settings().qlp_path / NIGHT / obsids[0] / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("observation")
    yield obsids
    database.close_connections()


def test_the_page_leads_to_the_observations(night: list[str]) -> None:
    page = star.write_star_page("HD 10700")
    text = page.read_text()
    assert page == site.site_folder() / "stars/10700/index.html"
    [target] = {
        part.partition('"')[0] for part in text.split('href="')[1:] if night[0] in part[:90]
    }
    assert (page.parent / target).resolve().is_file()
    # In the plot and in the table
    assert text.count(f"{night[0]}/index.html") >= 2
    assert f"{night[1]}/index.html" not in text
    assert night[1] in text
    assert "1.00" in text
    assert "era 1.0" in text


def test_the_index_of_stars_has_numbers_and_links(night: list[str]) -> None:
    star.write_star_page("10700")
    index = (site.site_folder() / "stars/index.html").read_text()
    assert '<a href="10700/index.html">10700</a>' in index
    assert "3 stars, 4 observations" in index
    assert 'href="stars/index.html"' in (site.site_folder() / "index.html").read_text()
    assert len(star.write_all_star_pages()) == 3
    assert star.find_star_page("HD 10700") is not None
    assert star.find_star_page("10701") is None


def test_hostile_names_are_text_and_stay_in_the_site(night: list[str]) -> None:
    page = star.write_star_page(HOSTILE)
    assert page.resolve().is_relative_to(star.stars_folder().resolve())
    assert page.parent.parent == star.stars_folder()
    assert "<script" not in page.read_text()
    assert "<script" not in star.stars_folder().joinpath("index.html").read_text()


def test_a_star_without_velocities_has_a_page(night: list[str]) -> None:
    text = star.write_star_page("empty").read_text()
    assert "none has a velocity" in text
    assert "<svg" not in text


def test_the_plot_follows_the_theme_of_the_browser(night: list[str]) -> None:
    svg = star_plot.velocity_svg(read_star("10700"), lambda _: "")
    assert f"--c{palette.INK[1:]}:{palette.dark_colour(palette.INK)};" in svg
    assert "prefers-color-scheme: dark" in svg
    assert "fill: #" not in svg
    assert svg == star_plot.velocity_svg(read_star("10700"), lambda _: "")


def test_the_plot_in_the_notebook_leads_to_the_observations(
    night: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_LAB_URL", "/kpfnb/")
    picture = figures.hover_plot(read_star("10700"))
    [tooltip, _] = picture.tooltips.values()
    assert isinstance(tooltip, PointTooltip)
    linked = tooltip.text(1)
    assert linked == f"{night[1]}\n-1.00 m/s"
    assert isinstance(linked, LinkedText)
    assert linked.url == f"/kpfnb/observation/{night[1]}"
    assert len(figures.hover_plot(read_star("empty")).figure.axes) == 2


def test_the_command_writes_the_page(night: list[str]) -> None:
    run = CliRunner().invoke(app, ["star", "hd 10700", "--json"])
    values = json.loads(run.stdout)
    assert run.exit_code == 0
    assert values["velocities"] == 2
    assert Path(values["page"]).is_file()
    assert [row["relative"] for row in values["observations"]] == pytest.approx([1, -1])
    listed = CliRunner().invoke(app, ["star", "--list"])
    assert "2 observations      1 night  20240115 to 20240115" in listed.stdout
    wrong = CliRunner().invoke(app, ["star", "10701"])
    assert "did you mean 10700" in str(wrong.exception) + wrong.output
