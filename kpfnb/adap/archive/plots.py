"""The picture of a delivery: what was uploaded on each day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpfnb import hovering, pictures
from kpfnb.hovering import Hovered
from kpfnb.storage.carried import readable

DAYS = 30
UPLOADED, QUOTA = "#0072B2", "#D55E00"
UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


def days(counts: Mapping[str, Mapping[str, Any]], quota: int, title: str) -> Hovered:
    """Bars of the last days on which something was uploaded, and the quota as a line.

    Parameters
    ----------
    counts : `bytes` by day, as 2026-11-26 (UTC)
    quota : bytes a day; 0 for none
    """
    from matplotlib.figure import Figure

    shown = sorted(day for day, count in counts.items() if count["bytes"])[-DAYS:]
    sizes = [counts[day]["bytes"] for day in shown]
    scale, unit = next(pair for pair in UNITS if max([quota, *sizes, 1]) >= pair[0])
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    # A name is no formula, whatever is in it
    axes.set_title(f"uploaded to {pictures.literal(title)}", fontsize="medium")
    if not shown:
        pictures.nothing(axes, "nothing uploaded yet")
        return Hovered(figure)
    axes.bar(shown, [size / scale for size in sizes], width=0.6, color=UPLOADED, label="uploaded")
    if quota:
        axes.axhline(quota / scale, color=QUOTA, linestyle="--", label="daily quota")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_xlim(-0.6, max(len(shown), 4) - 0.4)
    axes.set_ylabel(unit)
    axes.set_xlabel("day (UTC)")
    axes.tick_params(axis="x", rotation=30 if len(shown) > 6 else 0)
    texts = [_day(day, counts[day], quota) for day in shown]
    return Hovered(figure, {axes: hovering.bars(texts)})


def _day(day: str, count: Mapping[str, Any], quota: int) -> str:
    share = f", {count['bytes'] / quota:.0%} of the quota" if quota else ""
    on_its_way = sorted(count["reserved"])
    head = f"{day}: {readable(count['bytes'])} in {count['files']} files{share}"
    told = ["reserved for:", hovering.names(on_its_way)] if on_its_way else []
    return "\n".join([head, *told])


def checked(files: Mapping[str, int], wrong: Mapping[str, str], title: str) -> Hovered:
    """Bars of the files of each unit, those that are wrong apart; the worst units first.

    Parameters
    ----------
    files : how many, by unit
    wrong : what is wrong, by the file's path
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    bad = {
        unit: [f"{p.removeprefix(f'{unit}/')}: {w}" for p, w in wrong.items() if _is_of(p, unit)]
        for unit in files
    }
    names = sorted(files, key=lambda name: (-len(bad[name]), name))[:DAYS][::-1]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"checked in {pictures.literal(title)}", fontsize="medium")
    if not names:
        pictures.nothing(axes, "nothing delivered yet")
        return Hovered(figure)
    good = [files[name] - len(bad[name]) for name in names]
    named = [pictures.literal(name) for name in names]
    axes.barh(named, good, color=UPLOADED, label="right")
    axes.barh(named, [len(bad[n]) for n in names], left=good, color=QUOTA, label="wrong")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("files")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    texts = [
        "\n".join(
            filter(None, [f"{n}: {files[n]} files, {len(bad[n])} wrong", hovering.names(bad[n])])
        )
        for n in names
    ]
    return Hovered(figure, {axes: hovering.bars(texts, upright=False)})


def _is_of(path: str, unit: str) -> bool:
    return path.startswith(f"{unit}/")
