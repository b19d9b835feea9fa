"""The orderlets of L1 spectra: the names of their extensions, and the wavelengths of their orders.

Real files have orders without wavelengths, or with impossible ones, in single orderlets, also good
files: at the ends of a camera an orderlet can leave the CCD. So they are found and named, and the
plots leave them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from kpfnb.kpf.files.exposure import CCDS
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

ORDERLET_EXTENSIONS = {
    "SCI1": "SCI_{}1",
    "SCI2": "SCI_{}2",
    "SCI3": "SCI_{}3",
    "SKY": "SKY_{}",
    "CAL": "CAL_{}",
}
"""Orderlet to the names of its extensions, without the camera; {} is the kind."""

EXTENSION_KINDS = ("FLUX", "VAR", "WAVE")

LIGHT_SPEED = 299792.458
"""km/s"""

LOWEST, HIGHEST = 4300.0, 8900.0
"""Å; the orders of real files end at 4457 and 8706."""


class OrderletSpectrum(NamedTuple):
    """One orderlet of one camera: arrays of shape (orders, pixels).

    Attributes
    ----------
    wavelength : Å; NaN in orders whose wavelengths can't be true
    faults : the number of each such order with what is wrong
    """

    flux: Array
    variance: Array
    wavelength: Array
    faults: dict[int, str]


@cache
def extension_name(camera: str, orderlet: str, kind: str) -> str:
    """The name of an extension, such as GREEN_SCI_FLUX1."""
    return f"{camera}_{ORDERLET_EXTENSIONS[orderlet].format(kind)}"


def extension_names(orderlets: tuple[str, ...] = tuple(ORDERLET_EXTENSIONS)) -> tuple[str, ...]:
    """The names of all extensions of some orderlets, for both cameras."""
    return tuple(extension_name(c, o, k) for c in CCDS for o in orderlets for k in EXTENSION_KINDS)


def list_cameras(content: FitsContent) -> list[str]:
    """The cameras whose spectra are complete in the file, all of the same shape."""
    return [camera for camera in CCDS if _has_all_spectra(content, camera)]


def _has_all_spectra(content: FitsContent, camera: str) -> bool:
    names = [extension_name(camera, o, k) for o in ORDERLET_EXTENSIONS for k in EXTENSION_KINDS]
    shapes = [content.images[name].shape for name in names if name in content.images]
    return len(shapes) == len(names) and len(set(shapes)) == 1


class OrderWavelengths(NamedTuple):
    """The wavelengths of one order of one orderlet [Å].

    Attributes
    ----------
    reference : those of SCI2 in the same order
    """

    camera: str
    orderlet: str
    order: int
    values: Array
    has_flux: bool
    reference: Array

    @property
    def name(self) -> str:
        """Such as `RED CAL 31`."""
        return f"{self.camera} {self.orderlet} {self.order}"

    @property
    def fault(self) -> str:
        """Why they are no wavelengths of this order; '' if they can be."""
        if not np.nan_to_num(self.values).any():
            return "no wavelengths" if self.has_flux else "no wavelengths, no flux"
        if _can_be_true(self.values) and self._is_near_reference():
            return ""
        return f"{self.values[0]:.1f} to {self.values[-1]:.1f} Å"

    def _is_near_reference(self) -> bool:
        if not self.has_reference:
            return True
        low, high = np.nanmin(self.reference), np.nanmax(self.reference)
        return bool(low < np.nanmedian(self.values) < high)

    @property
    def has_reference(self) -> bool:
        """Whether the wavelengths of SCI2 can be true."""
        return _can_be_true(self.reference)

    @property
    def shift(self) -> float:
        """The median difference from SCI2 at the same pixel [km/s]."""
        return float(np.nanmedian(self.values / self.reference - 1)) * LIGHT_SPEED

    @property
    def rising_pixels(self) -> int:
        """Number of pixels at which the wavelength does not fall, or is missing (NaN or 0)."""
        values = np.where(self.values > 0, self.values, np.nan)
        return int((~(np.diff(values) < 0)).sum())


def _can_be_true(values: Array) -> bool:
    return bool(np.isfinite(values).any()) and bool(LOWEST < np.nanmedian(values) < HIGHEST)


def iterate_orders(content: FitsContent, camera: str, orderlet: str) -> Iterator[OrderWavelengths]:
    """The orders of an orderlet that have wavelengths in the file, from the bluest."""
    waves = content.images.get(extension_name(camera, orderlet, "WAVE"))
    if waves is None:
        return
    reference = content.images.get(extension_name(camera, "SCI2", "WAVE"), waves)
    flux = content.images.get(extension_name(camera, orderlet, "FLUX"), waves)
    for order, values in enumerate(waves):
        has_flux = bool(np.nan_to_num(flux[order]).any())
        yield OrderWavelengths(camera, orderlet, order, values, has_flux, reference[order])


def true_wavelengths(
    content: FitsContent, camera: str, orderlet: str
) -> tuple[Array, dict[int, str]]:
    """The wavelengths of an orderlet, NaN in orders where they can't be true; and those orders.

    Returns
    -------
    An array of shape (orders, pixels), and the number of each such order with its fault
    """
    orders = list(iterate_orders(content, camera, orderlet))
    faults = {order.order: order.fault for order in orders if order.fault}
    waves = np.array([order.values for order in orders], float)
    waves[list(faults)] = np.nan
    return waves, faults


def read_spectrum(content: FitsContent, camera: str, orderlet: str) -> OrderletSpectrum:
    """The spectrum of an orderlet, in the machine's byte order."""
    flux, variance = (
        np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        for array in (
            content.images[extension_name(camera, orderlet, kind)] for kind in ("FLUX", "VAR")
        )
    )
    return OrderletSpectrum(flux, variance, *true_wavelengths(content, camera, orderlet))
