"""Measures of images and spectra: values that are no numbers, and extensions that are missing."""

from __future__ import annotations

from collections import Counter

import numpy as np

from kpfnb.kpf.files.exposure import CCDS
from kpfnb.kpf.quicklook.instrument_plots import orderlets
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent
from kpfnb.kpf.quicklook.measures.measured import NOT_IN_FILE, Measured, join_names

MASTER_IMAGES = ("GREEN_CCD", "RED_CCD", "CA_HK")


def measure_blank_percent(content: FitsContent, name: str) -> Measured:
    """Percent of the values of an image that are not finite; all of them if each is 0."""
    image = content.images.get(name)
    if image is not None and not image.any():
        return Measured(100.0, "all pixels are 0")
    return measure_unknown_percent(content, (name,))


def measure_unknown_percent(content: FitsContent, names: tuple[str, ...]) -> Measured:
    """Percent of the values of some images that are not finite, of those that are in the file."""
    images = [content.images[name] for name in names if name in content.images]
    if not images:
        return NOT_IN_FILE
    bad = sum(int((~np.isfinite(image[:, ::4])).sum()) for image in images)
    return Measured(100 * bad / sum(image[:, ::4].size for image in images))


def count_unknown_fluxes(content: FitsContent) -> Measured:
    """Number of fluxes of all orderlets that are not finite, by orderlet in the note.

    The first and the last order of SKY and CAL may lie beside the CCD. The DRP (v2.12) fills such
    an order with NaN: those are not counted.
    """
    fluxes = {
        (camera, orderlet): content.images[name]
        for camera in CCDS
        for orderlet in orderlets.ORDERLET_EXTENSIONS
        if (name := orderlets.extension_name(camera, orderlet, "FLUX")) in content.images
    }
    if not fluxes:
        return NOT_IN_FILE
    counts = {
        f"{camera} {orderlet}": _count_unknown(flux, may_lack_ends=orderlet in ("SKY", "CAL"))
        for (camera, orderlet), flux in fluxes.items()
    }
    names = [f"{name}: {count}" for name, count in counts.items() if count]
    return Measured(float(sum(counts.values())), join_names(names))


def _count_unknown(flux: Array, *, may_lack_ends: bool) -> int:
    by_order = (~np.isfinite(flux)).sum(axis=-1)
    if may_lack_ends:
        ends = by_order[[0, -1]]
        by_order[[0, -1]] = np.where(ends == flux.shape[-1], 0, ends)
    return int(by_order.sum())


def count_missing_spectra(content: FitsContent, camera: str) -> Measured:
    """Number of extensions of a camera's spectra that have no data, by name in the note.

    They are not in the file, empty, all 0, or of another shape than most.
    """
    names = [
        orderlets.extension_name(camera, orderlet, kind)
        for orderlet in orderlets.ORDERLET_EXTENSIONS
        for kind in orderlets.EXTENSION_KINDS
    ]
    images = {name: content.images[name] for name in names if name in content.images}
    if not images:
        return NOT_IN_FILE
    [(usual, _)] = Counter(image.shape for image in images.values()).most_common(1)
    faults = [fault for name in names if (fault := _find_fault(name, images.get(name), usual))]
    return Measured(float(len(faults)), join_names(faults))


def _find_fault(name: str, image: Array | None, shape: tuple[int, ...]) -> str:
    if image is None:
        return name
    if image.shape != shape:
        return f"{name} (shape {image.shape})"
    return "" if image.any() else f"{name} (all 0)"
