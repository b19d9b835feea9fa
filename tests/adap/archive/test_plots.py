from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kpfnb.adap.archive.result import DeliveryResult
from kpfnb.adap.archive.status import DeliveryStatus
from kpfnb.adap.archive.verification import VerificationResult
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure

DAYS: dict[str, dict[str, Any]] = {
    "2026-11-26": {"bytes": 500, "files": 3, "reserved": {}},
    "2026-11-27": {"bytes": 250, "files": 1, "reserved": {"m/c/d": [20, "ticket"]}},
}


def tooltip(plot: HoverFigure, x: float, y: float) -> str:
    [axes] = plot.figure.axes
    return plot.tooltips[axes](SimpleNamespace(xdata=x, ydata=y))


def test_the_mouse_shows_a_day() -> None:
    plot = figures.hover_plot(DeliveryResult("data:", "koa:", days=DAYS, quota=1000))
    assert tooltip(plot, 0, 1) == "2026-11-26: 500 bytes in 3 files, 50% of the quota"
    assert tooltip(plot, 1.2, 1).splitlines()[1:] == ["reserved for:", "m/c/d"]
    assert tooltip(plot, 2, 1) == ""
    without_quota = figures.hover_plot(DeliveryStatus("koa:", {}, DAYS, 0))
    assert "quota" not in tooltip(without_quota, 0, 1)


def test_the_tooltip_shows_which_files_are_wrong() -> None:
    wrong = {"m/c/1/a.fits": "has 3 bytes, not 5", "m/c/10/b.fits": "missing"}
    result = VerificationResult("koa:", {"m/c/1": 2, "m/c/10": 3, "m/c/2": 1}, 6, wrong)
    plot = figures.hover_plot(result)
    texts = [tooltip(plot, 1, n) for n in (2, 1, 0)]
    assert texts == [
        "m/c/1: 2 files, 1 wrong\na.fits: has 3 bytes, not 5",
        "m/c/10: 3 files, 1 wrong\nb.fits: missing",
        "m/c/2: 1 files, 0 wrong",
    ]
