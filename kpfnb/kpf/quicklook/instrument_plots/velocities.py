"""Plots of L2 velocities: cross-correlation functions (CCF), velocities and times by order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.kpf.files.exposure import CCDS
from kpfnb.kpf.quicklook.instrument_plots import figures
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDERLETS = ("SCI1", "SCI2", "SCI3", "CAL", "SKY")
"""The first axis of a CCF."""

VELOCITY_COLUMNS = (
    ("SCI", "RV", "RV error"),
    ("CAL", "CAL RV", "CAL error"),
    ("SKY", "SKY RV", "SKY error"),
)
"""Columns of the table RV: name of the group, its velocity and its error (both km/s)."""

GREEN_ORDERS = 35
DAY_SECONDS = 86_400


def draw_ccf_grid(figure: Figure, content: FitsContent) -> None:
    """Draw, for each orderlet, the CCFs of all orders as an image, and their sum above it.

    Each order is divided by its median, so that faint orders are as visible as bright ones.
    """
    cameras = [camera for camera in CCDS if f"{camera}_CCF" in content.images]
    rows = figures.add_panels(
        figure, 1 + len(cameras), len(ORDERLETS),
        gap=(46, 26), bar=True, height_ratios=(1, *[2] * len(cameras)), sharex=True,
    )  # fmt: skip
    scale: Any = None
    for camera, panels in zip(cameras, rows[1:], strict=True):
        cube = content.images[f"{camera}_CCF"].astype(np.float32)
        velocities = _ccf_velocities(content, f"{camera}_CCF", cube.shape[2])
        extent = (float(velocities[0]), float(velocities[-1]), -0.5, cube.shape[1] - 0.5)
        for functions, top_axes, axes in zip(cube, rows[0], panels, strict=False):
            total = _divide_by_median(functions.sum(axis=0, keepdims=True))[0]
            top_axes.plot(velocities, total, color=figures.CAMERA_COLOURS[camera], linewidth=1.2)
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
    figure.colorbar(
        scale, cax=figures.add_colour_bar_axes(figure), label="relative to the order's median"
    )


def draw_by_order(figure: Figure, content: FitsContent) -> None:
    """Draw the velocities of SCI, CAL and SKY by order, relative to their weighted means."""
    table = content.tables["RV"]
    panels = figures.add_panels(figure, 3, sharex=True, gap=(0, 40))[:, 0]
    for axes, (name, value, error) in zip(panels, VELOCITY_COLUMNS, strict=True):
        velocities, errors = (np.asarray(table[column], float) for column in (value, error))
        good = (errors > 0) & np.isfinite(velocities)
        orders = np.arange(velocities.size)
        is_green = orders < GREEN_ORDERS
        if good.any():
            mean = np.average(velocities[good], weights=errors[good] ** -2)
            for camera, of_camera in (("GREEN", is_green), ("RED", ~is_green)):
                drawn = good & of_camera
                axes.errorbar(
                    orders[drawn], 1000 * (velocities - mean)[drawn], 1000 * errors[drawn],
                    fmt={"GREEN": "o", "RED": "s"}[camera], color=figures.CAMERA_COLOURS[camera],
                    markersize=4, linewidth=1, label=camera.capitalize(),
                )  # fmt: skip
            limit = figures.nice_ceiling(1050 * float(abs(velocities - mean)[good].max()), 10)
            axes.set_ylim(-limit, limit)
            title = f"{name}: mean {mean:.4f} km/s"
        else:
            axes.text(0.5, 0.5, "no velocity", transform=axes.transAxes, ha="center")
            title = name
        axes.axhline(0, color=figures.SOFT_INK, linewidth=0.8)
        figures.label_axes(axes, y="RV − mean [m/s]", heading=title)
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(ncols=2, fontsize=9, loc="upper right")
    panels[-1].set_xlabel("order (Green from blue to red, then Red)")


def draw_times_and_corrections(figure: Figure, content: FitsContent) -> None:
    """Draw the mid-time (BJD) and barycentric correction of each order, minus their means."""
    table = content.tables["RV"]
    time_axes, correction_axes = figures.add_panels(figure, 2, sharex=True, gap=(0, 40))[:, 0]
    for axes, column, factor, unit, least in (
        (time_axes, "CCFBJD", DAY_SECONDS, "s", 1.0),
        (correction_axes, "Bary_RVC", 1000.0, "m/s", 0.1),
    ):
        values = np.asarray(table[column], float)
        good = np.isfinite(values) & (values != 0)
        mean = float(values[good].mean()) if good.any() else 0.0
        offsets = (values - mean) * factor
        orders = np.arange(values.size)[good]
        axes.plot(orders, offsets[good], "o-", color=figures.BLUE, markersize=4)
        limit = figures.nice_ceiling(float(abs(offsets[good]).max()) if good.any() else 0, least)
        axes.set_ylim(-limit, limit)
        heading = f"mean {mean:.6f} d" if column == "CCFBJD" else f"mean {mean:.5f} km/s"
        figures.label_axes(axes, y=f"{column} − mean [{unit}]", heading=heading)
    correction_axes.set_xlabel("order (Green from blue to red, then Red)")


def _ccf_velocities(content: FitsContent, name: str, steps: int) -> Array:
    start, step = (content.number(keyword, name) for keyword in ("STARTV", "STEPV"))
    if start is None or step is None:
        raise ValueError(f"{name} has no STARTV and STEPV")
    return start + step * np.arange(steps)


def _divide_by_median(functions: Array) -> Array:
    """Each function divided by its median; NaN where the median is not positive."""
    medians = np.median(functions, axis=1, keepdims=True)
    return functions / np.where(medians > 0, medians, np.nan)
