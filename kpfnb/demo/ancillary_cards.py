"""Cards of the stand-in DRP that it measures in the tables and small images of an L0.

Guide camera, exposure meter, solar irradiance; also Moon and Sun, and the place of the orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from kpfnb.demo import ephemerides
from kpfnb.demo.header_cards import HeaderCard
from kpfnb.demo.instrument import Array, Camera, Echelle
from kpfnb.demo.observation import L0Observation

if TYPE_CHECKING:
    from astropy.io import fits

MAS_PER_PIXEL = 56.0
"""Scale of the guider."""
METER_BANDS = {"48": (445, 870), "45": (445, 551), "56": (551, 658), "67": (658, 764)}
METER_BANDS |= {"78": (764, 870)}
"""Names and limits (nm) of the exposure meter's sums."""

SEEING_V = 1.142
"""From the seeing in J+Z to that in V: their ratio of wavelengths to the power of 1/5."""

NEAR_SATURATION = 0.9 * 15830
"""ADU, of the guide camera: the pipeline's analyze_guider of v2.12."""


def ancillary_cards_2d(
    observation: L0Observation, heights: Mapping[str, Array]
) -> list[HeaderCard]:
    """Cards of the 2D: guiding, Moon and Sun, solar irradiance, offsets of the orders of flats."""
    cards: list[HeaderCard] = []
    l0 = observation.l0
    if "GUIDER_CUBE_ORIGINS" in l0:
        cards += _guiding_cards(l0["GUIDER_CUBE_ORIGINS"].data, l0["GUIDER_AVG"].data)
        moon = ephemerides.moon_separation(observation.middle, *observation.coordinates)
        cards.append(_measured_card("MOONSEP", moon, "[deg] distance from the Moon"))
    if observation.header["IMTYPE"] == "Object":
        sun = ephemerides.sun_altitude(observation.middle)
        cards.append(_measured_card("SUNALT", sun, "[deg] altitude of the Sun"))
    if "SOLAR_IRRADIANCE" in l0:
        irradiance = l0["SOLAR_IRRADIANCE"].data["PYRIRRAD"]
        cards += [
            _measured_card("DNIMEAS", irradiance.mean(), "[W/m2] direct solar irradiance"),
            _measured_card("DNIRMS", irradiance.std(), "[W/m2] its scatter"),
        ]
    for camera in observation.cameras:
        if camera.name in heights and observation.header["IMTYPE"] == "Flatlamp":
            cards += _order_offset_cards(camera, heights[camera.name])
    return cards


def ancillary_cards_l1(l0: fits.HDUList) -> list[HeaderCard]:
    """Cards of the L1: the exposure meter's sums by band, for science and sky."""
    cards: list[HeaderCard] = []
    for fibre, code in (("SCI", "SC"), ("SKY", "SK")):
        if f"EXPMETER_{fibre}" not in l0:
            continue
        table = l0[f"EXPMETER_{fibre}"].data
        sums = {float(name): table[name].sum() for name in table.names if name[0].isdigit()}
        for band, (low, high) in METER_BANDS.items():
            total = sum(value for nm, value in sums.items() if low <= nm < high)
            cards.append(
                _measured_card(f"EM{code}CT{band}", total, f"[ADU] {fibre} at {low}-{high} nm")
            )
    return cards


def _guiding_cards(table: np.ndarray, image: np.ndarray) -> list[HeaderCard]:
    """Cards of the guide camera, with the definitions of the pipeline's analyze_guider of v2.12."""
    x = (table["target_x"] - table["object1_x"]) * MAS_PER_PIXEL
    y = (table["target_y"] - table["object1_y"]) * MAS_PER_PIXEL
    # The pipeline divides by the scale in arcsec, and calls the result mas
    width = np.hypot(table["object1_a"], table["object1_b"]) / (MAS_PER_PIXEL / 1000) * 2.3548
    seeing = _moffat_radius(image) * MAS_PER_PIXEL / 1000
    peaks = table["object1_peak"]
    return [
        _measured_card("GDRXRMS", np.sqrt(np.mean(x**2)), "[mas] guiding error in x"),
        _measured_card("GDRYRMS", np.sqrt(np.mean(y**2)), "[mas] guiding error in y"),
        _measured_card("GDRRRMS", np.sqrt(np.mean(x**2 + y**2)), "[mas] guiding error"),
        _measured_card("GDRXBIAS", x.mean(), "[mas] guiding bias in x"),
        _measured_card("GDRYBIAS", y.mean(), "[mas] guiding bias in y"),
        _measured_card("GDRFWMD", np.median(width), "[mas] median width"),
        _measured_card("GDRFWSTD", width.std(), "[mas] scatter of the width"),
        _measured_card("GDRSEEJZ", seeing, "[arcsec] seeing in J+Z"),
        _measured_card("GDRSEEV", seeing * SEEING_V, "[arcsec] seeing in V"),
        _measured_card("GDRFXMD", np.median(table["object1_flux"]), "[ADU] median flux"),
        _measured_card("GDRFXSTD", table["object1_flux"].std(), "[ADU] scatter of the flux"),
        _measured_card("GDRPKMD", np.median(peaks), "[ADU] median peak"),
        _measured_card("GDRPKSTD", peaks.std(), "[ADU] scatter of the peak"),
        _measured_card("GDRFRSAT", np.mean(peaks > NEAR_SATURATION), "fraction near saturation"),
        ("GDRNSAT", int((image > NEAR_SATURATION).sum()), "pixels near saturation"),
    ]


def _moffat_radius(image: np.ndarray) -> float:
    """The radius alpha of a star with a Moffat profile of beta 2.5; pixels of a real image."""
    light = image - np.median(image)
    return float(np.sqrt(1.5 * light.sum() / (np.pi * light.max()))) * 512 / image.shape[0]


def _order_offset_cards(camera: Camera, heights: Array) -> list[HeaderCard]:
    """Cards of the offset of the orders from their nominal place."""
    offset = (heights - Echelle(camera, heights.shape[1]).traces()).mean(axis=1)
    letter = camera.name[0]
    error = offset.std() / np.sqrt(offset.size)
    return [
        _measured_card(f"XDSPDY{letter}1", offset.mean(), "[pix] orders above nominal place"),
        _measured_card(f"XDSPSY{letter}1", error, "[pix] uncertainty of that"),
    ]


def _measured_card(keyword: str, value: SupportsFloat, comment: str) -> HeaderCard:
    return (keyword, float(f"{float(value):.7g}"), comment)
