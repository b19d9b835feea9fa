"""The quality flags (1 or 0) in the products of the stand-in DRP, by version and kind of exposure.

The checks are those of the quality control of KPF's pipeline (v2.12), except for sizes: they hold
for the small CCDs of the demonstration too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.demo.extraction import ElectronFrame, ExtractedSpectra
from kpfnb.demo.header_layout import HeaderCard, comment_for
from kpfnb.demo.instrument import CAMERAS, FULL_SIDE, ORDERLETS, Array
from kpfnb.demo.l0_checks import check_l0, exposure_times_agree
from kpfnb.kpf.files.drp import parse_version
from kpfnb.kpf.files.exposure import source_type
from kpfnb.kpf.files.keywords import was_written
from kpfnb.kpf.files.quality_flags import read_quality_flags

if TYPE_CHECKING:
    from astropy.io import fits

HeaderValues = Mapping[str, Any]
Results = dict[str, bool]

MAX_BIAS = {"GREEN": 10.0, "RED": 10.0}
MAX_DARK = {"GREEN": 11.0, "RED": 13.0}
"""e-, mean of the CCD."""
MIN_COMB_FLUX = 4000.0
"""e-, 98th percentile of the CCD."""
MAX_COMB_SNR = 2800.0
MAX_FLAT_SNR = 1600.0
MAX_MASTER_AGE, MAX_SOLUTION_AGE = 5.0, 2.0
"""days"""
MAX_SCATTER = 5.0
"""pixels, of a wavelength solution about the reference."""
MAX_NAN = 50
LINE_HEIGHT, LINES_PER_ORDER = 1600.0, 100
"""e-; and more lines than this on a CCD of full size."""

SNR_NANOMETRES = (452, 548, 652, 747, 852)
"""Near these wavelengths the signal to noise is measured (SNRSC452 ...)."""

_DIVISIONS = {"LFC": 8, "Etalon": 4}
"""Parts of an order, each of which has to have a line."""

_FIRST_GREEN_ORDER = {"LFCLINES": 2, "LFCLINEP": 15, "ETALINES": 2}

_SMEARING = {
    "ThAr": (2.0, 1.4, 50.0, False),
    "Etalon": (1.5, 1.5, 50.0, True),
    "LFC": (1.5, 3.0, 50.0, True),
    "Flat": (3.0, 3.0, 100.0, True),
    "Star": (1.5, 1.5, 30.0, False),
    "Sun": (3.0, 3.0, 100.0, False),
}
"""Least ratio of flux inside to outside of the traces (Green, Red), flux (e-) from which on it is
judged, and whether so much flux is required."""

_AGITATOR_BROKEN = ("2.12.0rc1", "2.12.1")
"""In these versions each check runs twice, and the second run of that of the agitator fails."""


def flags_2d(
    l0: fits.HDUList,
    header: HeaderValues,
    frames: Mapping[str, ElectronFrame],
    *,
    is_junk: bool,
    tag: str,
) -> list[HeaderCard]:
    """The flags of the L0 and the 2D; `header` has the other cards of the 2D."""
    raw = check_l0(l0, is_junk=is_junk)
    if _is_between(tag, *_AGITATOR_BROKEN):
        raw["AGITOK"] = False
    images = {name: frame.image for name, frame in frames.items()}
    means = {name: float(image.mean()) for name, image in images.items()}
    results = {
        "DATAPR2D": all(camera.name in images for camera in CAMERAS),
        "CAHKPR2D": "CA_HK" in l0,
        # The pipeline fails a camera that is not there
        "POS2DSNR": all(
            camera.name in frames and _is_positive(frames[camera.name]) for camera in CAMERAS
        ),
        "LOWBIAS": all(mean <= MAX_BIAS[name] for name, mean in means.items()),
        "LOWDARK": all(mean <= MAX_DARK[name] for name, mean in means.items()),
        "LFC2DFOK": all(np.percentile(i, 98) >= MIN_COMB_FLUX for i in images.values()),
        **_check_ages(header, {"OLDBIAS": "AGEBIAS", "OLDDARK": "AGEDARK", "OLDFLAT": "AGEFLAT"}),
        "FLXSTATS": _is_sharp(header),
    }
    return [
        *_flag_cards("L0", "2D", header, raw, tag),
        *_flag_cards("2D", "2D", header, {"NOTJUNK": not is_junk, **results}, tag, is_last=True),
    ]


def flags_l1(
    header: HeaderValues,
    spectra: Mapping[str, ExtractedSpectra],
    waves: Mapping[str, Array],
    differences: Mapping[str, Array],
    tag: str,
) -> list[HeaderCard]:
    """The flags of the L1; `header` has its other cards.

    `waves` and `differences` (pixels) are by camera, (rows, side).
    """
    scatter = {
        orderlet: max(
            (
                float(np.std(rows[index :: len(ORDERLETS)], axis=1).max())
                for rows in differences.values()
            ),
            default=0.0,
        )
        for index, orderlet in enumerate(ORDERLETS)
    }
    snr = {name: _row_snr(extracted) for name, extracted in spectra.items()}
    results = {
        "NOTJUNK": bool(header.get("NOTJUNK", 1)),
        "MONOTWLS": all(bool((np.diff(rows, axis=1) <= 0).all()) for rows in waves.values()),
        "DATAPRL1": all(camera.name in spectra and camera.name in waves for camera in CAMERAS),
        "CAHKPRL1": header.get("CA_HK") == "YES",
        "WLSL1": _solutions_are_right(header),
        "LFCSAT": all(header.get(f"SNRSC{nm}", 0) < MAX_COMB_SNR for nm in SNR_NANOMETRES),
        **_check_ages(header, {"OLDTRAC": "AGETRAC", "OLDLAMP": "AGELAMP"}),
        **_check_ages(header, {"OLDWLS": "AGEWLS", "OLDWLS2": "AGEWLS2"}, MAX_SOLUTION_AGE),
        "FLATSNR": all(bool((rows < MAX_FLAT_SNR).all()) for rows in snr.values()),
        "WILDWSCI": max(scatter[name] for name in ("SCI1", "SCI2", "SCI3")) <= MAX_SCATTER,
        "WILDWSKY": scatter["SKY"] <= MAX_SCATTER,
        "WILDWCAL": scatter["CAL"] <= MAX_SCATTER,
        **_check_lines(source_type(header), spectra),
    }
    cards = _flag_cards("L1", "L1", header, results, tag, is_last=True)
    if _is_between(tag, "2.12.0rc1", "2.12.1"):
        # These versions write their check of NaN under this name
        missing = sum(int(np.isnan(extracted.flux).sum()) for extracted in spectra.values())
        cards.append(_flag_card("CLEARSKY", missing <= MAX_NAN))
    return cards


def flags_l2(header: HeaderValues, cameras: Collection[str], tag: str) -> list[HeaderCard]:
    """The flags of the L2, which has the correlation functions of these `cameras`."""
    results = {
        "NOTJUNK": bool(header.get("NOTJUNK", 1)),
        "DATAPRL2": all(camera.name in cameras for camera in CAMERAS),
        "TIMCHKL2": exposure_times_agree(header),
    }
    return _flag_cards("L2", "L2", header, results, tag, is_last=True)


def _flag_cards(
    level: str,
    product: str,
    header: HeaderValues,
    results: Results,
    tag: str,
    *,
    is_last: bool = False,
) -> list[HeaderCard]:
    """The cards of a level's flags that this version writes for this exposure into a product."""
    spectrum, cameras = source_type(header), _list_products(header)
    cards = []
    for flag in read_quality_flags().values():
        judged = flag.level == level and flag.name in results
        is_repeated = flag.name == "NOTJUNK" and flag.name in results
        if not (judged or is_repeated) or was_written(flag.name, product, tag) is False:
            continue
        if flag.applies_to(spectrum) and all(name in cameras for name in flag.products):
            cards.append(_flag_card(flag.name, results[flag.name]))
    if is_last and was_written("ISGOOD", product, tag):
        cards.append(_flag_card("ISGOOD", all(value for _, value, _ in cards)))
    return cards


def _flag_card(keyword: str, passed: bool) -> HeaderCard:
    return keyword, int(passed), f"QC: {comment_for(keyword)}"[:47]


def _list_products(header: HeaderValues) -> list[str]:
    """The data products that an exposure should have, as the flags name them."""
    names = {
        "GREEN": "Green",
        "RED": "Red",
        "CA_HK": "CaHK",
        "EXPMETER": "ExpMeter",
        "GUIDE": "Guider",
    }
    return [product for keyword, product in names.items() if header.get(keyword) == "YES"]


def _check_ages(
    header: HeaderValues, keywords: Mapping[str, str], limit: float = MAX_MASTER_AGE
) -> Results:
    """Whether files are fresh; a file without an age is not."""
    return {
        flag: keyword in header and abs(float(header[keyword])) <= limit
        for flag, keyword in keywords.items()
    }


def _is_positive(frame: ElectronFrame) -> bool:
    """Whether at most 1 % of the pixels are more than 5 sigma below 0."""
    return bool(np.mean(frame.image < -5 * np.sqrt(frame.variance)) <= 0.01)


def _is_sharp(header: HeaderValues) -> bool:
    """Whether there is more flux inside than outside of the traces."""
    if source_type(header) not in _SMEARING:
        return True
    green, red, flux, is_required = _SMEARING[source_type(header)]
    percents = {"G": ("9F", "99", "98", "95"), "R": ("99", "98", "95", "90")}
    for letter, least in (("G", green), ("R", red)):
        if f"FINTR{letter}9F" not in header:
            continue
        ratios = [abs(header[f"FRATR{letter}{percent}"]) for percent in percents[letter]]
        if header[f"FINTR{letter}9F"] <= flux:
            if is_required:
                return False
        elif max(ratios) <= least:
            return False
    return True


def _solutions_are_right(header: HeaderValues) -> bool:
    """Two different files of the UT date; the second one of the Sun is of a later date."""
    files = [str(header.get(keyword, "")) for keyword in ("WLSFILE", "WLSFILE2")]
    dates = [re.search(r"kpf_(\d{8})_", name) for name in files]
    if files[0] == files[1] or dates[0] is None or dates[1] is None:
        return False
    date = str(header["DATE-OBS"]).replace("-", "")
    is_sun = source_type(header) == "Sun"
    return dates[0][1] == date and (dates[1][1] > date if is_sun else dates[1][1] == date)


def _row_snr(extracted: ExtractedSpectra) -> Array:
    """95th percentile of the signal to noise of each row."""
    noise = np.sqrt(np.abs(extracted.variance))
    return np.percentile(extracted.flux / np.maximum(noise, 1e-9), 95, axis=1)


def _check_lines(spectrum: str, spectra: Mapping[str, ExtractedSpectra]) -> Results:
    """Whether every order of the comb or the etalon has enough lines all along it."""
    if spectrum not in _DIVISIONS:
        return {}
    lines = {
        name: np.array([_count_lines(row, _DIVISIONS[spectrum]) for row in extracted.flux])
        for name, extracted in spectra.items()
    }

    def is_complete(first: int) -> bool:
        good = []
        for name, counts in lines.items():
            least = LINES_PER_ORDER * spectra[name].flux.shape[1] / FULL_SIDE
            orders = (counts > least).reshape(-1, len(ORDERLETS))
            # The last green order of CAL and the first red one of SKY are not all on the CCD
            if name == "GREEN":
                good += [orders[first:-1, 4].all(), orders[first:, :4].all()]
            else:
                good += [orders[1:, 0].all(), orders[:, 1:].all()]
        return all(map(bool, good))

    return {flag: is_complete(first) for flag, first in _FIRST_GREEN_ORDER.items()}


def _count_lines(flux: Array, divisions: int) -> int:
    """The lines of an order; 0 if one of its parts has none."""
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(flux, height=LINE_HEIGHT, prominence=LINE_HEIGHT)
    parts = np.minimum(peaks // (flux.size // divisions), divisions - 1)
    return len(peaks) if len(set(parts)) == divisions else 0


def _is_between(tag: str, first: str, last: str) -> bool:
    version, low, high = map(parse_version, (tag, first, last))
    assert low is not None
    assert high is not None
    return version is not None and low <= version <= high
