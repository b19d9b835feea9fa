"""Plot of watchers: the files that each has handled over the last day."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

from kpfnb.core import palette
from kpfnb.core.clock import utc_now
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.kpf.watch.state_store import STORE_NAME, FileStatus, StateStore
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, register_plot

PLOT_HOURS = 24

# The colours of Okabe and Ito, which colour-blind people can distinguish
STATUS_COLOURS = {"done": palette.BLUE, "failed": palette.VERMILION}


@register_plot(WatcherOverview)
def plot_watchers(result: WatcherOverview) -> HoverFigure:
    """Files that were done and that failed, by hour, over the last day."""
    from matplotlib.figure import Figure

    rows = max(1, len(result.watchers))
    figure = Figure(figsize=(8, 1.2 + 1.8 * rows), layout="constrained")
    panels = figure.subplots(rows, sharex=True, squeeze=False)[:, 0]
    for axes, report in zip(panels, result.watchers, strict=False):
        hours, error = _read_history(report)
        axes.hist(
            [hours[status] for status in STATUS_COLOURS],
            bins=list(range(-PLOT_HOURS, 1)),
            stacked=True,
            color=list(STATUS_COLOURS.values()),
            label=list(STATUS_COLOURS),
        )
        title = figures.escape_mathtext(f"{report.name}{error}")
        axes.set(title=title, ylabel="files per hour", xlim=(-PLOT_HOURS, 0))
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper left", frameon=False)
    if not result.watchers:
        figures.draw_empty_message(panels[0], result.reason)
    panels[-1].set_xlabel("hours from now")
    return HoverFigure(figure)


def _read_history(report: WatcherReport) -> tuple[dict[str, list[float]], str]:
    """Status to the times of files, in hours before now; and why they can't be read."""
    now = utc_now()
    hours: dict[str, list[float]] = {str(s): [] for s in (FileStatus.DONE, FileStatus.FAILED)}
    since = (now - timedelta(hours=PLOT_HOURS)).timestamp()
    try:
        with StateStore(Path(report.folder) / STORE_NAME) as store:
            for moment, status in store.ended_since(since):
                hours[status].append((moment - now.timestamp()) / 3600)
    except sqlite3.Error as error:
        return hours, f": its state can't be read ({error})"
    return hours, ""
