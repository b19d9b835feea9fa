"""Measures of the wavelengths of L1 spectra, which fall along every order."""

from __future__ import annotations

from kpfnb.core.text import format_count
from kpfnb.kpf.files.exposure import CCDS
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.instrument_plots.orderlets import OrderWavelengths, iterate_orders
from kpfnb.kpf.quicklook.measures.measured import NOT_IN_FILE, Measured, join_names

SCIENCE = ("SCI1", "SCI2", "SCI3")
OTHERS = ("SKY", "CAL")

SHIFT = 4.5
"""km/s, half the distance of two lines of the laser comb (20 GHz) at the blue end.

In good orders of real files orderlets differ by at most 0.6 km/s; a line taken for its neighbour
shifts an order by 9 to 17 km/s.
"""


def count_orders_without_wavelengths(content: FitsContent, orderlets: tuple[str, ...]) -> Measured:
    """Number of orders of some orderlets that have no or impossible wavelengths, with names."""
    found = _list_orders(content, orderlets)
    faults = [f"{order.name} ({fault})" for order in found if (fault := order.fault)]
    return Measured(float(len(faults)), join_names(faults)) if found else NOT_IN_FILE


def count_shifted_orders(content: FitsContent, orderlets: tuple[str, ...]) -> Measured:
    """Number of orders whose wavelengths differ much from those of SCI2, with names.

    Orders without wavelengths, also of SCI2, are not counted.
    """
    found = _list_orders(content, orderlets)
    if not found:
        return NOT_IN_FILE
    shifts = {o.name: o.shift for o in found if o.has_reference and not o.fault}
    names = [f"{name} ({shift:+.1f} km/s)" for name, shift in shifts.items() if abs(shift) > SHIFT]
    return Measured(float(len(names)), join_names(names))


def count_rising_orders(content: FitsContent, orderlets: tuple[str, ...]) -> Measured:
    """Number of orders whose wavelengths do not fall from pixel to pixel, with names.

    Orders without wavelengths are not counted.
    """
    found = _list_orders(content, orderlets)
    names = [
        f"{order.name} ({format_count(pixels, 'pixel')})"
        for order in found
        if (pixels := order.rising_pixels) and not order.fault
    ]
    return Measured(float(len(names)), join_names(names)) if found else NOT_IN_FILE


def _list_orders(content: FitsContent, orderlets: tuple[str, ...]) -> list[OrderWavelengths]:
    return [
        order
        for camera in CCDS
        for orderlet in orderlets
        for order in iterate_orders(content, camera, orderlet)
    ]
