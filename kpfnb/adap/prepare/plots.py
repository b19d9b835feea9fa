"""A picture of how many frames there are of each type, kept and not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kpfnb.adap.profiles.spectrograph import UNKNOWN_TYPE
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure

USED_COLOUR, UNUSED_COLOUR = "#1f6fb4", "#c9c9c9"


class FrameLabel(NamedTuple):
    """A frame: its types, its name, and why it is left out; '' where it is used."""

    types: tuple[str, ...]
    name: str
    reason: str = ""

    @property
    def kind(self) -> str:
        """Its first type."""
        return self.types[0] if self.types else UNKNOWN_TYPE


def hover_frame_counts(frames: Iterable[FrameLabel]) -> HoverFigure:
    """Bars of the frames of each type; over a bar their names, those that are left out first."""
    from matplotlib.figure import Figure

    told = list(frames)
    kept = Counter(one.kind for one in told if not one.reason)
    out = Counter(one.kind for one in told if one.reason)
    kinds = sorted({one.kind for one in told})
    chart = Figure(figsize=(7, 1 + 0.35 * max(len(kinds), 1)), layout="constrained")
    axes = chart.add_subplot()
    if not kinds:
        figures.draw_empty_message(axes, "no frames")
        return HoverFigure(chart)
    begin = [kept[kind] for kind in kinds]
    axes.barh(kinds, begin, color=USED_COLOUR, label="used")
    axes.barh(
        kinds,
        [out[k] for k in kinds],
        left=begin,
        color=UNUSED_COLOUR,
        label="left out",
        hatch="//",
    )
    axes.invert_yaxis()
    axes.set_xlabel("frames")
    axes.margins(x=0.05)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    texts = [_bar_tooltip(kind, [one for one in told if one.kind == kind]) for kind in kinds]
    return HoverFigure(chart, {axes: figures.bar_tooltip(texts, upright=False)})


def _bar_tooltip(kind: str, frames: Sequence[FrameLabel]) -> str:
    out = [f"{one.name}: {one.reason}" for one in frames if one.reason]
    used = [one.name for one in frames if not one.reason]
    head = f"{kind}: {len(used)} used, {len(out)} left out"
    return f"{head}\n{figures.join_names([*out, *used])}"
