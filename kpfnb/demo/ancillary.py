"""Cards that the stand-in DRP takes from beside the spectra: guider, exposure meter, Sun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from kpfnb.demo.cards import Card
from kpfnb.demo.instrument import Array, Camera, Echelle

if TYPE_CHECKING:
    from astropy.io import fits

MAS_A_PIXEL = 56.0
"""Scale of the guider."""
METER_BANDS = {"48": (445, 870), "45": (445, 551), "56": (551, 658), "67": (658, 764)}
METER_BANDS |= {"78": (764, 870)}
"""Names and limits (nm) of the exposure meter's sums."""


def cards_2d(l0: fits.HDUList, cameras: list[Camera], heights: Mapping[str, Array]) -> list[Card]:
    """Guiding, sunshine, and where the orders are."""
    cards: list[Card] = []
    if "GUIDER_CUBE_ORIGINS" in l0:
        cards += _guiding(l0["GUIDER_CUBE_ORIGINS"].data)
    if "SOLAR_IRRADIANCE" in l0:
        irradiance = l0["SOLAR_IRRADIANCE"].data["irradiance"]
        cards += [
            _card("DNIMEAS", irradiance.mean(), "[W/m2] direct solar irradiance"),
            _card("DNIRMS", irradiance.std(), "[W/m2] its scatter"),
        ]
    for camera in cameras:
        if camera.name in heights:
            cards += _offsets(camera, heights[camera.name])
    return cards


def cards_l1(l0: fits.HDUList) -> list[Card]:
    """The exposure meter's sums by band, of science and sky."""
    cards: list[Card] = []
    for fibre, code in (("SCI", "SC"), ("SKY", "SK")):
        if f"EXPMETER_{fibre}" not in l0:
            continue
        table = l0[f"EXPMETER_{fibre}"].data
        sums = {float(name): table[name].sum() for name in table.names if name[0].isdigit()}
        for band, (low, high) in METER_BANDS.items():
            total = sum(value for nm, value in sums.items() if low <= nm < high)
            cards.append(_card(f"EM{code}CT{band}", total, f"[ADU] {fibre} at {low}-{high} nm"))
    return cards


def _guiding(table: np.ndarray) -> list[Card]:
    x = (table["object1_x"] - table["target_x"]) * MAS_A_PIXEL
    y = (table["object1_y"] - table["target_y"]) * MAS_A_PIXEL
    width = np.hypot(table["object1_a"], table["object1_b"]) * 2.355 / np.sqrt(2) * MAS_A_PIXEL
    return [
        _card("GDRXRMS", np.sqrt(np.mean(x**2)), "[mas] guiding error in x"),
        _card("GDRYRMS", np.sqrt(np.mean(y**2)), "[mas] guiding error in y"),
        _card("GDRRRMS", np.sqrt(np.mean(x**2 + y**2)), "[mas] guiding error"),
        _card("GDRXBIAS", x.mean(), "[mas] guiding bias in x"),
        _card("GDRYBIAS", y.mean(), "[mas] guiding bias in y"),
        _card("GDRFWMD", np.median(width), "[mas] median width"),
        _card("GDRFWSTD", width.std(), "[mas] scatter of the width"),
        _card("GDRSEEJZ", np.median(width) / 1000, "[arcsec] seeing in J+Z"),
        _card("GDRSEEV", np.median(width) / 1000 * 1.14, "[arcsec] seeing in V"),
        _card("GDRFXMD", np.median(table["object1_flux"]), "[ADU] median flux"),
        _card("GDRFXSTD", table["object1_flux"].std(), "[ADU] scatter of the flux"),
        _card("GDRPKMD", np.median(table["object1_peak"]), "[ADU] median peak"),
        _card("GDRPKSTD", table["object1_peak"].std(), "[ADU] scatter of the peak"),
        _card("GDRFRSAT", np.mean(table["object1_peak"] > 14_000), "fraction of frames saturated"),
    ]


def _offsets(camera: Camera, heights: Array) -> list[Card]:
    """How far the orders are from their nominal place."""
    offset = heights - Echelle(camera, heights.shape[1]).traces()
    letter = camera.name[0]
    cards = [
        _card(f"XDSPDY{letter}1", offset.mean(), "[pixel] orders above their nominal place"),
        _card(f"XDSPSY{letter}1", offset.std(), "[pixel] scatter of that"),
    ]
    # By parts of the CCD, the bluest orders first
    for number, part in enumerate(np.array_split(offset, 8), start=1):
        cards.append(_card(f"XDSPP{number}{letter}", part.mean(), "[pixel] the same, of an eighth"))
    return cards


def _card(keyword: str, value: SupportsFloat, comment: str) -> Card:
    return (keyword, float(f"{float(value):.7g}"), comment)
