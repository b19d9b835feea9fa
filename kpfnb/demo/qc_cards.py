"""The measurements that the stand-in DRP adds to the header at each level.

Keywords that the simulated version does not write are left out. The quality flags are in
`kpfnb.demo.qc_flags`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kpfnb.core.clock import parse_utc
from kpfnb.demo import detector
from kpfnb.demo.extraction import ElectronFrame, ExtractedSpectra
from kpfnb.demo.header_layout import HeaderCard, HeaderValue, make_card
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array, Camera
from kpfnb.kpf.files.keywords import is_known, was_written

if TYPE_CHECKING:
    from astropy.io import fits

Values = dict[str, HeaderValue]

_NORMAL_RATIO = np.sqrt(2 / np.pi)
"""Mean absolute to standard deviation of Gaussian noise: then the pipeline's measure is 1."""

_PERCENTILES = {"9F": 99.5, "99": 99.0, "98": 98.0, "95": 95.0, "90": 90.0, "50": 50.0, "10": 10.0}
_SNR_ORDERS = {
    452: ("GREEN", 1),
    548: ("GREEN", 25),
    652: ("RED", 8),
    747: ("RED", 20),
    852: ("RED", 30),
}
"""Camera and order where the pipeline measures the signal to noise near these wavelengths (nm)."""

_DARK_REGIONS = {
    1: (1690, 1690), 2: (1690, 2090), 3: (2090, 1690), 4: (2090, 2090), 5: (80, 3080),
}  # fmt: skip
"""First row and column of the squares of 300 pixels in which dark current is measured."""
DARK_SQUARE = 300

_LETTERS = {"GREEN": "G", "RED": "R"}
_SOURCES = {"S": "SCI2", "C": "CAL", "K": "SKY"}


def version_cards(level: str, tag: str) -> list[HeaderCard]:
    """The cards of the pipeline version that made a level."""
    return _written(level, tag, {"DRPTAG": tag, "DRPHASH": "0" * 40})


def cards_2d(
    l0: fits.HDUList,
    frames: Mapping[str, ElectronFrame],
    heights: Mapping[str, Array],
    tag: str,
) -> list[HeaderCard]:
    """Read modes, levels and noise of the amplifiers, percentiles of the flux."""
    header = l0[0].header
    waveforms = header["GRACFFLN"]
    values: Values = {"READSPED": "fast" if "fast" in waveforms else "regular"}
    for name, prefix in (("GREEN", "GR"), ("RED", "RD")):
        if f"{name}_AMP1" in l0:
            count = sum(f"{name}_AMP{number}" in l0 for number in range(1, 5))
            values["GRNAMPS" if name == "GREEN" else "REDAMPS"] = count
            closed, written = (parse_utc(header[f"{prefix}DATE{end}"]) for end in ("-E", ""))
            values[f"{name}TRT"] = round((written - closed).total_seconds(), 3)
    for hdu in l0:
        if "_AMP" in hdu.name:
            camera, _, number = hdu.name.partition("_AMP")
            levels = _level_values(f"{'GRN' if camera == 'GREEN' else 'RED'}{number}", hdu.data)
            # The pipeline has no keywords for the levels of a third and fourth red amplifier
            values |= {keyword: level for keyword, level in levels.items() if is_known(keyword)}
            overscan = detector.read_overscan(int(number), hdu.data)
            spread = np.abs(overscan - overscan.mean()).mean()
            noise = _NORMAL_RATIO * float(overscan.std() / spread)
            values[f"RNNG{'GR' if camera == 'GREEN' else 'RD'}{number}"] = round(noise, 4)
    if "CA_HK" in l0:
        values |= _level_values("CAHK", l0["CA_HK"].data)
        values |= _flux_values("HK", l0["CA_HK"].data)
    is_dark = header["IMTYPE"] == "Dark"
    for name, frame in frames.items():
        values |= _frame_values(name, frame, float(header["ELAPSED"]) if is_dark else 0.0)
        if name in heights:
            values |= _trace_flux_values(frame, heights[name])
    return _written("2D", tag, values)


def cards_l1(
    spectra: Mapping[str, ExtractedSpectra],
    differences: Mapping[str, Array],
    masters: Mapping[str, str],
    tag: str,
) -> list[HeaderCard]:
    """Signal to noise, flux ratios, wavelengths against the nominal, and the masters used."""
    values: Values = {**masters, **_signal_values(spectra)}
    for camera in CAMERAS:
        if camera.name in spectra:
            values |= _nan_values(camera, spectra[camera.name])
        if camera.name in differences:
            values |= _wavelength_values(camera, differences[camera.name])
    return _written("L1", tag, values)


def cards_l2(sums: Mapping[str, float], drift: Mapping[str, Any], tag: str) -> list[HeaderCard]:
    """The combined velocity, barycentric correction and drift."""
    return _written("L2", tag, {**sums, **drift})


def drop_unwritten(level: str, tag: str, cards: Iterable[HeaderCard]) -> list[HeaderCard]:
    """Those cards that this version writes into files of a level."""
    return [card for card in cards if was_written(card[0], level, tag) is not False]


def _written(level: str, tag: str, values: Values) -> list[HeaderCard]:
    """The cards of the values that this version writes."""
    return drop_unwritten(level, tag, (make_card(*pair) for pair in values.items()))


def _level_values(name: str, data: NDArray[Any]) -> Values:
    """16th, 50th and 84th percentile with overscan, in the units of the file."""
    low, middle, high = np.percentile(data[::2, ::2], [16, 50, 84])
    values = {"MED": middle, "P16": low, "P84": high}
    return {f"{prefix}{name}": round_for_card(value) for prefix, value in values.items()}


def _frame_values(name: str, frame: ElectronFrame, dark_seconds: float) -> Values:
    letters = "GR" if name == "GREEN" else "RD"
    values: Values = {
        f"RN{name}{number}": round_for_card(noise)
        for number, noise in enumerate(frame.noises, start=1)
    }
    values |= _flux_values(letters, frame.image)
    if dark_seconds:
        scale = frame.echelle.scale
        size = round(DARK_SQUARE * scale)
        for number, corner in _DARK_REGIONS.items():
            y, x = (round(first * scale) for first in corner)
            flux = float(np.median(frame.image[y : y + size, x : x + size]))
            # The pipeline writes the number as text
            values[f"FLXREG{number}{name[0]}"] = f"{flux * 3600 / dark_seconds:.3f}"
    return values


def _flux_values(name: str, image: NDArray[Any]) -> Values:
    percents = (99, 90, 50, 10)
    fluxes = np.percentile(image[::3, ::3], percents)
    return {
        f"{name}2DF{percent}P": round_for_card(flux)
        for percent, flux in zip(percents, fluxes, strict=True)
    }


def _trace_flux_values(frame: ElectronFrame, heights: Array) -> Values:
    """Flux inside and outside of the traces, in a sample of columns."""
    columns = np.arange(8, frame.image.shape[0], 16)
    reach = round(2 * frame.echelle.slit_sigma) + 1
    inside = np.zeros((frame.image.shape[0], columns.size), bool)
    rows = np.rint(heights[:, columns]).astype(int)
    for offset in range(-reach, reach + 1):
        near = np.clip(rows + offset, 0, len(inside) - 1)
        inside[near, np.arange(columns.size)] = True
    chosen = frame.image[:, columns]
    letter = _LETTERS[frame.camera.name]
    percents = list(_PERCENTILES.values())
    within = np.percentile(chosen[inside], percents)
    beyond = np.percentile(chosen[~inside], percents)
    values: Values = {}
    for name, a, b in zip(_PERCENTILES, within, beyond, strict=True):
        values[f"FINTR{letter}{name}"] = round_for_card(a)
        values[f"FOUTR{letter}{name}"] = round_for_card(b)
        values[f"FRATR{letter}{name}"] = round_for_card(a / b if b else 0.0)
    return values


def _nan_values(camera: Camera, extracted: ExtractedSpectra) -> Values:
    codes = ("SK", "S1", "S2", "S3", "CL")
    return {
        f"NANL1{_LETTERS[camera.name]}{code}": int(
            np.isnan(extracted.flux[index :: len(ORDERLETS)]).sum()
        )
        for index, code in enumerate(codes)
    }


def _signal_values(spectra: Mapping[str, ExtractedSpectra]) -> Values:
    """Signal-to-noise and flux ratios of the orders near five wavelengths."""
    values: Values = {}
    peaks: dict[int, float] = {}
    for nanometres, (camera, order) in _SNR_ORDERS.items():
        if camera not in spectra:
            continue
        rows = slice(order * len(ORDERLETS), (order + 1) * len(ORDERLETS))
        flux, variance = spectra[camera].flux[rows], spectra[camera].variance[rows]
        for code, part in (("SC", slice(1, 4)), ("SK", slice(0, 1)), ("CL", slice(4, 5))):
            snr = flux[part].sum(axis=0) / np.sqrt(variance[part].sum(axis=0))
            values[f"SNR{code}{nanometres}"] = round_for_card(np.percentile(snr, 95))
        peaks[nanometres] = float(np.percentile(flux[2], 95))
        values |= _flux_ratio_values(nanometres, flux, variance)
    if peaks.get(652):
        values |= {
            f"FR{nanometres}652": round_for_card(peak / peaks[652])
            for nanometres, peak in peaks.items()
            if nanometres != 652
        }
    return values


def _flux_ratio_values(nanometres: int, flux: Array, variance: Array) -> Values:
    middle = slice(flux.shape[1] * 7 // 16, flux.shape[1] * 9 // 16)
    reference = np.maximum(flux[2, middle], 1.0)
    values: Values = {}
    for code, row in (("12", 1), ("32", 3), ("S2", 0), ("C2", 4)):
        error = float(np.sqrt(np.mean(variance[row, middle])) / reference.mean())
        ratio = np.median(flux[row, middle] / reference)
        values[f"FR{code}M{nanometres}"] = round_for_card(ratio)
        values[f"FR{code}U{nanometres}"] = round_for_card(error)
    return values


def _wavelength_values(camera: Camera, differences: Array) -> Values:
    """Median and scatter (pixels) of the difference from the nominal solution, per row."""
    values: Values = {}
    for letter, orderlet in _SOURCES.items():
        for order in range(camera.orders):
            row = differences[order * len(ORDERLETS) + ORDERLETS.index(orderlet)]
            name = f"{_LETTERS[camera.name]}{letter}{order:02d}"
            values[f"MEDW{name}"] = round_for_card(np.median(row))
            values[f"STDW{name}"] = round_for_card(np.std(row))
    return values


def round_for_card(value: Any) -> float:
    """A float that fits a card; 0 for NaN."""
    number = float(f"{float(value):.7g}")
    return number if np.isfinite(number) else 0.0
