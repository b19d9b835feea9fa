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
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array
from kpfnb.demo.l0_file import make_table_hdu

if TYPE_CHECKING:
    from astropy.io import fits

L0_TAIL = (
    "CA_HK", "EXPMETER_SCI", "EXPMETER_SKY", "GUIDECAM", "TELEMETRY", "SOLAR_IRRADIANCE",
    "GUIDER_AVG", "GUIDER_CUBE_ORIGINS",
)  # fmt: skip
"""The HDUs of an L0 that are copied to its 2D."""

L1_ORDERLETS = ("SCI1", "SCI2", "SCI3", "SKY", "CAL")
"""The orderlets in the order of the extensions of an L1."""

CCF_ORDERLETS = ("SCI1", "SCI2", "SCI3", "CAL", "SKY")
"""The orderlets along the first axis of a CCF."""

CA_HK_SPECTRA = ("CA_HK_SCI", "CA_HK_SKY", "CA_HK_SCI_WAVE", "CA_HK_SKY_WAVE")

DEFAULT_TAG = "v2.9.1"
"""The version that products say made them, if neither the command nor the L0 says another."""

_FLUX_CARDS = {"TOTALORD": 0, "FIRSTORD": 0, "FROMIMGX": 0, "FROMIMGY": 0}
"""In the headers of the fluxes: the orders, and the corner of the CCD from which they are."""

NO_COMMIT = "0" * 40
"""The commit in receipts and headers: the stand-in has none."""


@dataclass(frozen=True)
class ProductProvenance:
    """The provenance of a product: version ('' if the L0 says it), configuration and recipe."""

    tag: str
    config: str
    recipe: str


def write_product(
    path: Path,
    header: fits.Header,
    level: str,
    provenance: ProductProvenance,
    steps: Sequence[str],
    hdus: Iterable[Any],
) -> None:
    """Write a product: its header, RECEIPT and CONFIG, then the HDUs of its level."""
    from astropy.io import fits

    header = header.copy()
    # A 2D keeps the level of its L0, as the pipeline's do
    header["DATALVL"] = "0" if level == "2D" else level.removeprefix("L")
    records = make_record_hdus(provenance, level, steps)
    all_hdus = [fits.PrimaryHDU(header=header), *records, *hdus]
    with atomic.replace_atomically(path) as temporary:
        fits.HDUList(all_hdus).writeto(temporary, overwrite=True)


def extend_header(header: fits.Header, cards: Iterable[HeaderCard]) -> fits.Header:
    """A copy of a header with additional cards; existing cards get the new value.

    Comments are cut to the room that the card has.
    """
    longer = header.copy()
    for keyword, value, full_comment in cards:
        comment = full_comment[: max(0, 67 - max(20, len(repr(value))))]
        if keyword in longer:
            longer[keyword] = (value, comment)
        else:
            longer.append((keyword, value, comment), end=True)
    return longer


def make_2d_hdus(l0: fits.HDUList, frames: Mapping[str, ElectronFrame]) -> list[Any]:
    """The HDUs of a 2D: CCDs (double precision) with variances, and the tail of the L0."""
    from astropy.io import fits

    hdus = []
    for name, frame in frames.items():
        image = fits.ImageHDU(frame.image.astype(float), name=f"{name}_CCD")
        image.header["BUNIT"] = ("electrons", "units of image data")
        variance = fits.ImageHDU(frame.variance, name=f"{name}_VAR")
        variance.header["BUNIT"] = "electrons^2"
        hdus += [image, variance]
    # The pipeline writes these two also if the L0 has none
    empty = {
        "GUIDECAM": fits.ImageHDU(name="GUIDECAM"),
        "SOLAR_IRRADIANCE": fits.BinTableHDU(name="SOLAR_IRRADIANCE"),
    }
    tail = {name: l0[name].copy() if name in l0 else empty.get(name) for name in L0_TAIL}
    return [*hdus, *(hdu for hdu in tail.values() if hdu is not None)]


def spectrum_extension(camera: str, kind: str, orderlet: str) -> str:
    """The name of the extension of an orderlet: GREEN_SCI_FLUX2, RED_CAL_WAVE."""
    if orderlet.startswith("SCI"):
        return f"{camera}_SCI_{kind}{orderlet[3:]}"
    return f"{camera}_{orderlet}_{kind}"


def make_l1_hdus(
    telemetry: Any,
    spectra: Mapping[str, ExtractedSpectra],
    waves: Mapping[str, Array],
    ca_hk: Mapping[str, Array],
    barycentre: Sequence[tuple[str, str, np.ndarray]],
) -> list[Any]:
    """The HDUs of an L1 in the order of the real ones, all images in double precision.

    Images are empty for a camera that was not read, as in the pipeline's files.
    """
    from astropy.io import fits

    hdus: list[Any] = [telemetry]
    for camera in (camera.name for camera in CAMERAS):
        extracted = spectra.get(camera)
        kinds = {
            "FLUX": extracted.flux if extracted else None,
            "VAR": extracted.variance if extracted else None,
            "WAVE": waves.get(camera),
        }
        for kind, values in kinds.items():
            for orderlet in L1_ORDERLETS:
                rows = _orderlet_image(values, orderlet)
                hdu = fits.ImageHDU(rows, name=spectrum_extension(camera, kind, orderlet))
                if kind == "FLUX" and rows.size:
                    hdu.header.update({**_FLUX_CARDS, "TOTALORD": len(rows)})
                hdus.append(hdu)
        # The pipeline does not fill them either
        hdus += [fits.BinTableHDU(name=f"{camera}_{part}") for part in ("TELLURIC", "SKY")]
    hdus += [
        fits.ImageHDU(np.asarray(ca_hk.get(name, ()), float), name=name) for name in CA_HK_SPECTRA
    ]
    table = make_table_hdu("BARY_CORR", list(barycentre))
    table.header["BCV_UNIT"] = "m/sec"
    return [*hdus, table]


def barycentric_columns(
    middle: datetime, julian_date: float, velocity: float
) -> list[tuple[str, str, np.ndarray]]:
    """The columns of BARY_CORR, one row per order of both cameras.

    The simulated light is constant, so the photon-weighted times are those of the middle.

    Parameters
    ----------
    middle : UTC
    julian_date : barycentric Julian date of the middle; Julian date for calibrations
    velocity : barycentric correction, km/s
    """
    orders = sum(camera.orders for camera in CAMERAS)
    utc = middle.timestamp() / 86400 + 2440587.5
    text = middle.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    numbers = {
        "GEOMID_JD": utc,
        "PHOTON_JD": utc,
        "GEOMID_BJD": julian_date,
        "PHOTON_BJD": julian_date,
        "BARYVEL": velocity * 1000,
    }
    return [
        ("GEOMID_UTC", "23A", np.full(orders, text)),
        *((name, "D", np.full(orders, value)) for name, value in numbers.items()),
    ]


def _orderlet_image(values: Array | None, orderlet: str) -> Array:
    if values is None:
        return np.zeros(0)
    return np.ascontiguousarray(values[ORDERLETS.index(orderlet) :: len(ORDERLETS)], dtype=float)


def make_ccf_hdu(
    name: str, ccf: Array, velocities: Array, masks: Mapping[str, str]
) -> fits.ImageHDU:
    """The HDU of correlation functions (orderlets, orders, steps) with their velocity grid."""
    from astropy.io import fits

    hdu = fits.ImageHDU(ccf, name=name)
    hdu.header["STARTSEG"] = 0
    hdu.header["STARTV"] = (float(velocities[0]), "km/sec")
    hdu.header["STEPV"] = (float(velocities[1] - velocities[0]), "km/sec")
    hdu.header["TOTALV"] = velocities.size
    hdu.header["TOTALSCI"] = 3
    camera = name.partition("_")[0]
    for number, orderlet in enumerate(CCF_ORDERLETS, start=1):
        hdu.header[f"CCF{number}"] = spectrum_extension(camera, "FLUX", orderlet)
    for fibre, mask in masks.items():
        hdu.header[f"{fibre}_MASK"] = (mask, "mask (simulated)")
    return hdu


def make_rv_hdu(columns: Sequence[tuple[str, str, np.ndarray]], cards: Iterable[HeaderCard]) -> Any:
    """The table of velocities, one row per order, with the means of the cameras in its header."""
    hdu = make_table_hdu("RV", list(columns))
    hdu.header.extend(list(cards))
    return hdu


def make_record_hdus(provenance: ProductProvenance, level: str, steps: Sequence[str]) -> list[Any]:
    """RECEIPT: the processing steps; CONFIG: the files named on the command line."""
    now = datetime.now().isoformat(timespec="microseconds")
    parameters = f"config={provenance.config} recipe={provenance.recipe}"
    receipt: dict[str, str | list[str]] = {
        "Time": now,
        "Code_Release": provenance.tag,
        "Branch_Name": "stand-in",
        "Commit_Hash": NO_COMMIT,
        "Chip": "all",
        "Module_Name": list(steps),
        "Module_Level": level.removeprefix("L"),
        "Module_Path": "kpfnb.demo (simulation)",
        "Module_Param": parameters,
        "Status": "PASS",
    }
    lines = [
        "# SIMULATED: a stand-in pipeline, which does not read these files",
        f"config = {provenance.config}",
        f"recipe = {provenance.recipe}",
    ]
    columns = {
        name: texts if isinstance(texts, list) else [texts] * len(steps)
        for name, texts in receipt.items()
    }
    return [
        make_table_hdu("RECEIPT", [_text_column(name, texts) for name, texts in columns.items()]),
        make_table_hdu(
            "CONFIG", [("number", "K", np.arange(len(lines))), _text_column("line", lines)]
        ),
    ]


def _text_column(name: str, texts: list[str]) -> tuple[str, str, np.ndarray]:
    return name, f"{max(map(len, texts))}A", np.array(texts)
