"""The velocities of an L2: correlation functions, each order's velocity, times and corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.kpf.quicklook.plots import figures
from kpfnb.kpf.quicklook.plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDERLETS = ("SCI1", "SCI2", "SCI3", "CAL", "SKY")
"""The first axis of a CCF."""

VELOCITY_COLUMNS = (
    ("SCI", "RV", "RV error"),
    ("CAL", "CAL RV", "CAL error"),
    ("SKY", "SKY RV", "SKY error"),
)
"""In the table RV: what, its velocity (km/s) and its error."""

CAMERAS = ("GREEN", "RED")
GREEN_ORDERS = 35
DAY_SECONDS = 86_400


def draw_ccf_grid(figure: Figure, content: FitsContent) -> None:
    """For each orderlet the functions of all orders as images, above them their sums.

    Each order is divided by its median, so that a faint one is seen as well as a bright one.
    """
    found = [camera for camera in CAMERAS if f"{camera}_CCF" in content.images]
    rows = figures.add_panels(
        figure, 1 + len(found), len(ORDERLETS),
        gap=(46, 26), bar=True, height_ratios=(1, *[2] * len(found)), sharex=True,
    )  # fmt: skip
    scale: Any = None
    for camera, panels in zip(found, rows[1:], strict=True):
        cube = content.images[f"{camera}_CCF"].astype(np.float32)
        speeds = _ccf_velocities(content, f"{camera}_CCF", cube.shape[2])
        extent = (float(speeds[0]), float(speeds[-1]), -0.5, cube.shape[1] - 0.5)
        for functions, above, axes in zip(cube, rows[0], panels, strict=False):
            total = _divide_by_median(functions.sum(axis=0, keepdims=True))[0]
            above.plot(speeds, total, color=figures.CAMERA_COLOURS[camera], linewidth=1.2)
            scale = figures.show_image(axes, _divide_by_median(functions), 0.4, 1.6, extent=extent)
        panels[0].set_ylabel(f"order of {camera.capitalize()}")
    for axes, orderlet in zip(rows[0], ORDERLETS, strict=True):
        figures.label_axes(axes, heading=orderlet)
        axes.tick_params(labelsize=8)
    for axes in rows[1:, 1:].ravel():
        axes.yaxis.set_visible(False)
    for axes in rows[-1]:
        axes.set_xlabel("velocity [km/s]", size=9)
        axes.tick_params(axis="x", labelsize=8)
    rows[0, 0].set_ylabel("sum of all orders")
    figure.colorbar(scale, cax=figures.add_colour_bar_axes(figure), label="over the order's median")


def draw_by_order(figure: Figure, content: FitsContent) -> None:
    """Velocities of SCI, CAL and SKY by order, each against the weighted mean of its kind."""
    table = content.tables["RV"]
    panels = figures.add_panels(figure, 3, sharex=True, gap=(0, 40))[:, 0]
    for axes, (name, value, error) in zip(panels, VELOCITY_COLUMNS, strict=True):
        speeds, errors = (np.asarray(table[column], float) for column in (value, error))
        good = (errors > 0) & np.isfinite(speeds)
        orders = np.arange(speeds.size)
        if good.any():
            mean = np.average(speeds[good], weights=errors[good] ** -2)
            for camera, part in (("GREEN", orders < GREEN_ORDERS), ("RED", orders >= GREEN_ORDERS)):
                chosen = good & part
                axes.errorbar(
                    orders[chosen], 1000 * (speeds - mean)[chosen], 1000 * errors[chosen],
                    fmt={"GREEN": "o", "RED": "s"}[camera], color=figures.CAMERA_COLOURS[camera],
                    markersize=4, linewidth=1, label=camera.capitalize(),
                )  # fmt: skip
            limit = figures.nice_ceiling(1050 * float(abs(speeds - mean)[good].max()), 10)
            axes.set_ylim(-limit, limit)
            title = f"{name}: mean {mean:.4f} km/s"
        else:
            axes.text(0.5, 0.5, "no velocity", transform=axes.transAxes, ha="center")
            title = name
        axes.axhline(0, color=figures.SOFT_INK, linewidth=0.8)
        figures.label_axes(axes, y="minus the mean [m/s]", heading=title)
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(ncols=2, fontsize=9, loc="upper right")
    panels[-1].set_xlabel("row of the table: Green from blue to red, then Red")


def draw_times_and_corrections(figure: Figure, content: FitsContent) -> None:
    """Mid-time (BJD) and barycentric correction of each order, against their means."""
    table = content.tables["RV"]
    late, moved = figures.add_panels(figure, 2, sharex=True, gap=(0, 40))[:, 0]
    for axes, column, factor, unit, least in (
        (late, "CCFBJD", DAY_SECONDS, "s", 1.0),
        (moved, "Bary_RVC", 1000.0, "m/s", 0.1),
    ):
        values = np.asarray(table[column], float)
        known = np.isfinite(values) & (values != 0)
        mean = float(values[known].mean()) if known.any() else 0.0
        offsets = (values - mean) * factor
        rows = np.arange(values.size)[known]
        axes.plot(rows, offsets[known], "o-", color=figures.BLUE, markersize=4)
        limit = figures.nice_ceiling(float(abs(offsets[known]).max()) if known.any() else 0, least)
        axes.set_ylim(-limit, limit)
        what = f"mean {mean:.6f} d" if column == "CCFBJD" else f"mean {mean:.5f} km/s"
        figures.label_axes(axes, y=f"{column} minus mean [{unit}]", heading=what)
    moved.set_xlabel("row of the table: Green from blue to red, then Red")


def _ccf_velocities(content: FitsContent, name: str, steps: int) -> Array:
    start, step = (content.number(keyword, name) for keyword in ("STARTV", "STEPV"))
    if start is None or step is None:
        raise ValueError(f"{name} has no STARTV and STEPV")
    return start + step * np.arange(steps)


def _divide_by_median(functions: Array) -> Array:
    """Each function over its median; NaN where that is no level."""
    medians = np.median(functions, axis=1, keepdims=True)
    return functions / np.where(medians > 0, medians, np.nan)
