from __future__ import annotations

from types import SimpleNamespace

from kpfnb.adap.preparing import framecounts
from kpfnb.adap.preparing.framecounts import Told


def test_the_mouse_tells_the_frames_of_a_type_and_why_some_are_left_out() -> None:
    frames = [
        Told(("science",), "d3.fits"),
        Told(("arc", "tilt"), "d1.fits"),
        Told(("arc", "tilt"), "d2.fits", "lamps as in d1.fits"),
        Told((), "d4.fits", "no header"),
    ]
    shown = framecounts.hovered(frames)
    [axes] = shown.figure.axes
    told = [shown.told[axes](SimpleNamespace(xdata=0.5, ydata=n)) for n in range(4)]
    assert told == [
        "arc: 1 used, 1 left out\nd2.fits: lamps as in d1.fits\nd1.fits",
        "science: 1 used, 0 left out\nd3.fits",
        "unknown: 0 used, 1 left out\nd4.fits: no header",
        "",
    ]
