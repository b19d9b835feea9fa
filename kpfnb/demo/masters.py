"""The master calibrations of a night in the stand-in DRP: made from its calibration exposures.

They are stored in `masters/`. One process makes them again when the night's calibrations change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kpfnb.core.clock import parse_utc
from kpfnb.demo import detector, master_files, spectra, wavelengths
from kpfnb.demo.extraction import (
    ElectronFrame,
    ExtractedSpectra,
    assemble_counts,
    calibrate_frame,
    extract_spectra,
    fit_blaze,
    trace_orders,
)
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array, Camera, Echelle
from kpfnb.demo.master_files import CameraMaster, NightMasters, WavelengthMaster
from kpfnb.demo.plan import EXPOSURE_KINDS
from kpfnb.kpf.files.obsid import KPF

if TYPE_CHECKING:
    from astropy.io import fits

CALIBRATION_KINDS = ("bias", "flat", "lfc", "etalon", "thar")
KIND_BY_OBJECT = {
    kind.object_name: kind.name for kind in EXPOSURE_KINDS if kind.name in CALIBRATION_KINDS
}
"""The value of OBJECT to the kind of calibration, for the kinds that masters are made from."""

T = TypeVar("T")

LAMPS = {"lfc": spectra.comb_lines, "thar": spectra.thorium_lines}
"""The lamps that can calibrate wavelengths, best first."""
CAL_ORDERLET = ORDERLETS.index("CAL")


@dataclass(frozen=True)
class CalibrationExposure:
    """One calibration exposure; `state` (size and mtime) changes when the file changes."""

    path: Path
    kind: str
    middle: datetime
    state: tuple[int, int]


def list_calibrations(folder: Path, junk: frozenset[str]) -> list[CalibrationExposure]:
    """The readable calibrations in a night's raw directory without junk, in order."""
    paths = sorted(
        path for path in folder.glob("KP.*.fits") if KPF.obsid_pattern.fullmatch(path.stem)
    )
    calibrations = (_read_calibration(path) for path in paths if path.stem not in junk)
    return [calibration for calibration in calibrations if calibration]


def read_junk_list(root: Path) -> frozenset[str]:
    """The ObsIDs in the first column of the junk list; empty without a list."""
    try:
        text = (root / "reference/Junk_Observations_for_KPF.csv").read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    return frozenset(line.partition(",")[0].strip('" ') for line in text.splitlines()[2:])


def calibrations_fingerprint(calibrations: list[CalibrationExposure]) -> str:
    """A digest that changes when a calibration is added, removed or changed."""
    text = "".join(f"{c.path.name} {c.state}\n" for c in calibrations)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_calibration(path: Path) -> CalibrationExposure | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    state = (status.st_size, status.st_mtime_ns)
    kind, middle = _read_kind_and_middle(path, state)
    return CalibrationExposure(path, kind, middle, state) if kind and middle else None


@lru_cache(maxsize=10_000)
def _read_kind_and_middle(path: Path, state: tuple[int, int]) -> tuple[str, datetime | None]:
    """Kind and middle of an exposure; ('', None) if it is not a readable calibration."""
    from astropy.io import fits

    try:
        header = fits.getheader(path)
        return KIND_BY_OBJECT.get(header["OBJECT"], ""), parse_utc(header["DATE-MID"])
    except (OSError, KeyError, ValueError):
        return "", None


class NotCalibratedError(ValueError):
    """The exposures for a calibration are missing."""


def load_or_make_masters(root: Path, night: str, junk: frozenset[str]) -> NightMasters:
    """The masters of a night, made first if they are missing or out of date."""
    calibrations = list_calibrations(root / "L0" / night, junk)
    return _load_or_make(root, night, calibrations_fingerprint(calibrations), tuple(calibrations))


def remake_masters(root: Path, night: str, junk: frozenset[str]) -> NightMasters:
    """Make the masters of a night again, even if they are up to date."""
    master_files.invalidate_masters(root / "masters" / night, night)
    return load_or_make_masters(root, night, junk)


@lru_cache(maxsize=2)
def _load_or_make(
    root: Path, night: str, key: str, calibrations: tuple[CalibrationExposure, ...]
) -> NightMasters:
    from filelock import FileLock

    folder = root / "masters" / night
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".making.lock"):
        masters = master_files.load_masters(folder, night, key)
        if masters is None:
            masters = make_masters(night, key, calibrations)
            master_files.save_masters(folder, masters)
    return masters


def make_masters(night: str, key: str, calibrations: Sequence[CalibrationExposure]) -> NightMasters:
    """Stack the calibrations of each kind, and measure orders, blaze and wavelengths in them."""
    cameras = {}
    for camera in CAMERAS:
        bias = _master_bias(camera, _select_kind(calibrations, "bias"))
        cameras[camera.name] = _camera_master(camera, bias, calibrations)
    return NightMasters(night, key, tuple(c.path.name for c in calibrations), cameras)


def night_footprint(camera: Camera, master: CameraMaster) -> detector.LightFootprint:
    """The footprint of each row's light in this night."""
    if master.heights is None:
        raise NotCalibratedError("no flat among the night's exposures: the orders can't be traced")
    return _cached_footprint(camera, master.heights.tobytes(), master.heights.shape)


@lru_cache(maxsize=4)
def _cached_footprint(
    camera: Camera, heights: bytes, shape: tuple[int, int]
) -> detector.LightFootprint:
    echelle = Echelle(camera, shape[1])
    return detector.compute_footprint(echelle, np.frombuffer(heights).reshape(shape))


def _select_kind(
    calibrations: Sequence[CalibrationExposure], kind: str
) -> list[CalibrationExposure]:
    return [calibration for calibration in calibrations if calibration.kind == kind]


def _master_bias(camera: Camera, biases: list[CalibrationExposure]) -> detector.CCDImage | None:
    if not biases:
        return None
    readings = (
        _read_camera(camera, bias, lambda hdus: assemble_counts(hdus, camera)[0]) for bias in biases
    )
    images = [image for image in readings if image is not None]
    return np.mean(images, axis=0, dtype=np.float32) if images else None


def _read_camera(
    camera: Camera, calibration: CalibrationExposure, read: Callable[[fits.HDUList], T]
) -> T | None:
    """Apply `read` to a calibration; None if it has no data of the camera or can't be read."""
    from astropy.io import fits

    try:
        with fits.open(calibration.path, memmap=False) as hdus:
            return read(hdus) if f"{camera.name}_AMP1" in hdus else None
    except (OSError, TypeError, ValueError) as error:
        # astropy raises these for a truncated file
        print(f"calibration left out: {calibration.path.name}: {error}", flush=True)
        return None


def _camera_master(
    camera: Camera, bias: detector.CCDImage | None, calibrations: Sequence[CalibrationExposure]
) -> CameraMaster:
    frames = [_calibrated_frame(camera, bias, flat) for flat in _select_kind(calibrations, "flat")]
    flats = [frame for frame in frames if frame]
    if not flats:
        return CameraMaster(bias, None, None, None, None)
    image: detector.CCDImage = np.mean([frame.image for frame in flats], axis=0, dtype=np.float32)
    variance: detector.CCDImage = np.mean([f.variance for f in flats], axis=0, dtype=np.float32)
    flat = ElectronFrame(camera, image, variance / np.float32(len(flats)), flats[0].noises)
    heights = trace_orders(flat)
    without_blaze = CameraMaster(bias, flat.image, heights, None, None)
    blaze = fit_blaze(extract_spectra(flat, night_footprint(camera, without_blaze)))
    without_wavelengths = CameraMaster(bias, flat.image, heights, blaze, None)
    return CameraMaster(
        bias,
        flat.image,
        heights,
        blaze,
        _make_wavelength_master(camera, without_wavelengths, calibrations),
    )


def _calibrated_frame(
    camera: Camera, bias: detector.CCDImage | None, calibration: CalibrationExposure
) -> ElectronFrame | None:
    return _read_camera(camera, calibration, lambda hdus: calibrate_frame(hdus, camera, bias))


def _make_wavelength_master(
    camera: Camera, master: CameraMaster, calibrations: Sequence[CalibrationExposure]
) -> WavelengthMaster | None:
    """The solution from the best available lamp, its drift in time, and the etalon lines."""
    lamp = next((lamp for lamp in LAMPS if _select_kind(calibrations, lamp)), None)
    if lamp is None:
        return None
    side = _ccd_side(master)
    measured = [
        (exposure, _locate_lines(camera, master, exposure, LAMPS[lamp](side)))
        for exposure in _select_kind(calibrations, lamp)
    ]
    exposures = [exposure for exposure, lines in measured if lines]
    lines = [lines for _, lines in measured if lines]
    if not lines:
        return None
    echelle = Echelle(camera, side)
    drifts = np.array(
        [0.0, *(wavelengths.measure_drift(later, lines[0])[0] for later in lines[1:])]
    )
    solutions = np.array(
        [wavelengths.solve_displacement(echelle, centroids) for centroids in lines]
    )
    solutions[:, :, 0] -= drifts[:, None]
    times = np.array([exposure.middle.timestamp() for exposure in exposures])
    solution = WavelengthMaster(lamp, solutions.mean(axis=0), times, drifts, None, 0.0)
    return _with_etalon(camera, master, solution, _select_kind(calibrations, "etalon"))


def _with_etalon(
    camera: Camera,
    master: CameraMaster,
    solution: WavelengthMaster,
    etalons: list[CalibrationExposure],
) -> WavelengthMaster:
    """Add the etalon lines of the exposure nearest in time to a lamp exposure."""
    if not etalons:
        return solution

    def distance(etalon: CalibrationExposure) -> float:
        return float(np.abs(solution.times - etalon.middle.timestamp()).min())

    nearest = min(etalons, key=distance)
    peaks = spectra.etalon_lines(_ccd_side(master))
    lines = _locate_lines(camera, master, nearest, peaks, orderlet=CAL_ORDERLET)
    drift = np.interp(nearest.middle.timestamp(), solution.times, solution.drifts)
    return WavelengthMaster(
        solution.lamp,
        solution.displacement,
        solution.times,
        solution.drifts,
        lines,
        float(drift),
    )


def _locate_lines(
    camera: Camera,
    master: CameraMaster,
    calibration: CalibrationExposure,
    lines: spectra.LineList,
    orderlet: int | None = None,
) -> wavelengths.LineCentroids | None:
    frame = _calibrated_frame(camera, master.bias, calibration)
    if frame is None or master.blaze is None:
        return None
    extracted: ExtractedSpectra = extract_spectra(frame, night_footprint(camera, master))
    return wavelengths.locate_lines(
        frame.echelle, extracted, master.blaze, lines, orderlet=orderlet
    )


def _ccd_side(master: CameraMaster) -> int:
    heights: Array | None = master.heights
    assert heights is not None
    return heights.shape[1]
