"""The cards that the stand-in DRP adds at each level: measurements, and QC checks (0 or 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from kpfnb.demo.detector import CCDImage
from kpfnb.demo.extraction import ElectronFrame, ExtractedSpectra
from kpfnb.demo.header_cards import HeaderCard
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array, Camera, Echelle

HeaderValues = Mapping[str, Any]

# These checks can't fail in the simulation
_ALWAYS_2D = {
    "DATAPRL0": "L0 data present",
    "DATAPR2D": "2D data present",
    "KWRDPRL0": "L0 keywords present",
    "TELEPRL0": "telemetry present",
    "TIMCHKL0": "consistent times",
    "EMSAT": "exposure meter not saturated",
    "EMNEG": "exposure meter not negative",
    "GOODREAD": "no readout error",
    "NTPGOOD": "NTP time good",
    "GUIDGOOD": "guiding good",
    "TARGPLAU": "target keywords plausible",
    "AGITOK": "agitator runs",
    "GUIDSAT": "guider not saturated",
    "NOTVIGN": "not vignetted",
    "GOODEL": "elevation good",
    "ETASTEMP": "etalon at its temperature",
    "HKSHTOPN": "H&K shutter as expected",
    "GRCCDT1": "Green CCD near its temperature",
    "GRCCDT10": "Green CCD within 10 mK",
    "RDCCDT1": "Red CCD near its temperature",
    "RDCCDT10": "Red CCD within 10 mK",
    "CLEARSKY": "clear sky for SoCal",
    "LOWBIAS": "bias not low",
    "LOWDARK": "dark not low",
    "LFC2DFOK": "laser comb bright enough",
    "OLDBIAS": "master bias is fresh",
    "OLDDARK": "master dark is fresh",
    "OLDFLAT": "master flat is fresh",
    "FLXSTATS": "flux inside and outside of the traces",
}
_PERCENTILES = {"9F": 99.5, "99": 99.0, "98": 98.0, "95": 95.0, "90": 90.0, "50": 50.0, "10": 10.0}
_SNR_NANOMETRES = (452, 548, 652, 747, 852)
_LETTERS = {"GREEN": "G", "RED": "R"}
_SOURCES = {"S": "SCI2", "C": "CAL", "K": "SKY"}


def check_card(keyword: str, passed: bool, what: str) -> HeaderCard:
    """A card of a quality check."""
    return (keyword, int(passed), f"QC: {what}")


def version_cards(level: str, tag: str) -> list[HeaderCard]:
    """The cards of the pipeline version that made a level."""
    made_up = f"{'0' * 40}"
    return [
        ("DRPTAG", tag, "version of the (stand-in) pipeline"),
        ("DRPHASH", made_up, "commit (none: stand-in)"),
        (f"DRPTAG{level}", tag, f"version that made {level}"),
        (f"DRPHSH{level}", made_up, f"commit that made {level}"),
    ]


def cards_2d(
    amplifiers: Mapping[str, CCDImage],
    frames: Mapping[str, ElectronFrame],
    heights: Mapping[str, Array],
    ca_hk: CCDImage | None,
    is_junk: bool,
) -> list[HeaderCard]:
    """About 190 cards: the amplifiers' levels, noise, flux percentiles, checks."""
    cards = [check_card("NOTJUNK", not is_junk, "not in the list of junk")]
    cards += [check_card(keyword, True, what) for keyword, what in _ALWAYS_2D.items()]
    cards.append(check_card("CAHKPR2D", ca_hk is not None, "2D H&K data present"))
    for name, data in amplifiers.items():
        cards += _level_cards(f"{'GRN' if name.startswith('GREEN') else 'RED'}{name[-1]}", data)
    if ca_hk is not None:
        cards += _level_cards("CAHK", ca_hk)
    for name, frame in frames.items():
        cards += _frame_cards(name, frame)
        if name in heights:
            cards += _trace_flux_cards(frame, heights[name])
    if ca_hk is not None:
        cards += _flux_cards("HK", ca_hk)
    return cards


def cards_l1(
    header: HeaderValues,
    spectra: Mapping[str, ExtractedSpectra],
    differences: Mapping[str, Array],
    masters: Mapping[str, str],
) -> list[HeaderCard]:
    """About 530 cards: signal-to-noise, flux ratios, wavelengths against the nominal, checks."""
    cards = [
        check_card(keyword, True, what)
        for keyword, what in (
            ("DATAPRL1", "L1 data present"),
            ("MONOTWLS", "wavelengths monotonic"),
            ("WLSL1", "wavelength solution found"),
            ("LFCSAT", "laser comb not saturated"),
            ("OLDWLS", "first wavelength file is fresh"),
            ("OLDWLS2", "second wavelength file is fresh"),
            ("OLDTRAC", "trace file is fresh"),
            ("OLDLAMP", "lamp file is fresh"),
            ("FLATSNR", "signal of the flat"),
            ("LFCLINES", "laser comb lines"),
            ("LFCLINEP", "laser comb lines, where bright"),
            ("ETALINES", "etalon lines"),
            ("WILDWSCI", "SCI wavelengths not wild"),
            ("WILDWSKY", "SKY wavelengths not wild"),
            ("WILDWCAL", "CAL wavelengths not wild"),
        )
    ]
    cards.append(check_card("CAHKPRL1", header.get("CA_HK") == "YES", "H&K spectra present"))
    cards += [(keyword, value, "calibration used") for keyword, value in masters.items()]
    cards += [
        (keyword, 0.0, "[d] age of the calibration")
        for keyword in ("AGEWLS", "AGEWLS2", "AGETRAC", "AGELAMP")
    ]
    cards += [card for camera in CAMERAS for card in _nan_cards(camera, spectra)]
    cards += _signal_cards(spectra)
    for camera in CAMERAS:
        if camera.name in differences:
            cards += _wavelength_cards(camera, differences[camera.name])
    return cards


def cards_l2(
    sums: Mapping[str, float], drift: Mapping[str, Any], middle: datetime
) -> list[HeaderCard]:
    """About 30 cards: the combined velocity, barycentric correction and drift."""
    cards: list[HeaderCard] = [
        check_card("DATAPRL2", True, "L2 data present"),
        check_card("TIMCHKL2", True, "consistent times"),
        check_card("QCPCBCV", True, "barycentric velocities agree"),
    ]
    units = {"BJD": "[d]", "STD": "[s or m/s]", "RNG": "[s or m/s]"}
    cards += [
        (name, value, units.get(name[-3:], "[km/s]") + " combined") for name, value in sums.items()
    ]
    cards += [(name, value, "drift correction") for name, value in drift.items()]
    cards.append(("L2MID", middle.strftime("%Y-%m-%dT%H:%M:%S"), "middle of the exposure"))
    return cards


def _level_cards(name: str, data: CCDImage) -> list[HeaderCard]:
    low, middle, high = np.percentile(data[::2, ::2], [16, 50, 84])
    return [
        (f"MED{name}", _round_for_card(middle), "[DN] median, with overscan"),
        (f"P16{name}", _round_for_card(low), "[DN] 16th percentile"),
        (f"P84{name}", _round_for_card(high), "[DN] 84th percentile"),
    ]


def _frame_cards(name: str, frame: ElectronFrame) -> list[HeaderCard]:
    cards: list[HeaderCard] = []
    letters = "GR" if name == "GREEN" else "RD"
    for number, noise in enumerate(frame.noises, start=1):
        cards.append((f"RN{name}{number}", _round_for_card(noise), "[e-] read noise"))
        cards.append((f"RNNG{letters}{number}", 1.0, "non-Gaussian read noise"))
    cards.append((f"{name}TRT", 12.0 if len(frame.noises) == 4 else 48.0, "[s] read time"))
    worst = float((frame.image[::3, ::3] / np.sqrt(frame.variance[::3, ::3])).min())
    cards.append(check_card(f"POS2DS{letters[0]}", worst > -20, "2D not strongly negative"))
    cards += _flux_cards(letters, frame.image)
    size = frame.image.shape[0]
    for number in range(1, 7):
        y, x = size * number // 8, size * (7 - number) // 8
        patch = frame.image[y : y + size // 14, x : x + size // 14]
        cards.append(
            (f"FLXREG{number}{name[0]}", _round_for_card(np.median(patch)), "[e-] of a region")
        )
    return cards


def _flux_cards(name: str, image: CCDImage) -> list[HeaderCard]:
    values = np.percentile(image[::3, ::3], [99, 90, 50, 10])
    return [
        (f"{name}2DF{percent}P", _round_for_card(value), f"[e-] {percent}th percentile")
        for percent, value in zip((99, 90, 50, 10), values, strict=True)
    ]


def _trace_flux_cards(frame: ElectronFrame, heights: Array) -> list[HeaderCard]:
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
    cards: list[HeaderCard] = []
    for name, a, b in zip(_PERCENTILES, within, beyond, strict=True):
        cards += [
            (f"FINTR{letter}{name}", _round_for_card(a), "[e-] flux inside the traces"),
            (f"FOUTR{letter}{name}", _round_for_card(b), "[e-] flux outside"),
            (f"FRATR{letter}{name}", _round_for_card(a / b if b else 0.0), "their ratio"),
        ]
    return cards


def _nan_cards(camera: Camera, spectra: Mapping[str, ExtractedSpectra]) -> Iterable[HeaderCard]:
    if camera.name not in spectra:
        return
    flux = spectra[camera.name].flux
    for index, code in enumerate(("SK", "S1", "S2", "S3", "CL")):
        bad = int(np.isnan(flux[index :: len(ORDERLETS)]).sum())
        yield f"NANL1{_LETTERS[camera.name]}{code}", bad, "NaNs in this orderlet"


def _signal_cards(spectra: Mapping[str, ExtractedSpectra]) -> list[HeaderCard]:
    """Signal-to-noise and flux ratios of the orders around five wavelengths."""
    cards: list[HeaderCard] = []
    peaks: dict[int, float] = {}
    for nanometres in _SNR_NANOMETRES:
        camera = CAMERAS[0] if nanometres < 600 else CAMERAS[1]
        if camera.name not in spectra:
            continue
        extracted = spectra[camera.name]
        row = _order_at(camera, extracted.flux.shape[1], nanometres * 10) * len(ORDERLETS)
        flux, variance = extracted.flux[row : row + 5], extracted.variance[row : row + 5]
        for code, rows in (("SC", slice(1, 4)), ("SK", slice(0, 1)), ("CL", slice(4, 5))):
            snr = flux[rows].sum(axis=0) / np.sqrt(variance[rows].sum(axis=0))
            value = _round_for_card(np.percentile(snr, 95))
            cards.append((f"SNR{code}{nanometres}", value, f"signal-to-noise near {nanometres} nm"))
        peaks[nanometres] = float(np.percentile(flux[2], 95))
        cards += _flux_ratio_cards(nanometres, flux, variance)
    if peaks.get(652):
        for nanometres in peaks:
            if nanometres != 652:
                ratio = _round_for_card(peaks[nanometres] / peaks[652])
                cards.append((f"FR{nanometres}652", ratio, "flux ratio between orders"))
    return cards


def _flux_ratio_cards(nanometres: int, flux: Array, variance: Array) -> list[HeaderCard]:
    middle = slice(flux.shape[1] * 7 // 16, flux.shape[1] * 9 // 16)
    reference = np.maximum(flux[2, middle], 1.0)
    cards: list[HeaderCard] = []
    for code, row in (("12", 1), ("32", 3), ("S2", 0), ("C2", 4)):
        ratio = flux[row, middle] / reference
        error = float(np.sqrt(np.mean(variance[row, middle])) / reference.mean())
        cards += [
            (
                f"FR{code}M{nanometres}",
                _round_for_card(np.median(ratio)),
                "flux ratio of orderlets",
            ),
            (f"FR{code}U{nanometres}", _round_for_card(error), "its uncertainty"),
        ]
    return cards


def _order_at(camera: Camera, side: int, angstroms: float) -> int:
    centres = Echelle(camera, side).centre[:: len(ORDERLETS)]
    return int(np.argmin(np.abs(centres - angstroms)))


def _wavelength_cards(camera: Camera, differences: Array) -> list[HeaderCard]:
    """Median and scatter (pixels) of the difference from the nominal solution, per row."""
    cards: list[HeaderCard] = []
    for letter, orderlet in _SOURCES.items():
        for order in range(camera.orders):
            row = differences[order * len(ORDERLETS) + ORDERLETS.index(orderlet)]
            name = f"{_LETTERS[camera.name]}{letter}{order:02d}"
            cards.append(
                (f"MEDW{name}", _round_for_card(np.median(row)), "[pixel] median(WLS - nominal)")
            )
            cards.append((f"STDW{name}", _round_for_card(np.std(row)), "[pixel] its scatter"))
    return cards


def _round_for_card(value: Any) -> float:
    """A float that fits a card; 0 for NaN."""
    number = float(f"{float(value):.7g}")
    return number if np.isfinite(number) else 0.0
