"""Plots of a delivery: what was uploaded on each day, and which files failed a verification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpfnb.adap.archive.result import DeliveryResult
from kpfnb.adap.archive.status import DeliveryStatus
from kpfnb.adap.archive.verification import VerificationResult
from kpfnb.core import palette
from kpfnb.core.text import format_size
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, register_plot

MAX_BARS = 30
GOOD_COLOUR, BAD_COLOUR = palette.BLUE, palette.VERMILION
SIZE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


@register_plot(DeliveryResult)
def plot_delivery(result: DeliveryResult) -> HoverFigure:
    """Uploaded bytes by day, and the daily quota."""
    return _plot_uploads(result.days, result.quota, result.destination)


@register_plot(DeliveryStatus)
def plot_status(status: DeliveryStatus) -> HoverFigure:
    """Uploaded bytes by day."""
    return _plot_uploads(status.days, 0, status.destination)


@register_plot(VerificationResult)
def plot_verification(result: VerificationResult) -> HoverFigure:
    """Bars of the files of each unit, wrong ones in another colour; the worst units first."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    wrong = {
        unit: [
            f"{path.removeprefix(f'{unit}/')}: {reason}"
            for path, reason in result.wrong.items()
            if path.startswith(f"{unit}/")
        ]
        for unit in result.files
    }
    units = sorted(result.files, key=lambda unit: (-len(wrong[unit]), unit))[:MAX_BARS][::-1]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(units)), layout="constrained")
    axes = figure.subplots()
    title = figures.escape_mathtext(result.destination)
    axes.set_title(f"verified in {title}", fontsize="medium")
    if not units:
        figures.draw_empty_message(axes, "nothing delivered yet")
        return HoverFigure(figure)
    good = [result.files[unit] - len(wrong[unit]) for unit in units]
    bad = [len(wrong[unit]) for unit in units]
    labels = [figures.escape_mathtext(unit) for unit in units]
    axes.barh(labels, good, color=GOOD_COLOUR, label="correct")
    axes.barh(labels, bad, left=good, color=BAD_COLOUR, label="wrong")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("files")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    texts = [_unit_text(unit, result.files[unit], wrong[unit]) for unit in units]
    return HoverFigure(figure, {axes: figures.bar_tooltip(texts, upright=False)})


def _unit_text(unit: str, count: int, wrong: list[str]) -> str:
    head = f"{unit}: {count} files, {len(wrong)} wrong"
    return "\n".join(filter(None, [head, figures.join_names(wrong)]))


def _plot_uploads(days: Mapping[str, Mapping[str, Any]], quota: int, title: str) -> HoverFigure:
    """Bars of the last days on which something was uploaded, and the quota as a line.

    Parameters
    ----------
    days : `bytes`, `files` and `reserved` by day, as 2026-11-26 (UTC)
    quota : bytes a day; 0 for none
    """
    from matplotlib.figure import Figure

    shown = sorted(day for day, count in days.items() if count["bytes"])[-MAX_BARS:]
    sizes = [days[day]["bytes"] for day in shown]
    scale, unit = next(pair for pair in SIZE_UNITS if max([quota, *sizes, 1]) >= pair[0])
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"uploaded to {figures.escape_mathtext(title)}", fontsize="medium")
    if not shown:
        figures.draw_empty_message(axes, "nothing uploaded yet")
        return HoverFigure(figure)
    heights = [size / scale for size in sizes]
    axes.bar(shown, heights, width=0.6, color=GOOD_COLOUR, label="uploaded")
    if quota:
        axes.axhline(quota / scale, color=BAD_COLOUR, linestyle="--", label="daily quota")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_xlim(-0.6, max(len(shown), 4) - 0.4)
    axes.set_ylabel(unit)
    axes.set_xlabel("day (UTC)")
    axes.tick_params(axis="x", rotation=30 if len(shown) > 6 else 0)
    texts = [_day_text(day, days[day], quota) for day in shown]
    return HoverFigure(figure, {axes: figures.bar_tooltip(texts)})


def _day_text(day: str, count: Mapping[str, Any], quota: int) -> str:
    share = f", {count['bytes'] / quota:.0%} of the quota" if quota else ""
    lines = [f"{day}: {format_size(count['bytes'])} in {count['files']} files{share}"]
    if reserved := sorted(count["reserved"]):
        lines += ["reserved for:", figures.join_names(reserved)]
    return "\n".join(lines)
