from __future__ import annotations

from types import SimpleNamespace

from kpfnb.adap.archive import plots
from kpfnb.notebook.display.figures import HoverFigure


def told(shown: HoverFigure, x: float, y: float) -> str:
    [axes] = shown.figure.axes
    return shown.tooltips[axes](SimpleNamespace(xdata=x, ydata=y))


def test_the_mouse_tells_a_day() -> None:
    days = {
        "2026-11-26": {"bytes": 500, "files": 3, "reserved": {}},
        "2026-11-27": {"bytes": 250, "files": 1, "reserved": {"m/c/d": [20, "ticket"]}},
    }
    shown = plots.plot_uploads(days, 1000, "koa:")
    assert told(shown, 0, 1) == "2026-11-26: 500 bytes in 3 files, 50% of the quota"
    assert told(shown, 1.2, 1).splitlines()[1:] == ["reserved for:", "m/c/d"]
    assert told(shown, 2, 1) == ""
    assert "quota" not in told(plots.plot_uploads(days, 0, "koa:"), 0, 1)


def test_the_mouse_tells_which_files_are_wrong() -> None:
    wrong = {"m/c/1/a.fits": "has 3 bytes, not 5", "m/c/10/b.fits": "not there"}
    shown = plots.plot_verification({"m/c/1": 2, "m/c/10": 3, "m/c/2": 1}, wrong, "koa:")
    texts = [told(shown, 1, n) for n in (2, 1, 0)]
    assert texts == [
        "m/c/1: 2 files, 1 wrong\na.fits: has 3 bytes, not 5",
        "m/c/10: 3 files, 1 wrong\nb.fits: not there",
        "m/c/2: 1 files, 0 wrong",
    ]
