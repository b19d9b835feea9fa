from __future__ import annotations

from types import SimpleNamespace

from kpfnb.adap.prepare import plots
from kpfnb.adap.prepare.plots import FrameLabel


def test_the_mouse_tells_the_frames_of_a_type_and_why_some_are_left_out() -> None:
    frames = [
        FrameLabel(("science",), "d3.fits"),
        FrameLabel(("arc", "tilt"), "d1.fits"),
        FrameLabel(("arc", "tilt"), "d2.fits", "lamps as in d1.fits"),
        FrameLabel((), "d4.fits", "no header"),
    ]
    shown = plots.hover_frame_counts(frames)
    [axes] = shown.figure.axes
    told = [shown.tooltips[axes](SimpleNamespace(xdata=0.5, ydata=n)) for n in range(4)]
    assert told == [
        "arc: 1 used, 1 left out\nd2.fits: lamps as in d1.fits\nd1.fits",
        "science: 1 used, 0 left out\nd3.fits",
        "unknown: 0 used, 1 left out\nd4.fits: no header",
        "",
    ]
