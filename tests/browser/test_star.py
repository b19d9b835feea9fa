"""Velocities of stars in JupyterLab: a click on a point, the dark theme, and the page of a star."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpfnb.core import settings
from kpfnb.kpf.timeseries import explore
from kpfnb.kpf.timeseries.star import write_star_page
from kpfnb.kpf.tsdb import database
from kpfnb.notebook.display import figures
from tests.browser.conftest import Lab
from tests.browser.notebook import THEME, THEMED, Notebook
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

COUNT = 20
DARKEST = """canvas => {
  const data = canvas.getContext('2d').getImageData(2, 2, 1, 1).data;
  return data[0] + data[1] + data[2];
}"""


@pytest.fixture
def obsids(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The observations of a star in the database of the lab, each with a page."""
    monkeypatch.chdir(lab.project)
    for name in ("KPFNB_WORK_DIR", "KPFNB_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    columns: dict[str, Any] = {
        "OBJECT": ["10700"] * COUNT,
        "L2:CCFRV": [-16.64 + 0.001 * (number % 5) for number in range(COUNT)],
        "L2:CCFERV": [0.0005] * COUNT,
        "L1:SNRSC548": [200.0] * COUNT,
    }
    obsids = fill(NIGHT, columns)
    # The form takes the newest night with raw files as its default
    raw = settings.load_settings().kpf_root / "L0" / NIGHT / f"{obsids[0]}.fits"
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.touch()
    for obsid in obsids:
        page = settings.load_settings().qlp_path / NIGHT / obsid / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<!doctype html><title>{obsid}</title><h1>{obsid}</h1>")
    database.close_connections()
    return obsids


def place_of(point: int) -> tuple[float, float]:
    """Where a point of the upper plot is, as shares of the picture's width and height."""
    figure = figures.plot(explore("star-velocities", start=NIGHT))
    axes, result = figure.axes[0], explore("star-velocities", start=NIGHT)
    offset = 1000 * (point % 5) - 2000
    x, y = axes.transData.transform((result.view.times[point], offset / 1000))
    return x / figure.bbox.width, 1 - y / figure.bbox.height


def test_a_click_on_a_point_opens_its_observation(page: Any, lab: Lab, obsids: list[str]) -> None:
    notebook = Notebook(page, lab, "timeseries")
    notebook.open()
    notebook.fill({"panel": "RV", "start": NIGHT})
    notebook.run()
    canvas = page.locator(".jupyter-matplotlib-canvas-div canvas").last
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = place_of(7)
    place = {"x": x * box["width"], "y": y * box["height"]}
    with page.context.expect_page() as opened:
        canvas.click(position=place)
    opened.value.get_by_role("heading", name=obsids[7]).wait_for()
    opened.value.close()
    # For the keyboard there is a link, too
    assert page.get_by_role("link", name=obsids[7]).last.get_attribute("href")

    page.evaluate(THEME, "JupyterLab Dark")
    page.wait_for_function(THEMED, arg="JupyterLab Dark")
    picture = page.locator(".jupyter-matplotlib-canvas-div canvas").first
    page.wait_for_function(
        f"() => ({DARKEST})(document.querySelector('.jupyter-matplotlib-canvas-div canvas')) < 90"
    )
    assert picture.is_visible()
    page.evaluate(THEME, "JupyterLab Light")
    assert page.problems == []


def test_a_wrong_panel_is_one_line_with_suggestions(page: Any, lab: Lab, obsids: list[str]) -> None:
    notebook = Notebook(page, lab, "timeseries")
    notebook.open()
    notebook.fill({"panel": "star-velocites", "start": NIGHT})
    notebook.button("Run").click()
    page.get_by_text("did you mean star-velocities").first.wait_for()
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()


def test_the_page_of_a_star_leads_to_its_observations(
    page: Any, lab: Lab, obsids: list[str]
) -> None:
    path: Path = write_star_page("HD 10700")
    page.goto(lab.page_address(f"files{path}"))
    page.get_by_role("heading", name="10700", exact=True).wait_for()
    with page.context.expect_page() as opened:
        page.locator(f"svg a[*|href*='{obsids[3]}']").first.click(timeout=20_000)
    opened.value.get_by_role("heading", name=obsids[3]).wait_for()
    page.get_by_role("link", name=obsids[5]).click()
    page.get_by_role("heading", name=obsids[5]).wait_for()
    page.go_back()
    page.get_by_role("link", name="all stars").click()
    page.get_by_role("link", name="10700").wait_for()
    assert page.problems == []
