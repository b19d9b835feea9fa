"""Plots of the preparation: how many frames there are of each type, used and not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kpfnb.adap.prepare.header_fixes import HeaderFixResult
from kpfnb.adap.prepare.placement_plan import IN_PLACE
from kpfnb.adap.prepare.preparation import PreparationResult
from kpfnb.adap.prepare.sort_result import SortResult
from kpfnb.adap.prepare.trim_many import TrimManyResult
from kpfnb.adap.prepare.trim_result import TrimResult
from kpfnb.adap.profiles.spectrograph import UNKNOWN_TYPE
from kpfnb.core import palette
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, register_plot

USED_COLOUR, UNUSED_COLOUR = palette.BLUE, palette.PALE_GREY


class FrameLabel(NamedTuple):
    """A frame in the plot: its types, its name, and why it is not used; '' if it is used."""

    types: tuple[str, ...]
    name: str
    reason: str = ""

    @property
    def kind(self) -> str:
        """Its first type."""
        return self.types[0] if self.types else UNKNOWN_TYPE


def plot_frame_counts(frames: Iterable[FrameLabel]) -> HoverFigure:
    """Bars of the frames of each type; the tooltip of a bar lists names, unused frames first."""
    from matplotlib.figure import Figure

    labels = list(frames)
    used = Counter(label.kind for label in labels if not label.reason)
    unused = Counter(label.kind for label in labels if label.reason)
    kinds = sorted({label.kind for label in labels})
    figure = Figure(figsize=(7, 1 + 0.35 * max(len(kinds), 1)), layout="constrained")
    axes = figure.add_subplot()
    if not kinds:
        figures.draw_empty_message(axes, "no frames")
        return HoverFigure(figure)
    used_counts = [used[kind] for kind in kinds]
    unused_counts = [unused[kind] for kind in kinds]
    axes.barh(kinds, used_counts, color=USED_COLOUR, label="used")
    axes.barh(
        kinds, unused_counts, left=used_counts, color=UNUSED_COLOUR, label="not used", hatch="//"
    )
    axes.invert_yaxis()
    axes.set_xlabel("frames")
    axes.margins(x=0.05)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    tooltips = [
        _bar_tooltip(kind, [label for label in labels if label.kind == kind]) for kind in kinds
    ]
    return HoverFigure(figure, {axes: figures.bar_tooltip(tooltips, upright=False)})


def _bar_tooltip(kind: str, labels: Sequence[FrameLabel]) -> str:
    unused = [f"{label.name}: {label.reason}" for label in labels if label.reason]
    used = [label.name for label in labels if not label.reason]
    title = f"{kind}: {len(used)} used, {len(unused)} not used"
    return f"{title}\n{figures.join_names([*unused, *used])}"


@register_plot(SortResult)
def plot_sort(result: SortResult) -> HoverFigure:
    """The frames of each type: in place and not."""
    return plot_frame_counts(
        FrameLabel(row.types, row.file, "" if row.state == IN_PLACE else row.note or row.state)
        for row in result.rows
    )


@register_plot(PreparationResult)
def plot_preparation(result: PreparationResult) -> HoverFigure:
    """The frames of each type: in place and not."""
    return plot_sort(result.frames)


@register_plot(TrimResult)
def plot_trim(result: TrimResult) -> HoverFigure:
    """The frames of each type: used and not used."""
    return plot_frame_counts(
        FrameLabel(exposure.types, exposure.file, result.reasons.get(exposure.file, ""))
        for exposure in result.exposures
    )


@register_plot(TrimManyResult)
def plot_trim_many(result: TrimManyResult) -> HoverFigure:
    """The frames of each type in all datasets: used and not used."""
    return plot_frame_counts(
        FrameLabel(
            exposure.types, f"{part.dataset} {exposure.file}", part.reasons.get(exposure.file, "")
        )
        for part in result.results
        for exposure in part.exposures
    )


@register_plot(HeaderFixResult)
def plot_header_fixes(result: HeaderFixResult) -> HoverFigure:
    """How many files were fixed, and how many failed."""
    return plot_frame_counts(
        FrameLabel(("failed" if file.error else "fixed",), file.path.name, file.error)
        for file in result.file_results
    )
