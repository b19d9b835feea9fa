"""The product files of the stand-in DRP: 2D, L1 and L2 in KPF's format, written atomically."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import atomic
from kpfnb.demo.extraction import ElectronFrame, ExtractedSpectra
from kpfnb.demo.header_cards import HeaderCard
from kpfnb.demo.instrument import ORDERLETS, Array
from kpfnb.demo.l0_file import make_table_hdu

if TYPE_CHECKING:
    from astropy.io import fits

L0_TAIL = (
    "CA_HK", "EXPMETER_SCI", "EXPMETER_SKY", "TELEMETRY", "SOLAR_IRRADIANCE", "GUIDER_AVG",
    "GUIDER_CUBE_ORIGINS",
)  # fmt: skip
"""The HDUs of an L0 that are copied to its 2D."""

SPECTRUM_NAMES = {
    "SKY": "SKY_{}",
    "SCI1": "SCI_{}1",
    "SCI2": "SCI_{}2",
    "SCI3": "SCI_{}3",
    "CAL": "CAL_{}",
}
CCF_ORDERLETS = ("SCI1", "SCI2", "SCI3", "CAL", "SKY")
"""The orderlets along the first axis of a CCF."""


@dataclass(frozen=True)
class ProductProvenance:
    """The provenance of a product: version, configuration and recipe."""

    tag: str
    config: str
    recipe: str


def write_product(
    path: Path,
    header: fits.Header,
    level: int | str,
    provenance: ProductProvenance,
    steps: Sequence[str],
    hdus: Iterable[Any],
) -> None:
    """Write a product: its header, RECEIPT and CONFIG, then the HDUs of its level."""
    from astropy.io import fits

    header = header.copy()
    header["DATLEVEL"] = level
    all_hdus = [fits.PrimaryHDU(header=header), *_record_hdus(provenance, steps), *hdus]
    with atomic.replace_atomically(path) as temporary:
        fits.HDUList(all_hdus).writeto(temporary, overwrite=True)


def extend_header(header: fits.Header, cards: Iterable[HeaderCard]) -> fits.Header:
    """A copy of a header with additional cards; existing cards get the new value."""
    longer = header.copy()
    for keyword, value, comment in cards:
        if keyword in longer:
            longer[keyword] = (value, comment)
        else:
            longer.append((keyword, value, comment), end=True)
    return longer


def make_2d_hdus(l0: fits.HDUList, frames: Mapping[str, ElectronFrame]) -> list[Any]:
    """The HDUs of a 2D: CCDs with variances, and the tail of the L0."""
    from astropy.io import fits

    hdus = []
    for name, frame in frames.items():
        hdus.append(fits.ImageHDU(frame.image, name=f"{name}_CCD"))
        hdus.append(fits.ImageHDU(frame.variance, name=f"{name}_VAR"))
    return [*hdus, *(l0[name].copy() for name in L0_TAIL if name in l0)]


def make_l1_hdus(
    telemetry: Any,
    spectra: Mapping[str, ExtractedSpectra],
    waves: Mapping[str, Array],
    ca_hk: Mapping[str, Array],
    barycentre: Sequence[tuple[str, str, np.ndarray]],
) -> list[Any]:
    """The HDUs of an L1: flux, variance, wavelength of each orderlet (orders, side), and more."""
    from astropy.io import fits

    hdus: list[Any] = [telemetry.copy()]
    for name, extracted in spectra.items():
        kinds = {"FLUX": extracted.flux, "VAR": extracted.variance, "WAVE": waves[name]}
        for kind, values in kinds.items():
            # Single precision of a wavelength is 10 m/s: too coarse
            array = values if kind == "WAVE" else values.astype(np.float32)
            for index, orderlet in enumerate(ORDERLETS):
                extension = f"{name}_{SPECTRUM_NAMES[orderlet].format(kind)}"
                rows = np.ascontiguousarray(array[index :: len(ORDERLETS)])
                hdus.append(fits.ImageHDU(rows, name=extension))
    hdus += [fits.ImageHDU(values, name=f"CA_HK_{name}") for name, values in ca_hk.items()]
    hdus.append(make_table_hdu("BARY_CORR", list(barycentre)))
    return hdus


def make_ccf_hdu(
    name: str, ccf: Array, velocities: Array, masks: Mapping[str, str]
) -> fits.ImageHDU:
    """The HDU of correlation functions (orderlets, orders, steps) with their velocity grid."""
    from astropy.io import fits

    hdu = fits.ImageHDU(ccf, name=name)
    hdu.header["STARTV"] = (float(velocities[0]), "[km/s] first velocity")
    hdu.header["STEPV"] = (float(velocities[1] - velocities[0]), "[km/s] step")
    hdu.header["TOTALV"] = (velocities.size, "number of velocities")
    for fibre, mask in masks.items():
        hdu.header[f"{fibre}_MASK"] = (mask, "mask (simulated)")
    return hdu


def make_rv_hdu(columns: Sequence[tuple[str, str, np.ndarray]], cards: Iterable[HeaderCard]) -> Any:
    """The table of velocities, one row per order, with the means of the cameras in its header."""
    hdu = make_table_hdu("RV", list(columns))
    hdu.header.extend(list(cards))
    return hdu


def _record_hdus(provenance: ProductProvenance, steps: Sequence[str]) -> list[Any]:
    """RECEIPT: the processing steps; CONFIG: the files named on the command line."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    rows = len(steps)
    receipt = {
        "Time": [now] * rows,
        "Code_Release": [provenance.tag] * rows,
        "Commit_Hash": ["none"] * rows,
        "Branch_Name": ["stand-in"] * rows,
        "Module_Name": list(steps),
        "Module_Param": [f"config={provenance.config} recipe={provenance.recipe}"] * rows,
        "Status": ["PASS"] * rows,
    }
    config = {
        "CONFIG": [
            "# SIMULATED: a stand-in pipeline, which does not read these files",
            f"config = {provenance.config}",
            f"recipe = {provenance.recipe}",
        ]
    }
    return [_text_table_hdu("RECEIPT", receipt), _text_table_hdu("CONFIG", config)]


def _text_table_hdu(name: str, columns: Mapping[str, list[str]]) -> Any:
    return make_table_hdu(
        name,
        [(key, f"{max(map(len, texts))}A", np.array(texts)) for key, texts in columns.items()],
    )
