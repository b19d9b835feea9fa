"""Plots of nothing say so, without ticks that mean nothing; names in plots are no formulas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kpfnb.adap.archive import picture as archive
from kpfnb.adap.coadding import coaddpicture
from kpfnb.adap.preparing import framecounts
from kpfnb.adap.reducing import spectra
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.adap.scoring.scores import Scores
from kpfnb.home import picture as home
from kpfnb.kpf.progress import Progress
from kpfnb.kpf.quicklook.result import Fate, Item, Quicklook
from kpfnb.kpf.reprocessing import Reprocessing
from kpfnb.kpf.touch import Touched
from kpfnb.kpf.tsdb.ingestion import Ingestion
from kpfnb.kpf.verdict import picture as verdict
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.storage import Carried
from kpfnb.storage import Item as File
from kpfnb.storage import State as FileState
from kpfnb.watching.overview import Overview
from kpfnb.workqueue import picture as queue
from kpfnb.workqueue.records import State
from kpfnb.workqueue.timeline import Timeline

UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2024, 1, 15, tzinfo=UTC)
HOSTILE = r"$\frac{$ <b>"
ODD = r"a$b$\nonsense{$c$"


def no_verdict() -> NightVerdict:
    return NightVerdict("20240115", Path("/d"), (), 0, 0, {"star": ()}, None, NOW, UTC_ZONE, "")


EMPTY: dict[str, Callable[[], Figure]] = {
    "progress": lambda: Progress(Path("/d"), "", "", "", ("2D",), (), UTC_ZONE, NOW).plot(),
    "reprocessing": lambda: Reprocessing(Path("/d"), "", ("2D",), (), "", 0, ()).plot(),
    "quicklook": lambda: Quicklook(Path("/d"), ()).plot(),
    "home": lambda: home.draw(Counter(), 7, date(2024, 1, 15)),
    "scores": lambda: Scores(()).plot(),
    "archive": lambda: archive.days({}, 10**9, "koa:").figure,
    "archive check": lambda: archive.checked({}, {}, "koa:").figure,
    "frames": lambda: framecounts.hovered([]).figure,
    "spectra": lambda: spectra.figure([]),
    "coadds": lambda: coaddpicture.hovered([]).figure,
    "touch": lambda: Touched(()).plot(),
    "ingestion": lambda: Ingestion(()).plot(),
    "verdict": lambda: verdict.filling(no_verdict()),
    "calendar": lambda: verdict.calendar({}),
    "carried": lambda: Carried("a", "b", ()).plot(),
    "watchers": lambda: Overview((), (), UTC_ZONE).plot(),
    "queue": lambda: queue.bars(dict.fromkeys(State, 0), {}, "demo").figure,
    "timeline": lambda: Timeline([], [], NOW, UTC_ZONE).plot(),
}


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_plot_says_so_and_has_no_ticks(name: str) -> None:
    figure = drawn(EMPTY[name]())
    assert not any(axes.axison for axes in figure.axes)
    texts = [text for axes in figure.axes for text in axes.texts] + list(figure.texts)
    assert any(text.get_text().strip() for text in texts)


def test_a_scorecard_without_measures_or_date_says_so() -> None:
    figure = drawn(Scores((Scorecard(Path("/d"), "night1", ()),)).plot())
    assert not any(axes.axison for axes in figure.axes)


ITEM = Item(f"{HOSTILE}.fits", "L0", HOSTILE, Fate.MADE, target=HOSTILE, verdict="PASS")
DAYS = {"2026-01-01": {"bytes": 3, "files": 1, "reserved": {}}}
NAMED: dict[str, Callable[[], Figure]] = {
    "quicklook": lambda: Quicklook(Path("/d"), (ITEM,)).plot(),
    "archive": lambda: archive.days(DAYS, 0, HOSTILE).figure,
    "archive check": lambda: archive.checked({HOSTILE: 3}, {}, ODD).figure,
    "carried": lambda: Carried(ODD, HOSTILE, (File(f"{HOSTILE}/x", FileState.COPIED, 1),)).plot(),
    "queue": lambda: queue.bars(dict.fromkeys(State, 1), dict.fromkeys(State, ()), HOSTILE).figure,
}


@pytest.mark.parametrize("name", NAMED)
def test_hostile_names_in_a_plot_are_text(name: str) -> None:
    drawn(NAMED[name]())
