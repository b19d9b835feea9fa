"""Which plots are drawn at each data level, in the order in which pages show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kpfnb.kpf.files.exposure import CCDS
from kpfnb.kpf.quicklook.instrument_plots import (
    ancillary,
    ccd,
    orderlets,
    spectra,
    velocities,
    wavelengths,
)
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent

NO_LIGHT = ("bias", "dark")
"""IMTYPE of exposures without light, in lower case."""

WIDE, TALL, SQUARE, CCD = (1200, 640), (1200, 900), (1200, 1100), (1600, 1500)
"""Sizes in pixels; the plot of a CCD takes the size that its image needs."""


@dataclass(frozen=True)
class PlotSpec:
    """One kind of plot.

    Attributes
    ----------
    kind : directory of the product
    name : part of the product's file name
    title : for people
    required : extensions that it needs; a tuple among them means any one of its names
    draw : draws the content of a file into a figure
    size : width and height in pixels
    needs_light : only for exposures with light
    needs_spectra : only if all spectra of a camera are in the file
    """

    kind: str
    name: str
    title: str
    required: tuple[str | tuple[str, ...], ...]
    draw: Callable[[Any, FitsContent], None]
    size: tuple[int, int] = WIDE
    needs_light: bool = False
    needs_spectra: bool = False

    def missing_reason(self, content: FitsContent) -> str:
        """Why it can't be drawn; '' if it can."""
        for requirement in self.required:
            names = _extension_names(requirement)
            if not any(map(content.has, names)):
                bad = [f"{n}: {content.unreadable[n]}" for n in names if n in content.unreadable]
                empty = [f"{n} has no data" for n in names if n in content.headers]
                return "; ".join(bad or empty) or f"no {' or '.join(names)} in the file"
        if self.needs_spectra and not orderlets.list_cameras(content):
            return "neither camera has all its spectra"
        if self.needs_light and content.text("IMTYPE").lower() in NO_LIGHT:
            return f"a {content.text('IMTYPE').lower()} has no light"
        return ""


def _extension_names(requirement: str | tuple[str, ...]) -> tuple[str, ...]:
    return (requirement,) if isinstance(requirement, str) else requirement


def _ccd_plots(kind: str, camera: str, extension: str, *, details: bool) -> list[PlotSpec]:
    """The plots of a CCD; without `details` only its image and histogram."""

    def make_spec(
        name: str, title: str, draw: Any, size: tuple[int, int], needs_light: bool = False
    ) -> PlotSpec:
        draw_extension = partial(draw, extension=extension)
        label = f"{title}, {camera.capitalize()} CCD"
        return PlotSpec(
            kind, f"{extension}_{name}", label, (extension,), draw_extension, size, needs_light
        )

    image = make_spec("image", "Image", ccd.draw_image, CCD)
    histogram = make_spec("histogram", "Histogram of pixel values", ccd.draw_histogram, WIDE)
    if not details:
        return [image, histogram]
    return [
        image,
        make_spec("zoom_3x3", "Nine cut-outs at full resolution", ccd.draw_zoom, SQUARE),
        make_spec("order_trace", "Orders and traces", ccd.draw_order_traces, SQUARE, True),
        histogram,
        make_spec("column_cut", "Cut along the middle column", ccd.draw_column_cut, TALL),
    ]


def _stitched_plot(camera: str) -> PlotSpec:
    amplifiers = tuple(f"{camera}_AMP{number}" for number in range(1, 5))
    return PlotSpec(
        "L0", f"{camera}_stitched", f"Raw image, {camera.capitalize()} CCD", (amplifiers,),
        partial(ccd.draw_stitched, camera=camera), CCD,
    )  # fmt: skip


def _orderlet_plot(name: str) -> PlotSpec:
    required = tuple(
        (orderlets.extension_name("GREEN", name, kind), orderlets.extension_name("RED", name, kind))
        for kind in ("FLUX", "WAVE")
    )
    draw = partial(spectra.draw_all_orders, orderlet=name)
    return PlotSpec(
        "L1", f"{name}_spectrum", f"Spectrum of {name}", required, draw, TALL, needs_spectra=True
    )


def _solution_plot(orderlet: str) -> PlotSpec:
    names = {camera: f"{camera}_{orderlet}" for camera in CCDS}
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
        needs_spectra=True,
    ),
    *map(_orderlet_plot, orderlets.ORDERLET_EXTENSIONS),
    PlotSpec(
        "L1",
        "one_order",
        "One order",
        _ANY_SPECTRUM,
        spectra.draw_one_order,
        SQUARE,
        needs_spectra=True,
    ),
    PlotSpec(
        "L1",
        "flux_ratios",
        "Orderlets against SCI2",
        _ANY_SPECTRUM,
        spectra.draw_flux_ratios,
        TALL,
        needs_light=True,
        needs_spectra=True,
    ),
    PlotSpec(
        "WLS",
        "WLS_differences",
        "Wavelength solutions",
        _ANY_SPECTRUM,
        wavelengths.draw_differences,
        TALL,
        needs_spectra=True,
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
        "Cross-correlation functions (CCF)",
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

_CCDS = [("GREEN", "GREEN_CCD"), ("RED", "RED_CCD")]

MASTER = (
    *(plot for camera, name in _CCDS for plot in _ccd_plots("", camera, name, details=False)),
    *(plot for plot in L0 if plot.name == "HK_image"),
    *(plot for plot in L1 if plot.name != "HK_spectra"),
    _solution_plot("SCI_WAVE2"),
)
"""A master holds one kind of data or another; plots of the other kinds are not reported."""

PLOTS: dict[str, tuple[PlotSpec, ...]] = {
    "L0": L0,
    "2D": (
        *_ccd_plots("2D", "GREEN", "GREEN_CCD", details=True),
        *_ccd_plots("2D", "RED", "RED_CCD", details=True),
    ),
    "L1": L1,
    "L2": L2,
    "master": MASTER,
}

_AMPLIFIERS = [f"{camera}_AMP{number}" for camera in CCDS for number in range(1, 5)]

CHECK_EXTENSIONS = {
    "L0": (*_AMPLIFIERS, "TELEMETRY"),
    "L1": orderlets.extension_names(),
    "master": orderlets.extension_names(),
    "L2": ("GREEN_CCF", "GREEN_CCF_RW", "RED_CCF", "RED_CCF_RW"),
}
"""Extensions that plots and checks use in addition to those that the plots require."""


def required_extensions(level: str) -> frozenset[str]:
    """All extensions to read from the files of a level."""
    names = set(CHECK_EXTENSIONS.get(level, ()))
    for plot in PLOTS[level]:
        for requirement in plot.required:
            names.update(_extension_names(requirement))
    return frozenset(names)
