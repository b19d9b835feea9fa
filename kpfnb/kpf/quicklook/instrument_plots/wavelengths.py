"""Plots of wavelength solutions: compared with the reference, and between the orderlets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.files.exposure import CCDS
from kpfnb.kpf.quicklook.instrument_plots import figures, orderlets
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREEN_ORDERS, RED_ORDERS = 35, 32
MAX_NAMES = 5

KEYWORD_ORDERLETS = {"S": "SCI2", "K": "SKY", "C": "CAL"}
"""The letter after the camera's in the DRP's keywords MEDW.. and STDW.. to the orderlet."""


def draw_differences(figure: Figure, content: FitsContent) -> None:
    """Draw, by order, solution minus reference (keywords of the DRP) and orderlet minus SCI2."""
    reference_axes, orderlet_axes = figures.add_panels(figure, 2, gap=(0, 78))[:, 0]
    _draw_reference_differences(reference_axes, content)
    cameras = orderlets.list_cameras(content)
    for camera in cameras:
        waves = {
            orderlet: orderlets.true_wavelengths(content, camera, orderlet)[0]
            for orderlet in orderlets.ORDERLET_EXTENSIONS
        }
        middles = _middle_pixels(waves["SCI2"])
        for orderlet in ("SCI1", "SCI3", "SKY", "CAL"):
            shift = (_middle_pixels(waves[orderlet]) / middles - 1) * orderlets.LIGHT_SPEED
            label = orderlet if camera == cameras[0] else None
            orderlet_axes.plot(
                middles, shift, color=figures.ORDERLET_COLOURS[orderlet], label=label,
                marker={"GREEN": "o", "RED": "s"}[camera], markersize=3.5, linewidth=1,
            )  # fmt: skip
    figures.label_axes(
        orderlet_axes, "wavelength in the middle of the order [Å]", "[km/s]",
        "orderlet minus SCI2 at the same pixel (Green: dots, Red: squares)"
        + _describe_missing(content, cameras),
    )  # fmt: skip
    orderlet_axes.legend(
        ncols=4, fontsize=9, loc="lower right", bbox_to_anchor=(1, 0.99), frameon=False
    )


def _describe_missing(content: FitsContent, cameras: list[str]) -> str:
    """The orders without true wavelengths, for a heading."""
    names = [
        f"{camera} {orderlet} {order}"
        for camera in cameras
        for orderlet in orderlets.ORDERLET_EXTENSIONS
        for order in orderlets.true_wavelengths(content, camera, orderlet)[1]
    ]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"; not drawn: {', '.join(names[:MAX_NAMES])}{more}" if names else ""


def _draw_reference_differences(axes: object, content: FitsContent) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    is_drawn = False
    first_order = 0
    for camera in CCDS:
        for letter, orderlet in KEYWORD_ORDERLETS.items():
            orders, medians, scatters = _read_keywords(content, camera[0] + letter)
            if not orders.size:
                continue
            is_drawn = True
            axes.errorbar(
                first_order + orders, medians, scatters, color=figures.ORDERLET_COLOURS[orderlet],
                fmt={"GREEN": "o", "RED": "s"}[camera], markersize=3.5, linewidth=0.8,
                label=orderlet if camera == "GREEN" else None,
            )  # fmt: skip
        first_order += GREEN_ORDERS
    axes.axvline(GREEN_ORDERS - 0.5, color=figures.SOFT_INK, linewidth=0.8)
    figures.label_axes(
        axes,
        "order (Green 0 to 34, then Red)",
        "[pixel]",
        "solution minus reference, median and scatter",
    )
    if is_drawn:
        axes.legend(ncols=3, fontsize=9, loc="upper right")
    else:
        text = "this file has none of the DRP's keywords MEDW.."
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")
        axes.set_xlim(-1, GREEN_ORDERS + RED_ORDERS)
        axes.set_yticks([])


def _read_keywords(content: FitsContent, code: str) -> tuple[Array, Array, Array]:
    rows = [
        (order, median, content.number(f"STDW{code}{order:02d}") or 0.0)
        for order in range(40)
        if (median := content.number(f"MEDW{code}{order:02d}")) is not None
    ]
    orders, medians, scatters = np.array(rows, float).reshape(-1, 3).T
    return orders, medians, scatters


def _middle_pixels(waves: Array) -> Array:
    middle: Array = waves[:, waves.shape[1] // 2].astype(float)
    return middle


def draw_dispersion(figure: Figure, content: FitsContent, names: dict[str, str]) -> None:
    """Draw a master's wavelengths: the range of each order, and km/s per pixel along it.

    names : camera to the extension with its wavelengths
    """
    range_axes, dispersion_axes = figures.add_panels(figure, 2, gap=(0, 56))[:, 0]
    for camera, name in names.items():
        if name not in content.images:
            continue
        waves = content.images[name].astype(float)
        for order, row in enumerate(waves):
            range_axes.plot(
                row[[0, -1]], [order, order], color=figures.CAMERA_COLOURS[camera], linewidth=2
            )
        pixels = np.linspace(0, waves.shape[1] - 2, 60).astype(int)
        # Wavelengths fall along an order
        dispersions = (1 - waves[:, pixels + 1] / waves[:, pixels]) * orderlets.LIGHT_SPEED
        for row, dispersion in zip(waves[:, pixels], dispersions, strict=True):
            dispersion_axes.plot(
                row, dispersion, color=figures.CAMERA_COLOURS[camera], linewidth=0.8
            )
    figures.label_axes(
        range_axes, y="order of the camera", heading="wavelength range of each order"
    )
    figures.label_axes(
        dispersion_axes, "wavelength [Å]", "km/s per pixel", "dispersion along each order"
    )
