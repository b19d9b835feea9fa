"""Which pictures are made at each level, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kpfnb.kpf.quicklook.content import Content
from kpfnb.kpf.quicklook.plots import (
    calciumhk,
    ccd,
    exposuremeter,
    guider,
    rawimage,
    spectra,
    velocities,
    wavelengths,
)

if TYPE_CHECKING:
    pass

EDITION = 1
"""Raised when pictures or checks change: what an earlier edition made is made anew."""

NO_LIGHT = ("bias", "dark")

WIDE, TALL, SQUARE, CCD = (1200, 640), (1200, 900), (1200, 1100), (1600, 1500)
"""Sizes in pixels; the picture of a CCD takes what its image needs."""


@dataclass(frozen=True)
class Plot:
    """One kind of picture.

    Attributes
    ----------
    kind : directory of the product
    name : in the name of the product
    title : for people
    needs : extensions without which it is left out; each may name several of which one will do
    draw : draws a content into a figure
    size : pixels
    lit : only for exposures with light
    """

    kind: str
    name: str
    title: str
    needs: tuple[str | tuple[str, ...], ...]
    draw: Callable[[Any, Content], None]
    size: tuple[int, int] = WIDE
    lit: bool = False

    def missing(self, content: Content) -> str:
        """What it lacks, in words; '' where it can be drawn."""
        for need in self.needs:
            names = (need,) if isinstance(need, str) else need
            if not any(map(content.has, names)):
                bad = [f"{n}: {content.unreadable[n]}" for n in names if n in content.unreadable]
                return "; ".join(bad) or f"no {' or '.join(names)} in the file"
        if self.lit and content.text("IMTYPE").lower() in NO_LIGHT:
            return f"a {content.text('IMTYPE').lower()} has no light"
        return ""


def _of_ccd(kind: str, camera: str, extension: str, *, parts: bool) -> list[Plot]:
    """The pictures of a CCD."""

    def plot(name: str, title: str, draw: Any, size: tuple[int, int], lit: bool = False) -> Plot:
        drawn = partial(draw, extension=extension)
        label = f"{title}, {camera.capitalize()} CCD"
        return Plot(kind, f"{extension}_{name}", label, (extension,), drawn, size, lit)

    found = [
        plot("image", "Image", ccd.image, CCD),
        plot("zoom_3x3", "Nine parts, pixel by pixel", ccd.zoom, SQUARE),
        plot("order_trace", "Orders and their crests", ccd.order_trace, SQUARE, lit=True),
        plot("histogram", "Values", ccd.histogram, WIDE),
        plot("column_cut", "Cut down the middle", ccd.column_cut, TALL),
    ]
    return found if parts else [found[0], found[3]]


def _stitched(camera: str) -> Plot:
    return Plot(
        "L0", f"{camera}_stitched", f"Raw image, {camera.capitalize()} CCD", (f"{camera}_AMP1",),
        partial(rawimage.stitched, camera=camera), CCD,
    )  # fmt: skip


def _orderlet(name: str) -> Plot:
    needs = tuple(
        (spectra.extension("GREEN", name, kind), spectra.extension("RED", name, kind))
        for kind in ("FLUX", "WAVE")
    )
    draw = partial(spectra.whole, orderlet=name)
    return Plot("L1", f"{name}_spectrum", f"Spectrum of {name}", needs, draw, TALL)


def _solution(orderlet: str) -> Plot:
    names = {camera: f"{camera}_{orderlet}" for camera in spectra.CAMERAS}
    return Plot(
        "WLS", f"{orderlet}_dispersion", "Wavelength solution", (tuple(names.values()),),
        partial(wavelengths.dispersion, names=names), TALL,
    )  # fmt: skip


_ANY_SPECTRUM = (("GREEN_SCI_FLUX2", "RED_SCI_FLUX2"), ("GREEN_SCI_WAVE2", "RED_SCI_WAVE2"))

_METER = (exposuremeter.SCI, exposuremeter.SKY)

L0 = (
    _stitched("GREEN"),
    _stitched("RED"),
    Plot(
        "EM", "EM_time_series", "Exposure meter over time", _METER, exposuremeter.time_series, TALL
    ),
    Plot("EM", "EM_spectrum", "Exposure meter, spectrum", _METER, exposuremeter.spectrum),
    Plot("Guider", "guider_image", "Guide camera", (guider.IMAGE,), guider.image, (1200, 560)),
    Plot("Guider", "guider_error", "Guiding error", (guider.ORIGINS,), guider.error),
    Plot(
        "Guider",
        "guider_time_series",
        "Guiding over time",
        (guider.ORIGINS,),
        guider.time_series,
        TALL,
    ),
    Plot("HK", "HK_image", "Ca H&K image", (calciumhk.IMAGE,), calciumhk.image),
    Plot(
        "HK",
        "HK_column_cut",
        "Ca H&K, cut through the orders",
        (calciumhk.IMAGE,),
        calciumhk.column_cut,
    ),
)

L1 = (
    Plot("L1", "SNR", "Signal-to-noise by order", _ANY_SPECTRUM, spectra.snr, TALL, lit=True),
    *map(_orderlet, spectra.NAMES),
    Plot("L1", "one_order", "One order", _ANY_SPECTRUM, spectra.one_order, SQUARE),
    Plot(
        "L1",
        "flux_ratios",
        "Orderlets against SCI2",
        _ANY_SPECTRUM,
        spectra.flux_ratios,
        TALL,
        lit=True,
    ),
    Plot(
        "WLS",
        "WLS_differences",
        "Wavelength solutions",
        _ANY_SPECTRUM,
        wavelengths.differences,
        TALL,
    ),
    Plot(
        "HK",
        "HK_spectra",
        "Ca H&K spectra",
        (*calciumhk.SPECTRA, *calciumhk.WAVES),
        calciumhk.spectra,
        SQUARE,
    ),
)

L2 = (
    Plot(
        "L2",
        "CCF_grid",
        "Correlation functions",
        (("GREEN_CCF", "RED_CCF"),),
        velocities.ccf_grid,
        (1500, 1180),
    ),
    Plot("L2", "RV_by_order", "Velocities by order", ("RV",), velocities.by_order, TALL),
    Plot(
        "L2",
        "BJD_BCV",
        "Times and barycentric corrections",
        ("RV",),
        velocities.times_and_corrections,
    ),
)

_CCDS = [("GREEN", "GREEN_CCD"), ("RED", "RED_CCD"), ("GREEN", "GREEN_BIAS"), ("RED", "RED_BIAS")]

MASTER = (
    *(plot for camera, name in _CCDS for plot in _of_ccd("", camera, name, parts=False)),
    *(plot for plot in L1 if plot.name in ("SCI2_spectrum", "CAL_spectrum", "one_order")),
    _solution("SCI2_WAVE"),
    _solution("SCI_WAVE2"),
)
"""A master holds one or the other: what it has not is not missed."""

PLOTS: dict[str, tuple[Plot, ...]] = {
    "L0": L0,
    "2D": (
        *_of_ccd("2D", "GREEN", "GREEN_CCD", parts=True),
        *_of_ccd("2D", "RED", "RED_CCD", parts=True),
    ),
    "L1": L1,
    "L2": L2,
    "master": MASTER,
}

_AMPLIFIERS = [f"{camera}_AMP{number}" for camera in ("GREEN", "RED") for number in range(1, 5)]

MEASURED = {
    "L0": (*_AMPLIFIERS, "TELEMETRY"),
    "L1": spectra.extensions(),
}
"""Extensions that pictures and checks use beyond those that the pictures need."""


def wanted(level: str) -> frozenset[str]:
    """All extensions that are read at a level."""
    names = set(MEASURED.get(level, ()))
    for plot in PLOTS[level]:
        for need in plot.needs:
            names.update((need,) if isinstance(need, str) else need)
    return frozenset(names)
