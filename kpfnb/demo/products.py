"""The stand-in DRP's files: 2D, L1 and L2 in KPF's format, each whole or not there."""

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
"""What a 2D takes over from its L0."""

SPECTRUM_NAMES = {
    "SKY": "SKY_{}",
    "SCI1": "SCI_{}1",
    "SCI2": "SCI_{}2",
    "SCI3": "SCI_{}3",
    "CAL": "CAL_{}",
}
CCF_ORDERLETS = ("SCI1", "SCI2", "SCI3", "CAL", "SKY")
"""The first axis of a CCF."""


@dataclass(frozen=True)
class ProductProvenance:
    """How a product was made."""

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
    everything = [fits.PrimaryHDU(header=header), *_record_hdus(provenance, steps), *hdus]
    with atomic.replace_atomically(path) as temporary:
        fits.HDUList(everything).writeto(temporary, overwrite=True)


def extend_header(header: fits.Header, cards: Iterable[HeaderCard]) -> fits.Header:
    """A header with more cards; those it has already get the new value."""
    longer = header.copy()
    for keyword, value, comment in cards:
        if keyword in longer:
            longer[keyword] = (value, comment)
        else:
            longer.append((keyword, value, comment), end=True)
    return longer


def make_2d_hdus(l0: fits.HDUList, frames: Mapping[str, ElectronFrame]) -> list[Any]:
    """The CCDs with their variances, and the L0's tail."""
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
    """Flux, variance and wavelength of each orderlet (orders, side), Ca H&K, BARY_CORR."""
    from astropy.io import fits

    hdus: list[Any] = [telemetry.copy()]
    for name, found in spectra.items():
        kinds = {"FLUX": found.flux, "VAR": found.variance, "WAVE": waves[name]}
        for kind, values in kinds.items():
            # Single precision is 10 m/s in a wavelength: too coarse
            exact = values if kind == "WAVE" else values.astype(np.float32)
            for index, orderlet in enumerate(ORDERLETS):
                extension = f"{name}_{SPECTRUM_NAMES[orderlet].format(kind)}"
                rows = np.ascontiguousarray(exact[index :: len(ORDERLETS)])
                hdus.append(fits.ImageHDU(rows, name=extension))
    hdus += [fits.ImageHDU(values, name=f"CA_HK_{name}") for name, values in ca_hk.items()]
    hdus.append(make_table_hdu("BARY_CORR", list(barycentre)))
    return hdus


def make_ccf_hdu(
    name: str, ccf: Array, velocities: Array, masks: Mapping[str, str]
) -> fits.ImageHDU:
    """Correlation functions (orderlets, orders, steps) with the cards of their velocities."""
    from astropy.io import fits

    hdu = fits.ImageHDU(ccf, name=name)
    hdu.header["STARTV"] = (float(velocities[0]), "[km/s] first velocity")
    hdu.header["STEPV"] = (float(velocities[1] - velocities[0]), "[km/s] step")
    hdu.header["TOTALV"] = (velocities.size, "number of velocities")
    for fibre, mask in masks.items():
        hdu.header[f"{fibre}_MASK"] = (mask, "mask (simulated)")
    return hdu


def make_rv_hdu(columns: Sequence[tuple[str, str, np.ndarray]], cards: Iterable[HeaderCard]) -> Any:
    """The table of velocities, one row an order, with the cameras' means in its header."""
    hdu = make_table_hdu("RV", list(columns))
    hdu.header.extend(list(cards))
    return hdu


def _record_hdus(provenance: ProductProvenance, steps: Sequence[str]) -> list[Any]:
    """RECEIPT: what was done; CONFIG: what the command line named."""
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
