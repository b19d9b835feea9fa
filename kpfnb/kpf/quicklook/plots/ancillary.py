"""The guide camera: its mean image, and how well it held the star."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook import ruling, sheet
from kpfnb.kpf.quicklook.content import Array, Content

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGE, ORIGINS = "GUIDER_AVG", "GUIDER_CUBE_ORIGINS"

MAS_PER_PIXEL = 56.0
"""Scale of the guide camera."""

ERROR_RANGE = 150.0
"""mas; the same for every exposure, doubled where an exposure needs more."""


def image(figure: Figure, content: Content) -> None:
    """The mean image, and its brightest part larger."""
    values = content.images[IMAGE].astype(np.float32)
    low, high = (sheet.percentile(values, percent) for percent in (1, 99.95))
    known = np.where(np.isfinite(values), values, -np.inf)
    row, column = np.unravel_index(int(known.argmax()), values.shape)
    reach = max(8, values.shape[0] // 12)
    top, left = max(0, int(row) - reach), max(0, int(column) - reach)
    part = values[top : top + 2 * reach, left : left + 2 * reach]
    whole, near = sheet.panels(figure, 1, 2, gap=(60, 0), bar=True, width_ratios=(1.25, 1))[0]
    rows, columns = values.shape
    sheet.show_image(whole, values, low, high, gamma=0.5, extent=(0, columns, 0, rows))
    scale = sheet.show_image(
        near, part, low, high,
        gamma=0.5, extent=(left, left + part.shape[1], top, top + part.shape[0]),
    )  # fmt: skip
    for axes, title in ((whole, "whole"), (near, "around the brightest pixel")):
        axes.set_aspect("equal")
        sheet.title(axes, title)
        axes.set_xlabel("column [pixel]")
    whole.set_ylabel("row [pixel]")
    figure.colorbar(scale, cax=sheet.bar_axes(figure), label="counts")


def error(figure: Figure, content: Content) -> None:
    """Where the star was about its target, and how often it was how far off."""
    x, y = _errors(content)
    # Frames without the star tell nothing
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    radius = np.hypot(x, y)
    limit = _range(radius)
    cloud, share = sheet.panels(figure, 1, 2)[0]
    cloud.plot(x, y, ".", color=sheet.BLUE, markersize=3, alpha=0.5)
    for part in (1 / 3, 2 / 3, 1):
        turn = np.linspace(0, 2 * np.pi, 90)
        cloud.plot(*(part * limit * np.array([np.cos(turn), np.sin(turn)])), color=ruling.GRID)
    cloud.plot(0, 0, "+", color=sheet.RED, markersize=16, markeredgewidth=2)
    sheet.dress(cloud, "error in x [mas]", "error in y [mas]")
    cloud.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    share.plot(np.sort(radius), np.linspace(0, 100, radius.size), color=sheet.BLUE)
    rms = _rms(radius)
    share.axvline(rms, color=sheet.RED, linestyle="--", label=f"RMS {rms:.1f} mas")
    sheet.dress(share, "distance from the target [mas]", "frames within [%]")
    share.set(xlim=(0, limit), ylim=(0, 100))
    share.legend(loc="lower right")


def time_series(figure: Figure, content: Content) -> None:
    """Errors and the flux of the star, frame by frame."""
    table = content.tables[ORIGINS]
    seconds = np.asarray(table["timestamp"], float)
    seconds = seconds - seconds[0]
    x, y = _errors(content)
    limit = _range(np.hypot(x, y))
    names = [name for name in ("object1_flux",) if name in table]
    panels = sheet.panels(figure, 2 + len(names), sharex=True)[:, 0]
    for axes, values, label in zip(panels[:2], (x, y), "xy", strict=True):
        axes.plot(seconds, values, color=sheet.BLUE, linewidth=0.8)
        axes.axhline(0, color=sheet.SOFT, linewidth=0.8)
        sheet.dress(axes, y=f"error in {label} [mas]")
        axes.set_ylim(-limit, limit)
    for axes, name in zip(panels[2:], names, strict=True):
        axes.plot(seconds, np.asarray(table[name], float), color=sheet.INK, linewidth=0.8)
        sheet.dress(axes, y="flux of the star [counts]")
        axes.set_ylim(bottom=0)
    panels[-1].set_xlabel("time since the first frame [s]")


def _errors(content: Content) -> tuple[Array, Array]:
    """mas, frame by frame."""
    table = content.tables[ORIGINS]
    x, y = (
        (np.asarray(table[f"object1_{axis}"], float) - table[f"target_{axis}"]) * MAS_PER_PIXEL
        for axis in "xy"
    )
    return x, y


def rms(content: Content) -> float:
    """The root mean square of the distance from the target, mas; NaN without any frame."""
    return _rms(np.hypot(*_errors(content)))


def _rms(radius: Array) -> float:
    known = radius[np.isfinite(radius)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def _range(radius: Array) -> float:
    limit = ERROR_RANGE
    while limit < sheet.percentile(radius, 99):
        limit *= 2
    return limit
