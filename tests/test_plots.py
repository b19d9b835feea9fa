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

from kpfnb.adap.archive.result import DeliveryResult
from kpfnb.adap.archive.verification import VerificationResult
from kpfnb.adap.coadd.products import CoaddKind
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.prepare.plots import plot_frame_counts
from kpfnb.adap.products import spectra
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.home.plots import draw_runs
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.progress.touch import TouchResult
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult
from kpfnb.kpf.reprocess.result import ReprocessResult
from kpfnb.kpf.tsdb.ingest_result import IngestResult
from kpfnb.kpf.verdict.plots import plot_calendar
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook.display import figures
from kpfnb.queue.records import QueueItem, QueueItemStatus
from kpfnb.queue.status import QueueStatus
from kpfnb.queue.timeline import WorkerTimeline
from kpfnb.storage import FileOutcome, FileTransfer, TransferResult

UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2024, 1, 15, tzinfo=UTC)
HOSTILE = r"$\frac{$ <b>"
ODD = r"a$b$\nonsense{$c$"


def no_verdict() -> NightVerdict:
    return NightVerdict("20240115", Path("/d"), (), 0, 0, {"star": ()}, None, NOW, UTC_ZONE, "")


def queue_status(name: str, count: int) -> QueueStatus:
    counts = dict.fromkeys(QueueItemStatus, count)
    items: dict[QueueItemStatus, list[QueueItem]] = {state: [] for state in QueueItemStatus}
    return QueueStatus(name, counts, items, (), False, NOW, UTC_ZONE)


EMPTY: dict[str, Callable[[], Figure]] = {
    "progress": lambda: figures.plot(
        ProgressResult(Path("/d"), "", "", "", ("2D",), (), UTC_ZONE, NOW)
    ),
    "reprocessing": lambda: figures.plot(ReprocessResult(Path("/d"), "", ("2D",), (), "", 0, ())),
    "quicklook": lambda: figures.plot(QuicklookResult(Path("/d"), ())),
    "home": lambda: draw_runs(Counter(), [str(date(2024, 1, 15))]),
    "scores": lambda: figures.plot(ScoreResult(())),
    "archive": lambda: figures.plot(DeliveryResult("data:", "koa:", quota=10**9)),
    "archive check": lambda: figures.plot(VerificationResult("koa:", {}, 0, {})),
    "frames": lambda: plot_frame_counts([]).figure,
    "spectra": lambda: spectra.plot_spectra([]),
    "coadds": lambda: figures.plot(CoaddResult(Path("/d"), CoaddKind.SPECTRA, {})),
    "touch": lambda: figures.plot(TouchResult(())),
    "ingestion": lambda: figures.plot(IngestResult(())),
    "verdict": lambda: figures.plot(no_verdict()),
    "calendar": lambda: plot_calendar({}).figure,
    "transfer": lambda: figures.plot(TransferResult("a", "b", ())),
    "watchers": lambda: figures.plot(WatcherOverview((), (), UTC_ZONE)),
    "queue": lambda: figures.plot(queue_status("demo", 0)),
    "timeline": lambda: figures.plot(WorkerTimeline([], [], NOW, UTC_ZONE)),
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
    figure = drawn(figures.plot(ScoreResult((Scorecard(Path("/d"), "night1", ()),))))
    assert not any(axes.axison for axes in figure.axes)


ITEM = QuicklookItem(
    f"{HOSTILE}.fits", "L0", HOSTILE, QuicklookOutcome.MADE, target=HOSTILE, verdict="PASS"
)
DAYS = {"2026-01-01": {"bytes": 3, "files": 1, "reserved": {}}}
NAMED: dict[str, Callable[[], Figure]] = {
    "quicklook": lambda: figures.plot(QuicklookResult(Path("/d"), (ITEM,))),
    "archive": lambda: figures.plot(DeliveryResult("data:", HOSTILE, days=DAYS)),
    "archive check": lambda: figures.plot(VerificationResult(ODD, {HOSTILE: 3}, 9, {})),
    "transfer": lambda: figures.plot(
        TransferResult(ODD, HOSTILE, (FileTransfer(f"{HOSTILE}/x", FileOutcome.COPIED, 1),))
    ),
    "queue": lambda: figures.plot(queue_status(HOSTILE, 1)),
}


@pytest.mark.parametrize("name", NAMED)
def test_hostile_names_in_a_plot_are_text(name: str) -> None:
    drawn(NAMED[name]())
