"""One L0 in the stand-in DRP: everything measured in it, each quantity once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.core.clock import parse_utc
from kpfnb.demo import ephemerides, masters, night_masters, wavelengths
from kpfnb.demo.extraction import (
    ElectronFrame,
    ExtractedSpectra,
    calibrate_frame,
    extract_spectra,
    list_cameras,
)
from kpfnb.demo.instrument import LIGHT_SPEED, Array, Camera
from kpfnb.demo.master_files import NightMasters, WavelengthMaster
from kpfnb.demo.masters import CAL_ORDERLET, NotCalibratedError, list_junk
from kpfnb.demo.spectra import etalon_lines
from kpfnb.kpf.files.obsid import ObsID

if TYPE_CHECKING:
    from astropy.io import fits

UNCALIBRATED_DRIFT = 0.010
"""km/s: error of a drift that was only interpolated between lamp exposures."""


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
        """The ObsIDs of the night's junk."""
        return list_junk(self.root, self.path.parent.name)

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
            return ephemerides.solar_correction(self.middle)
        return ephemerides.barycentric_correction(self.middle, *self.coordinates)

    @cached_property
    def julian_date(self) -> float:
        """Barycentric Julian date of the middle; Julian date for calibrations and the Sun."""
        if self.header["IMTYPE"] == "Object" and self.header["TARGNAME"] != "Sun":
            return ephemerides.barycentric_julian_date(self.middle, *self.coordinates)
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
    def coordinates(self) -> tuple[float, float]:
        """Right ascension and declination of the telescope, degrees."""
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
