"""One L0 in the stand-in DRP: everything measured in it, each quantity once.

The ancillary cards are measured in its tables: guider, exposure meter, solar irradiance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from kpfnb.core.clock import parse_utc
from kpfnb.demo import instrument, masters, night_masters, wavelengths
from kpfnb.demo.extraction import (
    ElectronFrame,
    ExtractedSpectra,
    calibrate_frame,
    extract_spectra,
    list_cameras,
)
from kpfnb.demo.header_cards import HeaderCard
from kpfnb.demo.instrument import LIGHT_SPEED, Array, Camera, Echelle
from kpfnb.demo.master_files import NightMasters, WavelengthMaster
from kpfnb.demo.masters import CAL_ORDERLET, NotCalibratedError, read_junk_list
from kpfnb.demo.spectra import etalon_lines
from kpfnb.kpf.files.obsid import ObsID

if TYPE_CHECKING:
    from astropy.io import fits

MAS_PER_PIXEL = 56.0
"""Scale of the guider."""
METER_BANDS = {"48": (445, 870), "45": (445, 551), "56": (551, 658), "67": (658, 764)}
METER_BANDS |= {"78": (764, 870)}
"""Names and limits (nm) of the exposure meter's sums."""

UNCALIBRATED_DRIFT = 0.010
"""km/s: error of a drift that was only interpolated between lamp exposures."""


def ancillary_cards_2d(
    l0: fits.HDUList, cameras: list[Camera], heights: Mapping[str, Array]
) -> list[HeaderCard]:
    """Cards of the 2D: guiding, solar irradiance, offsets of the orders."""
    cards: list[HeaderCard] = []
    if "GUIDER_CUBE_ORIGINS" in l0:
        cards += _guiding_cards(l0["GUIDER_CUBE_ORIGINS"].data)
    if "SOLAR_IRRADIANCE" in l0:
        irradiance = l0["SOLAR_IRRADIANCE"].data["PYRIRRAD"]
        cards += [
            _measured_card("DNIMEAS", irradiance.mean(), "[W/m2] direct solar irradiance"),
            _measured_card("DNIRMS", irradiance.std(), "[W/m2] its scatter"),
        ]
    for camera in cameras:
        if camera.name in heights:
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


def _guiding_cards(table: np.ndarray) -> list[HeaderCard]:
    x = (table["object1_x"] - table["target_x"]) * MAS_PER_PIXEL
    y = (table["object1_y"] - table["target_y"]) * MAS_PER_PIXEL
    width = np.hypot(table["object1_a"], table["object1_b"]) * 2.355 / np.sqrt(2) * MAS_PER_PIXEL
    return [
        _measured_card("GDRXRMS", np.sqrt(np.mean(x**2)), "[mas] guiding error in x"),
        _measured_card("GDRYRMS", np.sqrt(np.mean(y**2)), "[mas] guiding error in y"),
        _measured_card("GDRRRMS", np.sqrt(np.mean(x**2 + y**2)), "[mas] guiding error"),
        _measured_card("GDRXBIAS", x.mean(), "[mas] guiding bias in x"),
        _measured_card("GDRYBIAS", y.mean(), "[mas] guiding bias in y"),
        _measured_card("GDRFWMD", np.median(width), "[mas] median width"),
        _measured_card("GDRFWSTD", width.std(), "[mas] scatter of the width"),
        _measured_card("GDRSEEJZ", np.median(width) / 1000, "[arcsec] seeing in J+Z"),
        _measured_card("GDRSEEV", np.median(width) / 1000 * 1.14, "[arcsec] seeing in V"),
        _measured_card("GDRFXMD", np.median(table["object1_flux"]), "[ADU] median flux"),
        _measured_card("GDRFXSTD", table["object1_flux"].std(), "[ADU] scatter of the flux"),
        _measured_card("GDRPKMD", np.median(table["object1_peak"]), "[ADU] median peak"),
        _measured_card("GDRPKSTD", table["object1_peak"].std(), "[ADU] scatter of the peak"),
        _measured_card(
            "GDRFRSAT", np.mean(table["object1_peak"] > 14_000), "fraction of frames saturated"
        ),
    ]


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


@dataclass(frozen=True)
class CameraDrift:
    """The drift of a camera's spectra: pixels, error (pixels), and the method."""

    pixels: float
    error: float
    method: str


class L0Observation:
    """One L0 and the quantities measured in it, computed when they are first used."""

    def __init__(self, path: Path, l0: fits.HDUList, tag: str) -> None:
        self.path, self.l0, self.tag = path, l0, tag
        self.obsid = ObsID.parse(path)
        self.root = path.parents[2]
        self.header: fits.Header = l0[0].header
        self.middle = parse_utc(self.header["DATE-MID"])

    @cached_property
    def junk_obsids(self) -> frozenset[str]:
        """The ObsIDs in the junk list."""
        return read_junk_list(self.root)

    @cached_property
    def masters(self) -> NightMasters:
        """The calibrations of the night."""
        night = self.path.parent.name
        return night_masters.load_or_make_masters(self.root, night, self.junk_obsids, self.tag)

    @cached_property
    def cameras(self) -> list[Camera]:
        """The cameras in the L0."""
        return list_cameras(self.l0)

    @cached_property
    def frames(self) -> dict[str, ElectronFrame]:
        """Each CCD in electrons; nothing is subtracted from a bias, no dark current from a dark."""
        frames = {}
        for camera in self.cameras:
            master = self.masters.cameras[camera.name]
            bias = None if self.is_bias else master.bias
            dark = None if self.is_dark else master.dark_current(float(self.header["EXPTIME"]))
            frames[camera.name] = calibrate_frame(self.l0, camera, bias, dark)
        return frames

    @property
    def is_bias(self) -> bool:
        """True for a bias."""
        return bool(self.header["IMTYPE"] == "Bias")

    @property
    def is_dark(self) -> bool:
        """True for exposures without light."""
        return self.header["IMTYPE"] in ("Bias", "Dark")

    @cached_property
    def spectra(self) -> dict[str, ExtractedSpectra]:
        """The orderlets of each camera, (rows, side)."""
        return {
            camera.name: extract_spectra(
                self.frames[camera.name],
                masters.night_footprint(camera, self.masters.cameras[camera.name]),
            )
            for camera in self.cameras
        }

    @cached_property
    def drifts(self) -> dict[str, CameraDrift]:
        """The drift of each camera since the first lamp exposure."""
        return {camera.name: self._measure_drift(camera) for camera in self.cameras}

    def wavelengths(self, camera: Camera, *, edges: bool = False) -> Array:
        """Wavelengths (Å) of a camera's pixels, or of their edges, at the time of the exposure."""
        solution = self._wavelength_master(camera)
        echelle = self.frames[camera.name].echelle
        drift = self.drifts[camera.name].pixels
        return wavelengths.row_wavelengths(echelle, solution.displacement, drift, edges=edges)

    @cached_property
    def barycentric(self) -> float:
        """The barycentric correction (km/s); 0 for calibrations."""
        if self.header["IMTYPE"] != "Object":
            return 0.0
        if self.header["TARGNAME"] == "Sun":
            return instrument.solar_correction(self.middle)
        return instrument.barycentric_correction(self.middle, *self._coordinates)

    @cached_property
    def julian_date(self) -> float:
        """Barycentric Julian date of the middle; Julian date for calibrations and the Sun."""
        if self.header["IMTYPE"] == "Object" and self.header["TARGNAME"] != "Sun":
            return instrument.barycentric_julian_date(self.middle, *self._coordinates)
        return self.middle.timestamp() / 86400 + 2440587.5

    def blaze(self, camera: Camera) -> Array:
        """The shape of each row, from the night's flats."""
        blaze = self.masters.cameras[camera.name].blaze
        if blaze is None:
            raise NotCalibratedError("no flat among the night's exposures: the blaze is unknown")
        return blaze

    def pixel_velocity(self, camera: Camera) -> float:
        """km/s per pixel."""
        side = self.frames[camera.name].image.shape[0]
        return camera.half_range * 2 / side * LIGHT_SPEED

    @property
    def _coordinates(self) -> tuple[float, float]:
        return _parse_sexagesimal(self.header["RA"]) * 15, _parse_sexagesimal(self.header["DEC"])

    def _wavelength_master(self, camera: Camera) -> WavelengthMaster:
        master = self.masters.cameras[camera.name]
        if master.heights is None:
            raise NotCalibratedError(
                "no flat among the night's exposures: the orders can't be found"
            )
        solution = master.wavelengths
        if solution is None:
            raise NotCalibratedError("no LFC or ThAr among the night's exposures: no wavelengths")
        return solution

    def _measure_drift(self, camera: Camera) -> CameraDrift:
        solution = self._wavelength_master(camera)
        if self.header["CAL-OBJ"] == "EtalonFiber" and solution.etalon is not None:
            echelle = self.frames[camera.name].echelle
            lines = wavelengths.locate_lines(
                echelle,
                self.spectra[camera.name],
                self.blaze(camera),
                etalon_lines(echelle.side),
                orderlet=CAL_ORDERLET,
            )
            moved, error = wavelengths.measure_drift(lines, solution.etalon)
            return CameraDrift(moved + solution.etalon_drift, error, "simultaneous etalon")
        moved = float(np.interp(self.middle.timestamp(), solution.times, solution.drifts))
        error = UNCALIBRATED_DRIFT / self.pixel_velocity(camera)
        return CameraDrift(moved, error, f"{solution.lamp} interpolated")


def _parse_sexagesimal(text: str) -> float:
    """A text such as 12:34:56.7 as a decimal number."""
    degrees, minutes, seconds = text.split(":")
    size = abs(int(degrees)) + int(minutes) / 60 + float(seconds) / 3600
    return -size if text.strip().startswith("-") else size
