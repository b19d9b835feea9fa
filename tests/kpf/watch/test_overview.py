"""All watchers at one glance."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.result import Outcome, Result
from kpfnb.kpf.watch import overview, status
from kpfnb.kpf.watch.handler import WatchOutcome
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook.display import figures
from tests.kpf.watch.conftest import Tree, once


@pytest.fixture
def work_dir(isolated: Path) -> Path:
    return isolated / "work"


def test_without_any_watcher_it_says_so() -> None:
    result = overview.load_overview()
    assert isinstance(result, Result)
    assert str(result) == result.reason == overview.NO_WATCHER
    assert result.outcome is Outcome.SUCCEEDED
    assert result.to_frame().empty
    assert "No watcher has been started" in result._repr_html_()
    assert figures.plot(result).axes


def test_an_expected_one_that_is_not_running_is_a_failure(tree: Tree, work_dir: Path) -> None:
    once(tree.handler(), status.watcher_dir(work_dir, "test"))
    result = overview.load_overview(expected=["test", "other"])
    assert result.outcome is Outcome.FAILED
    assert result.reason == "not running: test, other"
    assert overview.load_overview().outcome is Outcome.SUCCEEDED


def test_it_shows_each_watcher_with_its_counts_and_troubles(tree: Tree, work_dir: Path) -> None:
    tree.write("good.fits")
    once(tree.handler(), status.watcher_dir(work_dir, "test"))
    tree.outcome = WatchOutcome.FAILED
    tree.write("<b>.fits")
    once(tree.handler(), status.watcher_dir(work_dir, "test"))
    result = overview.load_overview()
    assert result.key_figures() == {
        "watchers": 1,
        "running": 0,
        "done": 0,
        "failed": 1,
        "waiting": 0,
        "given_up": 0,
    }
    assert result.to_frame().loc[0, "failed"] == 1
    assert "test    | stopped" in str(result)
    assert "<b>.fits failed: it is failed" in str(result)
    assert "&lt;b&gt;.fits failed" in result._repr_html_()
    assert "<b>" not in result._repr_html_()
    assert result.to_dict()["watchers"][0]["failing"][0][1] == "it is failed"
    done, failed = figures.plot(result).axes[0].containers
    assert [sum(bar.get_height() for bar in bars) for bars in (done, failed)] == [1, 1]


def test_a_damaged_state_is_reported_and_left_to_its_watcher(tree: Tree, work_dir: Path) -> None:
    folder = status.watcher_dir(work_dir, "test")
    once(tree.handler(), folder)
    (folder / "memory.sqlite").write_bytes(b"nonsense" * 2000)
    before = sorted(folder.iterdir())
    title = figures.plot(overview.load_overview()).axes[0].get_title()
    assert title == "test: its state can't be read (file is not a database)"
    assert sorted(folder.iterdir()) == before


def test_one_of_several_by_name(tree: Tree, work_dir: Path) -> None:
    for name in ("process", "ingest"):
        once(tree.handler(name=name), status.watcher_dir(work_dir, name))
    assert [report.name for report in overview.load_overview().watchers] == ["ingest", "process"]
    assert [report.name for report in overview.load_overview("ingest").watchers] == ["ingest"]


def test_headless_it_is_shown_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    overview.show_overview(WatcherOverview(()), refresh_seconds=1)
    assert "No watcher has been started" in capsys.readouterr().out
