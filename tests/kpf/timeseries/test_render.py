from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.timeseries import freshness, period, production, site
from kpfnb.kpf.timeseries.period import Interval
from kpfnb.kpf.timeseries.production import produce
from kpfnb.kpf.tsdb.plots import definitions, drawing
from kpfnb.outcomes import Outcome
from tests.kpf.tsdb.plots.observed import NIGHT, fill

DAY = f"day/{NIGHT}"


@pytest.fixture
def top(night: list[str]) -> Path:
    """Where the site is, nothing drawn yet."""
    return site.folder()


def test_a_day_is_drawn_with_its_page(top: Path) -> None:
    done = produce("day", NIGHT)
    assert done.outcome is Outcome.SUCCEEDED
    assert (done.periods, done.pictures, done.without) == ((DAY,), 2, 1)
    assert sorted(path.name for path in (top / DAY).iterdir()) == [
        *("by-source.png", "hallway.png", "index.html", "page.json")
    ]
    page = (top / DAY / "index.html").read_text()
    assert "The &lt;hallway&gt;" in page
    assert "<script" not in page
    assert "default-src 'self'" in page
    assert 'Never there (not in the database: <span class="mono">NEVER</span>)' in page
    assert "<td>total</td><td>4</td><td>2</td><td>6</td>" in page
    assert f"{DAY}/index.html" in (top / "index.html").read_text()


def test_only_what_changed_is_drawn_again(top: Path) -> None:
    produce("month", NIGHT)
    assert produce("month", NIGHT).fresh == ("month/202401",)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    assert produce("month", NIGHT).periods == ("month/202401",)
    fill("20240201", {"kpfmet.TEMP": [18.0]})
    assert produce("month", NIGHT).fresh == ("month/202401",)
    assert produce("month", NIGHT, force=True).periods == ("month/202401",)


def test_a_page_of_a_day_is_made_once_more_when_the_day_is_over(top: Path) -> None:
    nights, panels = freshness.nights(), definitions.load()
    day = period.containing(Interval.DAY, NIGHT)
    noon, later = (datetime(2024, 1, 15 + days, 12, tzinfo=UTC) for days in (0, 1))
    made = [
        production.make([day], panels, nights, now=now).periods
        for now in (noon, noon, later, later)
    ]
    assert made == [(DAY,), (), (DAY,), ()]


def test_all_nights_drawn_by_another_process_meanwhile_stop_nothing(top: Path) -> None:
    produce("all")
    mine = period.everything([NIGHT])
    site.write(top, site.Page(period.everything([NIGHT, "20240116"])))
    site.update(top, [mine])
    assert "all/all/index.html" in (top / "index.html").read_text()


def test_a_changed_panel_is_drawn_again(top: Path, panels: Path) -> None:
    produce("day", NIGHT)
    panels.write_text(panels.read_text().replace("By source", "Sources"))
    assert produce("day", NIGHT).periods == (DAY,)
    assert "Sources" in (top / DAY / "index.html").read_text()


def test_a_panel_taken_away_leaves_the_page(top: Path, panels: Path) -> None:
    produce("day", NIGHT)
    panels.write_text(panels.read_text().partition("  by-source")[0])
    produce("day", NIGHT)
    assert not (top / DAY / "by-source.png").exists()


def test_a_picture_that_was_lost_is_drawn_again(top: Path) -> None:
    produce("day", NIGHT)
    (top / DAY / "hallway.png").unlink()
    assert produce("day", NIGHT).periods == (DAY,)


def test_one_panel_leaves_the_others_as_they_are(top: Path) -> None:
    produce("day", NIGHT)
    done = produce("day", NIGHT, panels=["hallway"])
    assert done.pictures == 1
    page = site.read(top, production.period.containing(production.Interval.DAY, NIGHT))
    assert [one.name for one in page.panels] == ["hallway", "never", "by-source"]


def test_pages_lead_to_each_other(top: Path) -> None:
    fill("20240117", {"kpfmet.TEMP": [18.0]})
    produce("day", NIGHT)
    produce("day", "20240117")
    produce("month", NIGHT)
    first, month = ((top / path / "index.html").read_text() for path in (DAY, "month/202401"))
    assert "../../day/20240117/index.html" in first
    assert "../../month/202401/index.html" in first
    assert f"../../{DAY}/index.html" in month


def test_a_page_that_is_as_it_was_keeps_its_time(top: Path) -> None:
    produce("day", NIGHT)
    before = {path: path.stat().st_mtime_ns for path in top.rglob("*.*g")}
    produce("day", NIGHT, force=True)
    assert {path: path.stat().st_mtime_ns for path in top.rglob("*.*g")} == before


def test_a_failure_is_named_and_drawn_again_later(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(drawing, "png", lambda drawn: 1 / 0)
        done = produce("day", NIGHT)
    assert done.outcome is Outcome.FAILED
    assert "ZeroDivisionError" in str(done)
    assert produce("day", NIGHT).pictures == 2


def test_a_panel_that_could_not_be_drawn_stays_as_it_was(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce("day", NIGHT)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    with monkeypatch.context() as broken:
        broken.setattr(drawing, "png", lambda drawn: 1 / 0)
        assert produce("day", NIGHT).outcome is Outcome.FAILED
    assert "The &lt;hallway&gt;" in (top / DAY / "index.html").read_text()
    assert (top / DAY / "hallway.png").exists()
    assert produce("day", NIGHT).pictures == 2


def test_a_damaged_page_of_a_free_range_stops_no_other(top: Path) -> None:
    produce("all", NIGHT, NIGHT)
    record = top / f"all/{NIGHT}-{NIGHT}" / site.RECORD
    record.write_text("{")
    assert produce("day", NIGHT).outcome is Outcome.SUCCEEDED
    assert f"{NIGHT}-{NIGHT}" not in (top / "index.html").read_text()
    assert produce("all", NIGHT, NIGHT).pictures == 2
    assert f"{NIGHT}-{NIGHT}" in (top / "index.html").read_text()


def test_an_empty_period_has_a_page_that_says_so(top: Path) -> None:
    done = produce("day", "20210101")
    assert (done.pictures, done.without) == (0, 3)
    assert "Without data:" in (top / "day/20210101/index.html").read_text()


@pytest.mark.parametrize("interval", ["month", "year", "decade", "all"])
def test_every_interval_is_drawn(top: Path, interval: str) -> None:
    assert produce(interval).pictures == 2


def test_postgresql_gives_the_same_pictures(
    request: pytest.FixtureRequest, panels: Path, monkeypatch: pytest.MonkeyPatch, isolated: Path
) -> None:
    pictures = []
    for kind in ("sqlite", "postgresql"):
        request.getfixturevalue(kind)
        monkeypatch.setenv("KPFNB_WORK_DIR", str(isolated / kind))
        fill(NIGHT, {"kpfmet.TEMP": [19.0, 19.1, 25.0]}, ["Star", "Star", "Sun"])
        assert produce("year").pictures == 2
        year = site.folder() / "year/2024"
        pictures.append({path.name: path.read_bytes() for path in year.glob("*.png")})
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 2


def test_panels_are_put_together_by_their_keywords(panels: Path) -> None:
    some = list(definitions.load().values())
    assert [len(one) for one in production.portions(some, 2)] == [2, 1]
    assert [len(one) for one in production.portions(some, 40)] == [3]


def test_without_a_database_nothing_is_drawn(panels: Path) -> None:
    with pytest.raises(BadParameter, match="has no night"):
        produce("day")
    with pytest.raises(BadParameter, match="no panel 'halway'"):
        produce("day", panels=["halway"])
    panels.write_text("group: A\n")
    with pytest.raises(BadInput, match="line 1"):
        produce("day")
