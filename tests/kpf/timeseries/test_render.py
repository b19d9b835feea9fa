from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.kpf.timeseries import period, render, site
from kpfnb.kpf.timeseries.period import PeriodInterval
from kpfnb.kpf.timeseries.render import render_interval
from kpfnb.kpf.tsdb.plots import panel, panel_plot
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill

DAY = f"day/{NIGHT}"


@pytest.fixture
def top(night: list[str]) -> Path:
    """Where the site is, nothing drawn yet."""
    return site.site_folder()


def test_a_day_is_rendered_with_its_page(top: Path) -> None:
    result = render_interval("day", NIGHT)
    assert result.outcome is Outcome.SUCCEEDED
    assert (result.periods, result.pictures, result.panels_without_data) == ((DAY,), 2, 1)
    assert sorted(path.name for path in (top / DAY).iterdir()) == [
        *("by-source.png", "hallway.png", "index.html", "page.json")
    ]
    page = (top / DAY / "index.html").read_text()
    assert "The &lt;hallway&gt;" in page
    assert "<script" not in page
    assert "default-src 'self'" in page
    missing = '<span class="mono">NEVER (no keyword of KPF)</span>'
    assert f"Never there (not in the database: {missing})" in page
    assert "<td>total</td><td>4</td><td>2</td><td>6</td>" in page
    assert f"{DAY}/index.html" in (top / "index.html").read_text()


def test_only_what_changed_is_drawn_again(top: Path) -> None:
    render_interval("month", NIGHT)
    assert render_interval("month", NIGHT).up_to_date == ("month/202401",)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    assert render_interval("month", NIGHT).periods == ("month/202401",)
    fill("20240201", {"kpfmet.TEMP": [18.0]})
    assert render_interval("month", NIGHT).up_to_date == ("month/202401",)
    assert render_interval("month", NIGHT, force=True).periods == ("month/202401",)


def test_a_page_is_rendered_again_when_its_day_is_over(top: Path) -> None:
    nights, panels = period.read_night_fingerprints(), panel.load_panels()
    day = period.period_containing(PeriodInterval.DAY, NIGHT)
    noon, later = (datetime(2024, 1, 15 + days, 12, tzinfo=UTC) for days in (0, 1))
    rendered = [
        render.render_periods([day], panels, nights, now=now).periods
        for now in (noon, noon, later, later)
    ]
    assert rendered == [(DAY,), (), (DAY,), ()]


def test_pages_rendered_by_another_process_are_no_error(top: Path) -> None:
    render_interval("all")
    mine = period.all_nights_period([NIGHT])
    site.write_page_record(top, site.TimeSeriesPage(period.all_nights_period([NIGHT, "20240116"])))
    site.update_site(top, [mine])
    assert "all/all/index.html" in (top / "index.html").read_text()


def test_a_changed_panel_is_drawn_again(top: Path, panels: Path) -> None:
    render_interval("day", NIGHT)
    panels.write_text(panels.read_text().replace("By source", "Sources"))
    assert render_interval("day", NIGHT).periods == (DAY,)
    assert "Sources" in (top / DAY / "index.html").read_text()


def test_a_deleted_panel_disappears_from_the_page(top: Path, panels: Path) -> None:
    render_interval("day", NIGHT)
    panels.write_text(panels.read_text().partition("  by-source")[0])
    render_interval("day", NIGHT)
    assert not (top / DAY / "by-source.png").exists()


def test_a_picture_that_was_lost_is_drawn_again(top: Path) -> None:
    render_interval("day", NIGHT)
    (top / DAY / "hallway.png").unlink()
    assert render_interval("day", NIGHT).periods == (DAY,)


def test_rendering_one_panel_keeps_the_others(top: Path) -> None:
    render_interval("day", NIGHT)
    result = render_interval("day", NIGHT, panels=["hallway"])
    assert result.pictures == 1
    page = site.read_page_record(top, period.period_containing(PeriodInterval.DAY, NIGHT))
    assert [shown.name for shown in page.panels] == ["hallway", "never", "by-source"]


def test_pages_lead_to_each_other(top: Path) -> None:
    fill("20240117", {"kpfmet.TEMP": [18.0]})
    render_interval("day", NIGHT)
    render_interval("day", "20240117")
    render_interval("month", NIGHT)
    first, month = ((top / path / "index.html").read_text() for path in (DAY, "month/202401"))
    assert "../../day/20240117/index.html" in first
    assert "../../month/202401/index.html" in first
    assert f"../../{DAY}/index.html" in month


def test_an_unchanged_page_is_not_written(top: Path) -> None:
    render_interval("day", NIGHT)
    before = {path: path.stat().st_mtime_ns for path in top.rglob("*.*g")}
    render_interval("day", NIGHT, force=True)
    assert {path: path.stat().st_mtime_ns for path in top.rglob("*.*g")} == before


def test_a_failure_is_named_and_drawn_again_later(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(panel_plot, "render_png", lambda drawn: 1 / 0)
        result = render_interval("day", NIGHT)
    assert result.outcome is Outcome.FAILED
    assert "ZeroDivisionError" in str(result)
    assert render_interval("day", NIGHT).pictures == 2


def test_a_panel_that_fails_keeps_its_old_plot(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render_interval("day", NIGHT)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    with monkeypatch.context() as broken:
        broken.setattr(panel_plot, "render_png", lambda drawn: 1 / 0)
        assert render_interval("day", NIGHT).outcome is Outcome.FAILED
    assert "The &lt;hallway&gt;" in (top / DAY / "index.html").read_text()
    assert (top / DAY / "hallway.png").exists()
    assert render_interval("day", NIGHT).pictures == 2


def test_a_damaged_record_affects_no_other_page(top: Path) -> None:
    render_interval("all", NIGHT, NIGHT)
    record = top / f"all/{NIGHT}-{NIGHT}" / site.RECORD_NAME
    record.write_text("{")
    assert render_interval("day", NIGHT).outcome is Outcome.SUCCEEDED
    assert f"{NIGHT}-{NIGHT}" not in (top / "index.html").read_text()
    assert render_interval("all", NIGHT, NIGHT).pictures == 2
    assert f"{NIGHT}-{NIGHT}" in (top / "index.html").read_text()


def test_an_empty_period_has_a_page_that_says_so(top: Path) -> None:
    result = render_interval("day", "20210101")
    assert (result.pictures, result.panels_without_data) == (0, 3)
    assert "No data:" in (top / "day/20210101/index.html").read_text()


@pytest.mark.parametrize("interval", ["month", "year", "decade", "all"])
def test_every_interval_is_drawn(top: Path, interval: str) -> None:
    assert render_interval(interval).pictures == 2


def test_postgresql_gives_the_same_pictures(
    request: pytest.FixtureRequest, panels: Path, monkeypatch: pytest.MonkeyPatch, isolated: Path
) -> None:
    pictures = []
    for kind in ("sqlite", "postgresql"):
        request.getfixturevalue(kind)
        monkeypatch.setenv("KPFNB_WORK_DIR", str(isolated / kind))
        fill(NIGHT, {"kpfmet.TEMP": [19.0, 19.1, 25.0]}, ["Star", "Star", "Sun"])
        assert render_interval("year").pictures == 2
        year = site.site_folder() / "year/2024"
        pictures.append({path.name: path.read_bytes() for path in year.glob("*.png")})
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 2


def test_panels_are_batched_by_their_keywords(panels: Path) -> None:
    all_panels = list(panel.load_panels().values())
    assert [len(batch) for batch in render.batch_panels(all_panels, 2)] == [2, 1]
    assert [len(batch) for batch in render.batch_panels(all_panels, 40)] == [3]


def test_without_a_database_nothing_is_drawn(panels: Path) -> None:
    with pytest.raises(InvalidParameterError, match="has no night"):
        render_interval("day")
    with pytest.raises(InvalidParameterError, match="no panel 'halway'"):
        render_interval("day", panels=["halway"])
    panels.write_text("group: A\n")
    with pytest.raises(InvalidInputError, match="line 1"):
        render_interval("day")


def test_the_page_of_a_day_leads_to_its_observations(night: list[str]) -> None:
    page = settings.load_settings().qlp_path / NIGHT / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    result = render_interval("day", NIGHT)
    day = result.site / "day" / NIGHT / "index.html"
    [target] = re.findall(r'href="([^"]+)">observations<', day.read_text())
    assert (day.parent / target).resolve() == page.resolve()
