"""The exposure meter: counts over time, and its spectrum."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Array, Content

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCI, SKY = "EXPMETER_SCI", "EXPMETER_SKY"
BEGIN, END = "Date-Beg", "Date-End"


def time_series(figure: Figure, content: Content) -> None:
    """Counts per second of science and sky, and their ratio, over the exposure."""
    seconds, rates = {}, {}
    for name in (SCI, SKY):
        begins, widths = _times(content, name)
        seconds[name] = begins + widths / 2
        rates[name] = _counts(content, name).sum(axis=1) / np.maximum(widths, 1e-6)
    panels = sheet.panels(figure, 3, sharex=True)[:, 0]
    for axes, name, colour, what in (
        (panels[0], SCI, sheet.BLUE, "science"),
        (panels[1], SKY, sheet.ORANGE, "sky"),
    ):
        axes.plot(seconds[name], rates[name], ".-", color=colour, linewidth=1.2)
        sheet.dress(axes, y=f"{what} [counts/s]")
        axes.set_ylim(0, sheet.ceiling(float(np.nanmax(rates[name])) * 1.02))
    shared = min(map(len, rates.values()))
    ratio = rates[SKY][:shared] / np.maximum(rates[SCI][:shared], 1e-6)
    panels[2].plot(seconds[SCI][:shared], ratio, ".-", color=sheet.INK, linewidth=1.2)
    sheet.dress(panels[2], "time since the start of the exposure [s]", "sky / science")
    panels[2].set_ylim(0, sheet.ceiling(float(np.nanmax(ratio)), least=0.01))


def spectrum(figure: Figure, content: Content) -> None:
    """The mean spectrum of science and sky."""
    axes = sheet.panels(figure)[0, 0]
    for name, colour, what in ((SCI, sheet.BLUE, "science"), (SKY, sheet.ORANGE, "sky")):
        means = np.maximum(np.nanmean(_counts(content, name), axis=0), 0.1)
        axes.plot(_nanometres(content, name), means, ".-", color=colour, label=what)
    sheet.dress(axes, "wavelength [nm]", "mean counts a reading")
    axes.set_yscale("log")
    axes.set_ylim(0.1, 1e5)
    axes.set_xlim(440, 880)
    axes.legend(loc="upper right")


def _wavelengths(content: Content, name: str) -> list[str]:
    return [column for column in content.tables[name] if _is_number(column)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _nanometres(content: Content, name: str) -> Array:
    return np.array([float(column) for column in _wavelengths(content, name)])


def _counts(content: Content, name: str) -> Array:
    """(readings, wavelengths)"""
    table = content.tables[name]
    return np.array([table[column] for column in _wavelengths(content, name)], float).T


def _times(content: Content, name: str) -> tuple[Array, Array]:
    """Start of each reading since the first, and its length, in seconds."""
    table = content.tables[name]
    begins, ends = (
        np.array([_moment(value) for value in table[column]]) for column in (BEGIN, END)
    )
    return begins - begins[0], ends - begins


def _moment(value: bytes) -> float:
    return datetime.fromisoformat(value.decode("ascii").strip("\0 ")).timestamp()
