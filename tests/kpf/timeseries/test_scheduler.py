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


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def steps(keeper: PageScheduler) -> list[str]:
    """What is drawn until nothing is to be done."""
    drawn: list[str] = []
    while done := keeper.step():
        drawn += done.periods
    return drawn


def test_today_comes_first_and_nothing_is_drawn_twice(night: list[str]) -> None:
    hands = Hands()
    keeper = PageScheduler(site.site_folder(), hands)
    assert steps(keeper) == [
        *(f"day/{NIGHT}", "month/202401", "year/2024", "decade/2020s", "all/all")
    ]
    assert keeper.wait_seconds() == 300
    hands.now += 300
    assert steps(keeper) == []


def test_what_arrives_is_drawn_when_its_clock_runs_out(night: list[str]) -> None:
    hands = Hands()
    keeper = PageScheduler(site.site_folder(), hands)
    steps(keeper)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    hands.now += 300
    assert steps(keeper) == [f"day/{NIGHT}"]
    hands.now += 300
    assert steps(keeper) == ["month/202401"]


def test_today_does_not_wait_for_all_the_days(
    night: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PERIODS_PER_STEP", 1)
    for day in ("20240113", "20240114"):
        fill(day, {"kpfmet.TEMP": [18.0]})
    hands = Hands()
    keeper = PageScheduler(site.site_folder(), hands)
    names = ["today", "this month", "this year", "all months and years", "decades"]
    keeper.finished = dict.fromkeys(names, NOW)
    done = keeper.step()
    assert done is not None
    assert done.periods == (f"day/{NIGHT}",)
    fill(NIGHT, {"kpfmet.TEMP": [18.0]}, first=40_000)
    hands.now += 300
    assert steps(keeper) == [f"day/{NIGHT}", "day/20240114", "day/20240113"]


def test_what_was_done_is_remembered(night: list[str]) -> None:
    hands = Hands()
    steps(PageScheduler(site.site_folder(), hands))
    assert PageScheduler(site.site_folder(), hands).step() is None
    (site.site_folder() / scheduler.STATE_FILE_NAME).write_text("{")
    assert steps(PageScheduler(site.site_folder(), hands)) == []


def test_a_wrong_panel_stops_nothing_for_good(night: list[str], panels: Path) -> None:
    keeper = PageScheduler(site.site_folder(), Hands())
    good = panels.read_text()
    panels.write_text("group: A\n")
    assert keeper.step_logged() is None
    assert "line 1" in keeper.error
    assert keeper.wait_seconds() == scheduler.RETRY_SECONDS
    panels.write_text(good)
    assert keeper.step_logged() is not None
    assert keeper.error == ""


def test_a_full_disk_is_waited_for(night: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    keeper = PageScheduler(site.site_folder(), Hands())
    with monkeypatch.context() as patch:
        patch.setattr("kpfnb.core.atomic.write_json", full)
        assert keeper.step_logged() is None
    assert "No space left on device" in keeper.error
    assert keeper.wait_seconds() == scheduler.RETRY_SECONDS
    assert keeper.step_logged() is not None
    assert keeper.error == ""


def test_without_a_database_it_waits(any_database: str, panels: Path) -> None:
    keeper = PageScheduler(site.site_folder(), Hands())
    assert steps(keeper) == []
    fill(NIGHT, {"kpfmet.TEMP": [18.0]})
    database.close_connections()


def test_there_is_only_one(night: list[str]) -> None:
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
