"""A picture of how many frames there are of each type, kept and not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kpfnb import hovering, pictures
from kpfnb.adap.profile import UNKNOWN
from kpfnb.hovering import Hovered

KEPT, LEFT = "#1f6fb4", "#c9c9c9"


class Told(NamedTuple):
    """A frame: its types, its name, and why it is left out; '' where it is used."""

    types: tuple[str, ...]
    name: str
    reason: str = ""

    @property
    def kind(self) -> str:
        """Its first type."""
        return self.types[0] if self.types else UNKNOWN


def hovered(frames: Iterable[Told]) -> Hovered:
    """Bars of the frames of each type; over a bar their names, those that are left out first."""
    from matplotlib.figure import Figure

    told = list(frames)
    kept = Counter(one.kind for one in told if not one.reason)
    out = Counter(one.kind for one in told if one.reason)
    kinds = sorted({one.kind for one in told})
    chart = Figure(figsize=(7, 1 + 0.35 * max(len(kinds), 1)), layout="constrained")
    axes = chart.add_subplot()
    if not kinds:
        pictures.nothing(axes, "no frames")
        return Hovered(chart)
    begin = [kept[kind] for kind in kinds]
    axes.barh(kinds, begin, color=KEPT, label="used")
    axes.barh(kinds, [out[k] for k in kinds], left=begin, color=LEFT, label="left out", hatch="//")
    axes.invert_yaxis()
    axes.set_xlabel("frames")
    axes.margins(x=0.05)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    texts = [_text(kind, [one for one in told if one.kind == kind]) for kind in kinds]
    return Hovered(chart, {axes: hovering.bars(texts, upright=False)})


def _text(kind: str, frames: Sequence[Told]) -> str:
    out = [f"{one.name}: {one.reason}" for one in frames if one.reason]
    used = [one.name for one in frames if not one.reason]
    head = f"{kind}: {len(used)} used, {len(out)} left out"
    return f"{head}\n{hovering.names([*out, *used])}"
