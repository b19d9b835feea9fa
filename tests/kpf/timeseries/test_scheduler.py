from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpfnb.core.errors import AlreadyRunningError
from kpfnb.kpf.timeseries import scheduler, site
from kpfnb.kpf.timeseries.scheduler import PageScheduler
from kpfnb.kpf.tsdb import database
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC).timestamp()


class ManualClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def steps(page_scheduler: PageScheduler) -> list[str]:
    """What is drawn until nothing is to be done."""
    drawn: list[str] = []
    while result := page_scheduler.step():
        drawn += result.periods
    return drawn


def test_today_comes_first_and_nothing_is_drawn_twice(night: list[str]) -> None:
    manual_clock = ManualClock()
    page_scheduler = PageScheduler(site.site_folder(), manual_clock)
    assert steps(page_scheduler) == [
        *(f"day/{NIGHT}", "month/202401", "year/2024", "decade/2020s", "all/all")
    ]
    assert page_scheduler.wait_seconds() == 300
    manual_clock.now += 300
    assert steps(page_scheduler) == []


def test_new_data_are_rendered_when_their_clock_is_due(night: list[str]) -> None:
    manual_clock = ManualClock()
    page_scheduler = PageScheduler(site.site_folder(), manual_clock)
    steps(page_scheduler)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    manual_clock.now += 300
    assert steps(page_scheduler) == [f"day/{NIGHT}"]
    manual_clock.now += 300
    assert steps(page_scheduler) == ["month/202401"]


def test_today_does_not_wait_for_all_the_days(
    night: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PERIODS_PER_STEP", 1)
    for day in ("20240113", "20240114"):
        fill(day, {"kpfmet.TEMP": [18.0]})
    manual_clock = ManualClock()
    page_scheduler = PageScheduler(site.site_folder(), manual_clock)
    names = ["today", "this month", "this year", "all months and years", "decades"]
    page_scheduler.finished = dict.fromkeys(names, NOW)
    result = page_scheduler.step()
    assert result is not None
    assert result.periods == (f"day/{NIGHT}",)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    manual_clock.now += 300
    assert steps(page_scheduler) == [f"day/{NIGHT}", "day/20240114", "day/20240113"]


def test_the_state_survives_a_restart(night: list[str]) -> None:
    manual_clock = ManualClock()
    steps(PageScheduler(site.site_folder(), manual_clock))
    assert PageScheduler(site.site_folder(), manual_clock).step() is None
    (site.site_folder() / scheduler.STATE_FILE_NAME).write_text("{")
    assert steps(PageScheduler(site.site_folder(), manual_clock)) == []


def test_an_invalid_panel_delays_the_pages_only_until_it_is_fixed(
    night: list[str], panels: Path
) -> None:
    page_scheduler = PageScheduler(site.site_folder(), ManualClock())
    good = panels.read_text()
    panels.write_text("group: A\n")
    assert page_scheduler.step_logged() is None
    assert "line 1" in page_scheduler.error
    assert page_scheduler.wait_seconds() == scheduler.RETRY_SECONDS
    panels.write_text(good)
    assert page_scheduler.step_logged() is not None
    assert page_scheduler.error == ""


def test_the_scheduler_waits_on_a_full_disk(
    night: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    page_scheduler = PageScheduler(site.site_folder(), ManualClock())
    with monkeypatch.context() as patch:
        patch.setattr("kpfnb.core.atomic.write_json", full)
        assert page_scheduler.step_logged() is None
    assert "No space left on device" in page_scheduler.error
    assert page_scheduler.wait_seconds() == scheduler.RETRY_SECONDS
    assert page_scheduler.step_logged() is not None
    assert page_scheduler.error == ""


def test_without_a_database_it_waits(any_database: str, panels: Path) -> None:
    page_scheduler = PageScheduler(site.site_folder(), ManualClock())
    assert steps(page_scheduler) == []
    fill(NIGHT, {"kpfmet.TEMP": [18.0]})
    database.close_connections()


def test_only_one_scheduler_runs(night: list[str]) -> None:
    stop = threading.Event()
    service = threading.Thread(target=scheduler.serve_pages, args=[stop])
    service.start()
    try:
        while not (site.site_folder() / scheduler.STATE_FILE_NAME).exists():
            assert service.is_alive()
            stop.wait(0.01)
        with pytest.raises(AlreadyRunningError):
            scheduler.update_due_pages()
    finally:
        stop.set()
        service.join()
    scheduler.update_due_pages()
    assert (site.site_folder() / "all/all/index.html").exists()
