from __future__ import annotations

from types import SimpleNamespace

from kpfnb.adap.prepare import plots
from kpfnb.adap.prepare.plots import FrameLabel


def test_tooltips_name_the_frames_of_a_type_and_why_some_are_not_used() -> None:
    labels = [
        FrameLabel(("science",), "d3.fits"),
        FrameLabel(("arc", "tilt"), "d1.fits"),
        FrameLabel(("arc", "tilt"), "d2.fits", "lamps as in d1.fits"),
        FrameLabel((), "d4.fits", "no header"),
    ]
    shown = plots.plot_frame_counts(labels)
    [axes] = shown.figure.axes
    tooltips = [shown.tooltips[axes](SimpleNamespace(xdata=0.5, ydata=n)) for n in range(4)]
    assert tooltips == [
        "arc: 1 used, 1 not used\nd2.fits: lamps as in d1.fits\nd1.fits",
        "science: 1 used, 0 not used\nd3.fits",
        "unknown: 0 used, 1 not used\nd4.fits: no header",
        "",
    ]
