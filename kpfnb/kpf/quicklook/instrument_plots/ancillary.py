"""Plots of the instruments beside the main CCDs: Ca H&K, exposure meter, guide camera."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots import figures, ticks
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HK_IMAGE = "CA_HK"
HK_SPECTRA = ("CA_HK_SCI", "CA_HK_SKY")
HK_WAVES = ("CA_HK_SCI_WAVE", "CA_HK_SKY_WAVE")
HK_LINES = {"K": 3934.78, "H": 3969.59}
"""Vacuum wavelengths of the line cores, Å."""

METER_SCI, METER_SKY = "EXPMETER_SCI", "EXPMETER_SKY"
METER_BEGIN, METER_END = "Date-Beg", "Date-End"

GUIDER_IMAGE, GUIDER_ORIGINS = "GUIDER_AVG", "GUIDER_CUBE_ORIGINS"

MAS_PER_PIXEL = 56.0
"""Scale of the guide camera."""

FEWEST_POSITIONS = 11
"""Different positions of the star that a guiding error needs, as in the DRP's own quicklook."""

ERROR_RANGE = 150.0
"""Axis range of guiding errors, mas: the same for every exposure, doubled where one needs more."""


def draw_hk_image(figure: Figure, content: FitsContent) -> None:
    """Draw the Ca H&K image above its pedestal."""
    values = content.images[HK_IMAGE].astype(np.float32)
    sample = figures.finite_sample(values)
    pedestal = figures.finite_percentile(sample, 5)
    high = figures.nice_ceiling(figures.finite_percentile(sample, 99.8) - pedestal, least=20)
    axes = figures.add_panels(figure, bar=True)[0, 0]
    extent = (0, values.shape[1], 0, values.shape[0])
    scale = figures.show_image(axes, values - pedestal, 0, high, gamma=0.5, extent=extent)
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    label = f"DN above the pedestal of {pedestal:.0f}"
    figure.colorbar(scale, cax=figures.add_colour_bar_axes(figure), label=label)


def draw_hk_column_cut(figure: Figure, content: FitsContent) -> None:
    """Draw the mean of the middle columns along the rows: the orders of both fibres."""
    values = content.images[HK_IMAGE]
    middle = values.shape[1] // 2
    half_width = max(1, values.shape[1] // 200)
    first, last = middle - half_width, middle + half_width
    cut = values[:, first : last + 1].astype(np.float32).mean(axis=1)
    axes = figures.add_panels(figure)[0, 0]
    axes.plot(np.arange(cut.size), cut, color=figures.BLUE, drawstyle="steps-mid", linewidth=1)
    figures.label_axes(axes, "row [pixel]", f"mean of columns {first} to {last} [DN]")


def draw_hk_spectra(figure: Figure, content: FitsContent) -> None:
    """Draw the Ca H&K spectra of science and sky, order by order; K and H are marked."""
    science, sky = (content.images[name].astype(float) for name in HK_SPECTRA)
    waves, sky_waves = (content.images[name].astype(float) for name in HK_WAVES)
    panels = figures.add_panels(figure, len(science))[:, 0]
    for order, axes in enumerate(panels):
        axes.plot(waves[order], science[order], color=figures.BLUE, linewidth=0.9, label="science")
        axes.plot(sky_waves[order], sky[order], color=figures.ORANGE, linewidth=0.9, label="sky")
        figures.label_axes(axes, y="DN")
        low, high = figures.axis_limits(waves[order])
        axes.set_xlim(low, high)
        for name, angstroms in HK_LINES.items():
            if low < angstroms < high:
                axes.axvline(angstroms, color=figures.INK, linestyle=":", linewidth=1)
                axes.annotate(
                    name, (angstroms, 0.97), xycoords=("data", "axes fraction"),
                    xytext=(4, 0), textcoords="offset points", va="top", weight="bold",
                )  # fmt: skip
    panels[0].legend(loc="upper right", ncols=2, fontsize=8)
    panels[-1].set_xlabel("wavelength in vacuum [Å]")


def draw_meter_time_series(figure: Figure, content: FitsContent) -> None:
    """Draw the exposure meter's counts per second of science and sky, and their ratio."""
    seconds, rates = {}, {}
    for name in (METER_SCI, METER_SKY):
        begins, widths = _reading_times(content, name)
        seconds[name] = begins + widths / 2
        rates[name] = _meter_counts(content, name).sum(axis=1) / np.maximum(widths, 1e-6)
    panels = figures.add_panels(figure, 3, sharex=True)[:, 0]
    for axes, name, colour, label in (
        (panels[0], METER_SCI, figures.BLUE, "science"),
        (panels[1], METER_SKY, figures.ORANGE, "sky"),
    ):
        axes.plot(seconds[name], rates[name], ".-", color=colour, linewidth=1.2)
        figures.label_axes(axes, y=f"{label} [counts/s]")
        axes.set_ylim(0, figures.nice_ceiling(float(np.nanmax(rates[name])) * 1.02))
    count = min(map(len, rates.values()))
    ratio = rates[METER_SKY][:count] / np.maximum(rates[METER_SCI][:count], 1e-6)
    panels[2].plot(seconds[METER_SCI][:count], ratio, ".-", color=figures.INK, linewidth=1.2)
    figures.label_axes(panels[2], "time since the start of the exposure [s]", "sky / science")
    panels[2].set_ylim(0, figures.nice_ceiling(float(np.nanmax(ratio)), least=0.01))


def draw_meter_spectrum(figure: Figure, content: FitsContent) -> None:
    """Draw the exposure meter's mean spectrum of science and sky."""
    axes = figures.add_panels(figure)[0, 0]
    for name, colour, label in (
        (METER_SCI, figures.BLUE, "science"),
        (METER_SKY, figures.ORANGE, "sky"),
    ):
        means = np.maximum(np.nanmean(_meter_counts(content, name), axis=0), 0.1)
        axes.plot(_column_wavelengths(content, name), means, ".-", color=colour, label=label)
    figures.label_axes(axes, "wavelength [nm]", "mean counts per reading")
    axes.set_yscale("log")
    axes.set_ylim(0.1, 1e5)
    axes.set_xlim(440, 880)
    axes.legend(loc="upper right")


def _wavelength_columns(content: FitsContent, name: str) -> list[str]:
    return [column for column in content.tables[name] if _is_number(column)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column_wavelengths(content: FitsContent, name: str) -> Array:
    return np.array([float(column) for column in _wavelength_columns(content, name)])


def _meter_counts(content: FitsContent, name: str) -> Array:
    """Counts, shape (readings, wavelengths)."""
    table = content.tables[name]
    return np.array([table[column] for column in _wavelength_columns(content, name)], float).T


def _reading_times(content: FitsContent, name: str) -> tuple[Array, Array]:
    """Start of each reading, counted from the first one, and its length; seconds."""
    table = content.tables[name]
    begins, ends = (
        np.array([_parse_reading_time(value) for value in table[column]])
        for column in (METER_BEGIN, METER_END)
    )
    return begins - begins[0], ends - begins


def _parse_reading_time(value: bytes) -> float:
    return datetime.fromisoformat(value.decode("ascii").strip("\0 ")).timestamp()


def draw_guider_image(figure: Figure, content: FitsContent) -> None:
    """Draw the guide camera's mean image, and its brightest part enlarged."""
    values = content.images[GUIDER_IMAGE].astype(np.float32)
    low, high = (figures.finite_percentile(values, percent) for percent in (1, 99.95))
    finite = np.where(np.isfinite(values), values, -np.inf)
    row, column = np.unravel_index(int(finite.argmax()), values.shape)
    half = max(8, values.shape[0] // 12)
    top, left = max(0, int(row) - half), max(0, int(column) - half)
    cutout = values[top : top + 2 * half, left : left + 2 * half]
    whole, near = figures.add_panels(figure, 1, 2, gap=(60, 0), bar=True, width_ratios=(1.25, 1))[0]
    rows, columns = values.shape
    figures.show_image(whole, values, low, high, gamma=0.5, extent=(0, columns, 0, rows))
    scale = figures.show_image(
        near, cutout, low, high,
        gamma=0.5, extent=(left, left + cutout.shape[1], top, top + cutout.shape[0]),
    )  # fmt: skip
    for axes, title in ((whole, "whole image"), (near, "around the brightest pixel")):
        axes.set_aspect("equal")
        figures.set_title(axes, title)
        axes.set_xlabel("column [pixel]")
    whole.set_ylabel("row [pixel]")
    figure.colorbar(scale, cax=figures.add_colour_bar_axes(figure), label="counts")


def draw_guiding_error(figure: Figure, content: FitsContent) -> None:
    """Draw the star's offsets from its target, and their cumulative distribution."""
    x, y = guiding_errors(content)
    # Frames without the star have no offset
    is_finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[is_finite], y[is_finite]
    radius = np.hypot(x, y)
    limit = _error_range(radius)
    cloud, share = figures.add_panels(figure, 1, 2)[0]
    cloud.plot(x, y, ".", color=figures.BLUE, markersize=3, alpha=0.5)
    for fraction in (1 / 3, 2 / 3, 1):
        angle = np.linspace(0, 2 * np.pi, 90)
        circle = fraction * limit * np.array([np.cos(angle), np.sin(angle)])
        cloud.plot(*circle, color=ticks.GRID)
    cloud.plot(0, 0, "+", color=figures.RED, markersize=16, markeredgewidth=2)
    figures.label_axes(cloud, "error in x [mas]", "error in y [mas]")
    cloud.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    share.plot(np.sort(radius), np.linspace(0, 100, radius.size), color=figures.BLUE)
    if count_positions(x, y) < FEWEST_POSITIONS:
        share.plot([], [], " ", label=f"too few frames for an RMS: {radius.size}")
    else:
        rms = float(np.sqrt(np.mean(radius**2)))
        share.axvline(rms, color=figures.RED, linestyle="--", label=f"RMS {rms:.1f} mas")
    figures.label_axes(share, "distance from the target [mas]", "frames within [%]")
    share.set(xlim=(0, limit), ylim=(0, 100))
    share.legend(loc="lower right")


def draw_guiding_time_series(figure: Figure, content: FitsContent) -> None:
    """Draw the guiding errors and the flux of the star, frame by frame."""
    table = content.tables[GUIDER_ORIGINS]
    seconds = np.asarray(table["timestamp"], float)
    seconds = seconds - seconds[0]
    x, y = guiding_errors(content)
    limit = _error_range(np.hypot(x, y))
    names = [name for name in ("object1_flux",) if name in table]
    panels = figures.add_panels(figure, 2 + len(names), sharex=True)[:, 0]
    for axes, values, label in zip(panels[:2], (x, y), "xy", strict=True):
        axes.plot(seconds, values, color=figures.BLUE, linewidth=0.8)
        axes.axhline(0, color=figures.SOFT_INK, linewidth=0.8)
        figures.label_axes(axes, y=f"error in {label} [mas]")
        axes.set_ylim(-limit, limit)
    for axes, name in zip(panels[2:], names, strict=True):
        axes.plot(seconds, np.asarray(table[name], float), color=figures.INK, linewidth=0.8)
        figures.label_axes(axes, y="flux of the star [counts]")
        axes.set_ylim(bottom=0)
    panels[-1].set_xlabel("time since the first frame [s]")


def guiding_errors(content: FitsContent) -> tuple[Array, Array]:
    """The star's offsets in x and y from the target, mas, frame by frame."""
    table = content.tables[GUIDER_ORIGINS]
    x, y = (
        (np.asarray(table[f"object1_{axis}"], float) - table[f"target_{axis}"]) * MAS_PER_PIXEL
        for axis in "xy"
    )
    return x, y


def count_positions(x: Array, y: Array) -> int:
    """The number of different positions of the star, in x or in y the fewer."""
    return min(np.unique(values[np.isfinite(values)]).size for values in (x, y))


def _error_range(radius: Array) -> float:
    limit = ERROR_RANGE
    while limit < figures.finite_percentile(radius, 99):
        limit *= 2
    return limit
