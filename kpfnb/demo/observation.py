"""One L0 on its way through the stand-in DRP: what is measured in it, each thing once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.demo import barycentre, masters, wavelengths
from kpfnb.demo.calibrations import junk_list, moment
from kpfnb.demo.instrument import LIGHT_SPEED, Array, Camera
from kpfnb.demo.master_files import WavelengthMaster
from kpfnb.demo.masters import CAL, NotCalibrated
from kpfnb.demo.reduction import Frame, Spectra, calibrated, cameras_of, extract
from kpfnb.demo.spectra import etalon_lines
from kpfnb.kpf.obsid import ObsID

if TYPE_CHECKING:
    from astropy.io import fits

UNCALIBRATED_DRIFT = 0.010
"""km/s: error of a drift that was only interpolated between lamp exposures."""


@dataclass(frozen=True)
class Drift:
    """How far (pixels) a camera's spectra have moved, how well that is known, and from what."""

    pixels: float
    error: float
    method: str


class Observation:
    """One L0 and what becomes of it. Nothing is computed before it is asked for."""

    def __init__(self, path: Path, l0: fits.HDUList) -> None:
        self.path, self.l0 = path, l0
        self.obsid = ObsID.parse(path)
        self.root = path.parents[2]
        self.header: fits.Header = l0[0].header
        self.middle = moment(self.header["DATE-MID"])

    @cached_property
    def junk(self) -> frozenset[str]:
        """The ObsIDs that are junk."""
        return junk_list(self.root)

    @cached_property
    def masters(self) -> masters.Masters:
        """The calibrations of the night."""
        return masters.of_night(self.root, self.path.parent.name, self.junk)

    @cached_property
    def cameras(self) -> list[Camera]:
        """The cameras that were read."""
        return cameras_of(self.l0)

    @cached_property
    def frames(self) -> dict[str, Frame]:
        """Each CCD in electrons; a bias is left as it is."""
        return {
            camera.name: calibrated(
                self.l0, camera, None if self.is_bias else self.masters.cameras[camera.name].bias
            )
            for camera in self.cameras
        }

    @property
    def is_bias(self) -> bool:
        """True for a bias."""
        return bool(self.header["IMTYPE"] == "Bias")

    @property
    def is_dark(self) -> bool:
        """True where there is no light."""
        return self.header["IMTYPE"] in ("Bias", "Dark")

    @cached_property
    def spectra(self) -> dict[str, Spectra]:
        """The orderlets of each camera, (rows, side)."""
        return {
            camera.name: extract(
                self.frames[camera.name],
                masters.footprint(camera, self.masters.cameras[camera.name]),
            )
            for camera in self.cameras
        }

    @cached_property
    def drifts(self) -> dict[str, Drift]:
        """The drift of each camera since the first lamp exposure."""
        return {camera.name: self._drift(camera) for camera in self.cameras}

    def waves(self, camera: Camera, *, edges: bool = False) -> Array:
        """Wavelengths (Å) of a camera's pixels, or of their edges, at the time of the exposure."""
        solution = self._solution(camera)
        echelle = self.frames[camera.name].echelle
        drift = self.drifts[camera.name].pixels
        return wavelengths.wavelengths(echelle, solution.displacement, drift, edges=edges)

    @cached_property
    def barycentric(self) -> float:
        """The barycentric correction (km/s); 0 for what is not on the sky."""
        if self.header["IMTYPE"] != "Object":
            return 0.0
        if self.header["TARGNAME"] == "Sun":
            return barycentre.solar_correction(self.middle)
        return barycentre.correction(self.middle, *self._coordinates)

    @cached_property
    def julian_date(self) -> float:
        """Barycentric Julian date of the middle; plain Julian date for what is not on the sky."""
        if self.header["IMTYPE"] == "Object" and self.header["TARGNAME"] != "Sun":
            return barycentre.julian_date(self.middle, *self._coordinates)
        return self.middle.timestamp() / 86400 + 2440587.5

    def blaze(self, camera: Camera) -> Array:
        """The shape of each row, from the night's flats."""
        blaze = self.masters.cameras[camera.name].blaze
        if blaze is None:
            raise NotCalibrated("no flat among the night's exposures: the blaze is unknown")
        return blaze

    def pixel_velocity(self, camera: Camera) -> float:
        """km/s a pixel."""
        side = self.frames[camera.name].image.shape[0]
        return camera.half_range * 2 / side * LIGHT_SPEED

    @property
    def _coordinates(self) -> tuple[float, float]:
        return _degrees(self.header["RA"]) * 15, _degrees(self.header["DEC"])

    def _solution(self, camera: Camera) -> WavelengthMaster:
        master = self.masters.cameras[camera.name]
        if master.heights is None:
            raise NotCalibrated("no flat among the night's exposures: the orders can't be found")
        solution = master.wavelengths
        if solution is None:
            raise NotCalibrated("no LFC or ThAr among the night's exposures: no wavelengths")
        return solution

    def _drift(self, camera: Camera) -> Drift:
        solution = self._solution(camera)
        if self.header["CAL-OBJ"] == "EtalonFiber" and solution.etalon is not None:
            lines = wavelengths.centroids(
                self.frames[camera.name].echelle,
                self.spectra[camera.name],
                self.blaze(camera),
                etalon_lines(),
                orderlet=CAL,
            )
            moved, error = wavelengths.drift(lines, solution.etalon)
            return Drift(moved + solution.etalon_drift, error, "simultaneous etalon")
        moved = float(np.interp(self.middle.timestamp(), solution.times, solution.drifts))
        error = UNCALIBRATED_DRIFT / self.pixel_velocity(camera)
        return Drift(moved, error, f"{solution.lamp} interpolated")


def _degrees(text: str) -> float:
    """12:34:56.7 as a decimal number."""
    whole, minutes, seconds = text.split(":")
    size = abs(int(whole)) + int(minutes) / 60 + float(seconds) / 3600
    return -size if text.strip().startswith("-") else size
