"""A picture of how many frames there are of each type, kept and not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kpfnb import pictures
from kpfnb.adap.profile import UNKNOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT, LEFT = "#1f6fb4", "#c9c9c9"


def figure(frames: Iterable[tuple[tuple[str, ...], bool]]) -> Figure:
    """Bars; each frame is given by its types and whether it is left out."""
    from matplotlib.figure import Figure

    told = [(types[0] if types else UNKNOWN, left) for types, left in frames]
    kept = Counter(kind for kind, left in told if not left)
    out = Counter(kind for kind, left in told if left)
    kinds = sorted({kind for kind, _ in told})
    chart = Figure(figsize=(7, 1 + 0.35 * max(len(kinds), 1)), layout="constrained")
    axes = chart.add_subplot()
    if not kinds:
        pictures.nothing(axes, "no frames")
        return chart
    begin = [kept[kind] for kind in kinds]
    axes.barh(kinds, begin, color=KEPT, label="used")
    axes.barh(kinds, [out[k] for k in kinds], left=begin, color=LEFT, label="left out", hatch="//")
    axes.invert_yaxis()
    axes.set_xlabel("frames")
    axes.margins(x=0.05)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return chart
