"""Calibration exposures in the stand-in DRP: one as a calibrated frame, several as stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kpfnb.demo import stacks
from kpfnb.demo.detector import CCDImage
from kpfnb.demo.extraction import ElectronFrame, calibrate_frame
from kpfnb.demo.instrument import CAMERAS, Camera
from kpfnb.demo.master_files import CameraMaster
from kpfnb.demo.masters import CalibrationExposure
from kpfnb.demo.stacks import ImageStack, StackSource, stack_frames

if TYPE_CHECKING:
    from astropy.io import fits

T = TypeVar("T")


@dataclass(frozen=True)
class KindStacks:
    """The stacks of a kind by extension, with the noise of the first frame of each camera."""

    stacks: dict[str, ImageStack]
    noises: dict[str, tuple[float, ...]]
    source: StackSource

    def frame(self, camera: Camera) -> ElectronFrame | None:
        """The stack of a camera as a frame."""
        stack = self.stacks.get(f"{camera.name}_CCD")
        if stack is None:
            return None
        return ElectronFrame(camera, stack.image, stack.variance, self.noises[camera.name])


def stack_kind(
    exposures: list[CalibrationExposure],
    masters: Mapping[str, CameraMaster],
    ca_hk_level: CCDImage | float | None = None,
) -> KindStacks | None:
    """The stacks of some exposures; None if no frame could be read.

    `ca_hk_level` is subtracted from the Ca H&K images; without it these are not stacked.
    """
    stacked: dict[str, ImageStack] = {}
    noises: dict[str, tuple[float, ...]] = {}
    for camera in CAMERAS:
        master = masters.get(camera.name, CameraMaster())
        read = [read_calibrated_frame(camera, master, exposure) for exposure in exposures]
        frames = [frame for frame in read if frame]
        if stack := stack_frames(frames):
            stacked[f"{camera.name}_CCD"] = stack
            noises[camera.name] = frames[0].noises
    if not stacked:
        return None
    if ca_hk_level is not None and (images := _read_all(exposures, _ca_hk_image)):
        variances = [np.maximum(image, 1) for image in images]
        levelled = [np.asarray(image - ca_hk_level, np.float32) for image in images]
        stacked["CA_HK"] = stacks.stack_images(levelled, variances)
    headers = _read_all(exposures, lambda hdus: hdus[0].header.copy())
    source = stacks.read_source([exposure.path.name for exposure in exposures], headers)
    return KindStacks(stacked, noises, source)


def _ca_hk_image(hdus: fits.HDUList) -> CCDImage | None:
    return hdus["CA_HK"].data.astype(np.float32) if "CA_HK" in hdus else None


def _read_all(
    exposures: list[CalibrationExposure], read: Callable[[fits.HDUList], T | None]
) -> list[T]:
    values = (_read_exposure(exposure, read) for exposure in exposures)
    return [value for value in values if value is not None]


def _read_exposure(
    calibration: CalibrationExposure, read: Callable[[fits.HDUList], T | None]
) -> T | None:
    """Apply `read` to a calibration; None if it can't be read."""
    from astropy.io import fits

    try:
        with fits.open(calibration.path, memmap=False) as hdus:
            return read(hdus)
    except (OSError, TypeError, ValueError) as error:
        # astropy raises these for a truncated file
        print(f"calibration left out: {calibration.path.name}: {error}", flush=True)
        return None


def read_calibrated_frame(
    camera: Camera, master: CameraMaster, calibration: CalibrationExposure
) -> ElectronFrame | None:
    """A camera's frame of an exposure, calibrated with the masters that there are; or None."""

    def read(hdus: fits.HDUList) -> ElectronFrame | None:
        if f"{camera.name}_AMP1" not in hdus:
            return None
        dark = master.dark_current(float(hdus[0].header["EXPTIME"]))
        frame = calibrate_frame(hdus, camera, master.bias, dark)
        if calibration.kind != "bias":
            return frame
        # The level of a bias is no light, and has no photon noise
        variance = np.full_like(frame.image, np.mean(frame.noises) ** 2)
        return replace(frame, variance=variance)

    return _read_exposure(calibration, read)
