"""Which pictures are made at each level, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kpfnb.kpf.quicklook.plots import (
    ancillary,
    ccd,
    spectra,
    velocities,
    wavelengths,
)
from kpfnb.kpf.quicklook.plots import (
    ccd as rawimage,
)
from kpfnb.kpf.quicklook.plots.fits_content import FitsContent

if TYPE_CHECKING:
    pass

EDITION = 1
"""Raised when pictures or checks change: what an earlier edition made is made anew."""

NO_LIGHT = ("bias", "dark")

WIDE, TALL, SQUARE, CCD = (1200, 640), (1200, 900), (1200, 1100), (1600, 1500)
"""Sizes in pixels; the picture of a CCD takes what its image needs."""


@dataclass(frozen=True)
class PlotSpec:
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
    required: tuple[str | tuple[str, ...], ...]
    draw: Callable[[Any, FitsContent], None]
    size: tuple[int, int] = WIDE
    needs_light: bool = False

    def missing_reason(self, content: FitsContent) -> str:
        """What it lacks, in words; '' where it can be drawn."""
        for need in self.required:
            names = (need,) if isinstance(need, str) else need
            if not any(map(content.has, names)):
                bad = [f"{n}: {content.unreadable[n]}" for n in names if n in content.unreadable]
                return "; ".join(bad) or f"no {' or '.join(names)} in the file"
        if self.needs_light and content.text("IMTYPE").lower() in NO_LIGHT:
            return f"a {content.text('IMTYPE').lower()} has no light"
        return ""


def _ccd_plots(kind: str, camera: str, extension: str, *, parts: bool) -> list[PlotSpec]:
    """The pictures of a CCD."""

    def plot(
        name: str, title: str, draw: Any, size: tuple[int, int], lit: bool = False
    ) -> PlotSpec:
        drawn = partial(draw, extension=extension)
        label = f"{title}, {camera.capitalize()} CCD"
        return PlotSpec(kind, f"{extension}_{name}", label, (extension,), drawn, size, lit)

    found = [
        plot("image", "Image", ccd.draw_image, CCD),
        plot("zoom_3x3", "Nine parts, pixel by pixel", ccd.draw_zoom, SQUARE),
        plot("order_trace", "Orders and their crests", ccd.draw_order_traces, SQUARE, lit=True),
        plot("histogram", "Values", ccd.draw_histogram, WIDE),
        plot("column_cut", "Cut down the middle", ccd.draw_column_cut, TALL),
    ]
    return found if parts else [found[0], found[3]]


def _stitched_plot(camera: str) -> PlotSpec:
    return PlotSpec(
        "L0", f"{camera}_stitched", f"Raw image, {camera.capitalize()} CCD", (f"{camera}_AMP1",),
        partial(rawimage.draw_stitched, camera=camera), CCD,
    )  # fmt: skip


def _orderlet_plot(name: str) -> PlotSpec:
    needs = tuple(
        (spectra.extension_name("GREEN", name, kind), spectra.extension_name("RED", name, kind))
        for kind in ("FLUX", "WAVE")
    )
    draw = partial(spectra.draw_all_orders, orderlet=name)
    return PlotSpec("L1", f"{name}_spectrum", f"Spectrum of {name}", needs, draw, TALL)


def _solution_plot(orderlet: str) -> PlotSpec:
    names = {camera: f"{camera}_{orderlet}" for camera in spectra.CAMERAS}
    return PlotSpec(
        "WLS", f"{orderlet}_dispersion", "Wavelength solution", (tuple(names.values()),),
        partial(wavelengths.draw_dispersion, names=names), TALL,
    )  # fmt: skip


_ANY_SPECTRUM = (("GREEN_SCI_FLUX2", "RED_SCI_FLUX2"), ("GREEN_SCI_WAVE2", "RED_SCI_WAVE2"))

_METER = (ancillary.METER_SCI, ancillary.METER_SKY)

L0 = (
    _stitched_plot("GREEN"),
    _stitched_plot("RED"),
    PlotSpec(
        "EM",
        "EM_time_series",
        "Exposure meter over time",
        _METER,
        ancillary.draw_meter_time_series,
        TALL,
    ),
    PlotSpec(
        "EM", "EM_spectrum", "Exposure meter, spectrum", _METER, ancillary.draw_meter_spectrum
    ),
    PlotSpec(
        "Guider",
        "guider_image",
        "Guide camera",
        (ancillary.GUIDER_IMAGE,),
        ancillary.draw_guider_image,
        (1200, 560),
    ),
    PlotSpec(
        "Guider",
        "guider_error",
        "Guiding error",
        (ancillary.GUIDER_ORIGINS,),
        ancillary.draw_guiding_error,
    ),
    PlotSpec(
        "Guider",
        "guider_time_series",
        "Guiding over time",
        (ancillary.GUIDER_ORIGINS,),
        ancillary.draw_guiding_time_series,
        TALL,
    ),
    PlotSpec("HK", "HK_image", "Ca H&K image", (ancillary.HK_IMAGE,), ancillary.draw_hk_image),
    PlotSpec(
        "HK",
        "HK_column_cut",
        "Ca H&K, cut through the orders",
        (ancillary.HK_IMAGE,),
        ancillary.draw_hk_column_cut,
    ),
)

L1 = (
    PlotSpec(
        "L1",
        "SNR",
        "Signal-to-noise by order",
        _ANY_SPECTRUM,
        spectra.draw_snr,
        TALL,
        needs_light=True,
    ),
    *map(_orderlet_plot, spectra.ORDERLET_EXTENSIONS),
    PlotSpec("L1", "one_order", "One order", _ANY_SPECTRUM, spectra.draw_one_order, SQUARE),
    PlotSpec(
        "L1",
        "flux_ratios",
        "Orderlets against SCI2",
        _ANY_SPECTRUM,
        spectra.draw_flux_ratios,
        TALL,
        needs_light=True,
    ),
    PlotSpec(
        "WLS",
        "WLS_differences",
        "Wavelength solutions",
        _ANY_SPECTRUM,
        wavelengths.draw_differences,
        TALL,
    ),
    PlotSpec(
        "HK",
        "HK_spectra",
        "Ca H&K spectra",
        (*ancillary.HK_SPECTRA, *ancillary.HK_WAVES),
        ancillary.draw_hk_spectra,
        SQUARE,
    ),
)

L2 = (
    PlotSpec(
        "L2",
        "CCF_grid",
        "Correlation functions",
        (("GREEN_CCF", "RED_CCF"),),
        velocities.draw_ccf_grid,
        (1500, 1180),
    ),
    PlotSpec("L2", "RV_by_order", "Velocities by order", ("RV",), velocities.draw_by_order, TALL),
    PlotSpec(
        "L2",
        "BJD_BCV",
        "Times and barycentric corrections",
        ("RV",),
        velocities.draw_times_and_corrections,
    ),
)

_CCDS = [("GREEN", "GREEN_CCD"), ("RED", "RED_CCD"), ("GREEN", "GREEN_BIAS"), ("RED", "RED_BIAS")]

MASTER = (
    *(plot for camera, name in _CCDS for plot in _ccd_plots("", camera, name, parts=False)),
    *(plot for plot in L1 if plot.name in ("SCI2_spectrum", "CAL_spectrum", "one_order")),
    _solution_plot("SCI2_WAVE"),
    _solution_plot("SCI_WAVE2"),
)
"""A master holds one or the other: what it has not is not missed."""

PLOTS: dict[str, tuple[PlotSpec, ...]] = {
    "L0": L0,
    "2D": (
        *_ccd_plots("2D", "GREEN", "GREEN_CCD", parts=True),
        *_ccd_plots("2D", "RED", "RED_CCD", parts=True),
    ),
    "L1": L1,
    "L2": L2,
    "master": MASTER,
}

_AMPLIFIERS = [f"{camera}_AMP{number}" for camera in ("GREEN", "RED") for number in range(1, 5)]

CHECK_EXTENSIONS = {
    "L0": (*_AMPLIFIERS, "TELEMETRY"),
    "L1": spectra.extension_names(),
}
"""Extensions that pictures and checks use beyond those that the pictures need."""


def required_extensions(level: str) -> frozenset[str]:
    """All extensions that are read at a level."""
    names = set(CHECK_EXTENSIONS.get(level, ()))
    for plot in PLOTS[level]:
        for need in plot.required:
            names.update((need,) if isinstance(need, str) else need)
    return frozenset(names)
