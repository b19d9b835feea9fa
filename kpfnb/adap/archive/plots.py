"""The picture of a delivery: what was uploaded on each day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure
from kpfnb.storage.transfer_result import format_bytes

MAX_BARS = 30
GOOD_COLOUR, BAD_COLOUR = "#0072B2", "#D55E00"
SIZE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


def plot_uploads(counts: Mapping[str, Mapping[str, Any]], quota: int, title: str) -> HoverFigure:
    """Bars of the last days on which something was uploaded, and the quota as a line.

    Parameters
    ----------
    counts : `bytes` by day, as 2026-11-26 (UTC)
    quota : bytes a day; 0 for none
    """
    from matplotlib.figure import Figure

    shown = sorted(day for day, count in counts.items() if count["bytes"])[-MAX_BARS:]
    sizes = [counts[day]["bytes"] for day in shown]
    scale, unit = next(pair for pair in SIZE_UNITS if max([quota, *sizes, 1]) >= pair[0])
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    # A name is no formula, whatever is in it
    axes.set_title(f"uploaded to {figures.escape_mathtext(title)}", fontsize="medium")
    if not shown:
        figures.draw_empty_message(axes, "nothing uploaded yet")
        return HoverFigure(figure)
    axes.bar(
        shown, [size / scale for size in sizes], width=0.6, color=GOOD_COLOUR, label="uploaded"
    )
    if quota:
        axes.axhline(quota / scale, color=BAD_COLOUR, linestyle="--", label="daily quota")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_xlim(-0.6, max(len(shown), 4) - 0.4)
    axes.set_ylabel(unit)
    axes.set_xlabel("day (UTC)")
    axes.tick_params(axis="x", rotation=30 if len(shown) > 6 else 0)
    texts = [_day_text(day, counts[day], quota) for day in shown]
    return HoverFigure(figure, {axes: figures.bar_tooltip(texts)})


def _day_text(day: str, count: Mapping[str, Any], quota: int) -> str:
    share = f", {count['bytes'] / quota:.0%} of the quota" if quota else ""
    on_its_way = sorted(count["reserved"])
    head = f"{day}: {format_bytes(count['bytes'])} in {count['files']} files{share}"
    told = ["reserved for:", figures.join_names(on_its_way)] if on_its_way else []
    return "\n".join([head, *told])


def plot_verification(
    files: Mapping[str, int], wrong: Mapping[str, str], title: str
) -> HoverFigure:
    """Bars of the files of each unit, those that are wrong apart; the worst units first.

    Parameters
    ----------
    files : how many, by unit
    wrong : what is wrong, by the file's path
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    bad = {
        unit: [
            f"{p.removeprefix(f'{unit}/')}: {w}" for p, w in wrong.items() if _is_in_unit(p, unit)
        ]
        for unit in files
    }
    names = sorted(files, key=lambda name: (-len(bad[name]), name))[:MAX_BARS][::-1]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"checked in {figures.escape_mathtext(title)}", fontsize="medium")
    if not names:
        figures.draw_empty_message(axes, "nothing delivered yet")
        return HoverFigure(figure)
    good = [files[name] - len(bad[name]) for name in names]
    named = [figures.escape_mathtext(name) for name in names]
    axes.barh(named, good, color=GOOD_COLOUR, label="right")
    axes.barh(named, [len(bad[n]) for n in names], left=good, color=BAD_COLOUR, label="wrong")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("files")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    texts = [
        "\n".join(
            filter(
                None, [f"{n}: {files[n]} files, {len(bad[n])} wrong", figures.join_names(bad[n])]
            )
        )
        for n in names
    ]
    return HoverFigure(figure, {axes: figures.bar_tooltip(texts, upright=False)})


def _is_in_unit(path: str, unit: str) -> bool:
    return path.startswith(f"{unit}/")
