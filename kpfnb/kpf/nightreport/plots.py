"""The plots of reports: the frames of a night; the calendar of a range."""

from __future__ import annotations

from kpfnb.kpf.nightreport.result import NightRangeReport, NightReport
from kpfnb.kpf.verdict.plots import plot_calendar, plot_night_verdict
from kpfnb.notebook.display.figures import HoverFigure, register_plot


@register_plot(NightReport)
def plot_night_report(report: NightReport) -> HoverFigure:
    """The frames of each kind and when they were taken."""
    return plot_night_verdict(report.content.verdict)


@register_plot(NightRangeReport)
def plot_range_report(result: NightRangeReport) -> HoverFigure:
    """A calendar of the verdicts."""
    history = {report.content.night: {"verdict": str(report.verdict)} for report in result.reports}
    return plot_calendar(history)
