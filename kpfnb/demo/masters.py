"""The stand-in DRP's master calibrations of a night: made from its exposures, kept in `masters/`.

They are made anew when the night's calibrations change, by one process at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kpfnb.demo import detector, master_files, spectra, wavelengths
from kpfnb.demo.calibrations import Calibration, fingerprint, inventory
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array, Camera, Echelle
from kpfnb.demo.master_files import CameraMaster, Masters, WavelengthMaster
from kpfnb.demo.reduction import Frame, Spectra, calibrated, counts, extract, smooth_blaze, trace

if TYPE_CHECKING:
    from astropy.io import fits

T = TypeVar("T")

LAMPS = {"lfc": spectra.comb_lines, "thar": spectra.thorium_lines}
"""What can calibrate wavelengths, the best first."""
CAL = ORDERLETS.index("CAL")


class NotCalibrated(ValueError):
    """The night lacks the exposures for a calibration."""


def of_night(root: Path, night: str, junk: frozenset[str]) -> Masters:
    """The masters of a night below a data root, made if they are missing or out of date."""
    found = inventory(root / "L0" / night, junk)
    return _masters(root, night, fingerprint(found), tuple(found))


def renew(root: Path, night: str, junk: frozenset[str]) -> Masters:
    """The masters of a night, made whether they are there or not."""
    master_files.forget(root / "masters" / night, night)
    return of_night(root, night, junk)


@lru_cache(maxsize=2)
def _masters(root: Path, night: str, key: str, found: tuple[Calibration, ...]) -> Masters:
    from filelock import FileLock

    folder = root / "masters" / night
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".making.lock"):
        masters = master_files.load(folder, night, key)
        if masters is None:
            masters = make(night, key, found)
            master_files.save(folder, masters)
    return masters


def make(night: str, key: str, found: Sequence[Calibration]) -> Masters:
    """Stack the calibrations of each kind, and measure orders, blaze and wavelengths in them."""
    cameras = {}
    for camera in CAMERAS:
        bias = _master_bias(camera, _of_kind(found, "bias"))
        cameras[camera.name] = _camera_master(camera, bias, found)
    return Masters(night, key, tuple(c.path.name for c in found), cameras)


def footprint(camera: Camera, master: CameraMaster) -> detector.Footprint:
    """Where the light of each row falls on this night."""
    if master.heights is None:
        raise NotCalibrated("no flat among the night's exposures: the orders can't be traced")
    return _footprint(camera, master.heights.tobytes(), master.heights.shape)


@lru_cache(maxsize=4)
def _footprint(camera: Camera, heights: bytes, shape: tuple[int, int]) -> detector.Footprint:
    echelle = Echelle(camera, shape[1])
    return detector.footprint(echelle, np.frombuffer(heights).reshape(shape))


def _of_kind(found: Sequence[Calibration], kind: str) -> list[Calibration]:
    return [calibration for calibration in found if calibration.kind == kind]


def _master_bias(camera: Camera, biases: list[Calibration]) -> detector.Image | None:
    if not biases:
        return None
    found = (_read(camera, bias, lambda hdus: counts(hdus, camera)[0]) for bias in biases)
    images = [image for image in found if image is not None]
    return np.mean(images, axis=0, dtype=np.float32) if images else None


def _read(camera: Camera, calibration: Calibration, take: Callable[[fits.HDUList], T]) -> T | None:
    """What a calibration holds of a camera; None where that is nothing, or can't be read."""
    from astropy.io import fits

    try:
        with fits.open(calibration.path, memmap=False) as hdus:
            return take(hdus) if f"{camera.name}_AMP1" in hdus else None
    except (OSError, TypeError, ValueError) as error:
        # astropy raises any of these for a truncated file
        print(f"calibration left out: {calibration.path.name}: {error}", flush=True)
        return None


def _camera_master(
    camera: Camera, bias: detector.Image | None, found: Sequence[Calibration]
) -> CameraMaster:
    frames = [_frame(camera, bias, flat) for flat in _of_kind(found, "flat")]
    flats = [frame for frame in frames if frame]
    if not flats:
        return CameraMaster(bias, None, None, None, None)
    image: detector.Image = np.mean([frame.image for frame in flats], axis=0, dtype=np.float32)
    variance: detector.Image = np.mean([f.variance for f in flats], axis=0, dtype=np.float32)
    flat = Frame(camera, image, variance / np.float32(len(flats)), flats[0].noises)
    heights = trace(flat)
    untuned = CameraMaster(bias, flat.image, heights, None, None)
    blaze = smooth_blaze(extract(flat, footprint(camera, untuned)))
    traced = CameraMaster(bias, flat.image, heights, blaze, None)
    return CameraMaster(bias, flat.image, heights, blaze, _wavelengths(camera, traced, found))


def _frame(camera: Camera, bias: detector.Image | None, calibration: Calibration) -> Frame | None:
    return _read(camera, calibration, lambda hdus: calibrated(hdus, camera, bias))


def _wavelengths(
    camera: Camera, master: CameraMaster, found: Sequence[Calibration]
) -> WavelengthMaster | None:
    """The solution from the best lamp there is, its drift in time, and the etalon beside it."""
    lamp = next((lamp for lamp in LAMPS if _of_kind(found, lamp)), None)
    if lamp is None:
        return None
    read = [
        (exposure, _lines(camera, master, exposure, LAMPS[lamp]()))
        for exposure in _of_kind(found, lamp)
    ]
    exposures = [exposure for exposure, lines in read if lines]
    lines = [lines for _, lines in read if lines]
    if not lines:
        return None
    echelle = Echelle(camera, _side(master))
    drifts = np.array([0.0, *(wavelengths.drift(later, lines[0])[0] for later in lines[1:])])
    solutions = np.array([wavelengths.solve(echelle, each) for each in lines])
    solutions[:, :, 0] -= drifts[:, None]
    times = np.array([exposure.middle.timestamp() for exposure in exposures])
    solution = WavelengthMaster(lamp, solutions.mean(axis=0), times, drifts, None, 0.0)
    return _with_etalon(camera, master, solution, _of_kind(found, "etalon"))


def _with_etalon(
    camera: Camera, master: CameraMaster, solution: WavelengthMaster, etalons: list[Calibration]
) -> WavelengthMaster:
    """Tie the etalon to the solution where the two were seen nearest in time to each other."""
    if not etalons:
        return solution

    def distance(etalon: Calibration) -> float:
        return float(np.abs(solution.times - etalon.middle.timestamp()).min())

    nearest = min(etalons, key=distance)
    lines = _lines(camera, master, nearest, spectra.etalon_lines(), orderlet=CAL)
    drift = np.interp(nearest.middle.timestamp(), solution.times, solution.drifts)
    return WavelengthMaster(
        solution.lamp,
        solution.displacement,
        solution.times,
        solution.drifts,
        lines,
        float(drift),
    )


def _lines(
    camera: Camera,
    master: CameraMaster,
    calibration: Calibration,
    lines: spectra.Lines,
    orderlet: int | None = None,
) -> wavelengths.Centroids | None:
    frame = _frame(camera, master.bias, calibration)
    if frame is None or master.blaze is None:
        return None
    found: Spectra = extract(frame, footprint(camera, master))
    return wavelengths.centroids(frame.echelle, found, master.blaze, lines, orderlet=orderlet)


def _side(master: CameraMaster) -> int:
    heights: Array | None = master.heights
    assert heights is not None
    return heights.shape[1]
