"""Measures of the wavelengths of L1 spectra, which fall along every order.

Real files have orders without wavelengths, or with impossible ones, in single orderlets, also good
files: at the ends of a camera an orderlet can leave the CCD. So these are found and named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kpfnb.core.text import format_count
from kpfnb.kpf.quicklook.instrument_plots import spectra
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent
from kpfnb.kpf.quicklook.measures.measured import NOT_IN_FILE, Measured, join_names

LOWEST, HIGHEST = 4300.0, 8900.0
"""Å; the first and last order of real files have 4457 and 8706 at their ends."""

SCIENCE = ("SCI1", "SCI2", "SCI3")
OTHERS = ("SKY", "CAL")


class OrderWavelengths(NamedTuple):
    """The wavelengths of one order of one orderlet, and whether it has any flux."""

    camera: str
    orderlet: str
    order: int
    values: Array
    has_flux: bool
    reference: Array
    """Those of SCI2 in the same order."""

    @property
    def name(self) -> str:
        """Such as `RED CAL 31`."""
        return f"{self.camera} {self.orderlet} {self.order}"

    @property
    def fault(self) -> str:
        """Why they are no wavelengths of this order; '' if they can be."""
        if not np.isfinite(self.values).any() or not np.nan_to_num(self.values).any():
            return "no wavelengths" if self.has_flux else "no wavelengths, no flux"
        first, last = float(self.values[0]), float(self.values[-1])
        middle = float(np.nanmedian(self.values))
        if LOWEST < middle < HIGHEST and self._is_near_reference(middle):
            return ""
        return f"{first:.1f} to {last:.1f} Å"

    def _is_near_reference(self, middle: float) -> bool:
        low, high = float(np.nanmin(self.reference)), float(np.nanmax(self.reference))
        return not LOWEST < low < HIGHEST or low < middle < high

    @property
    def rising_pixels(self) -> int:
        """Number of pixels at which the wavelength does not fall."""
        return int((np.diff(self.values) >= 0).sum())


def count_orders_without_wavelengths(content: FitsContent, orderlets: tuple[str, ...]) -> Measured:
    """Number of orders of some orderlets that have no or impossible wavelengths, with names."""
    orders = list(_iterate_orders(content, orderlets))
    if not orders:
        return NOT_IN_FILE
    faults = [f"{order.name} ({order.fault})" for order in orders if order.fault]
    return Measured(float(len(faults)), join_names(faults))


def count_rising_orders(content: FitsContent, orderlets: tuple[str, ...]) -> Measured:
    """Number of orders whose wavelengths do not fall from pixel to pixel, with names.

    Orders without wavelengths are not counted.
    """
    orders = list(_iterate_orders(content, orderlets))
    if not orders:
        return NOT_IN_FILE
    names = [
        f"{order.name} ({format_count(order.rising_pixels, 'pixel')})"
        for order in orders
        if not order.fault and order.rising_pixels
    ]
    return Measured(float(len(names)), join_names(names))


def _iterate_orders(content: FitsContent, orderlets: tuple[str, ...]) -> Iterator[OrderWavelengths]:
    """The orders of some orderlets that have wavelengths in the file, camera by camera."""
    for camera in spectra.CAMERAS:
        reference = content.images.get(spectra.extension_name(camera, "SCI2", "WAVE"))
        for orderlet in orderlets:
            waves = content.images.get(spectra.extension_name(camera, orderlet, "WAVE"))
            if waves is None:
                continue
            flux = content.images.get(spectra.extension_name(camera, orderlet, "FLUX"), waves)
            has_flux = [bool(np.nan_to_num(row).any()) for row in flux]
            for order, values in enumerate(waves):
                yield OrderWavelengths(
                    camera,
                    orderlet,
                    order,
                    values,
                    has_flux[order],
                    values if reference is None else reference[order],
                )
