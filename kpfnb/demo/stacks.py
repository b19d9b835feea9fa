"""Stacks of calibration exposures in the stand-in DRP: images, uncertainties, numbers of samples.

The extensions and keywords are those of the masters that the KPF pipeline v2.12 writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.core.clock import parse_utc
from kpfnb.demo.detector import CCDImage
from kpfnb.demo.extraction import ElectronFrame

if TYPE_CHECKING:
    from astropy.io import fits

CLIPPING_SIGMAS = 5.0
"""Samples that are further from the median of their pixel are left out (ours)."""

FEW_SAMPLES = 10
"""A bit of INFOBITS is set if more than one per cent of the pixels have fewer samples."""

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)

EXTENSION_BITS = ("GREEN_CCD", "RED_CCD", "CA_HK")
"""The extensions in the order of the bits of INFOBITS."""


@dataclass(frozen=True)
class ImageStack:
    """The mean of images of one detector; per pixel its uncertainty and number of samples."""

    image: CCDImage
    uncertainty: CCDImage
    counts: CCDImage
    frames: int

    def scaled(self, factor: float) -> ImageStack:
        """The stack with its image and uncertainty multiplied by a factor."""
        scale = np.float32(factor)
        return ImageStack(
            self.image * scale, self.uncertainty * abs(scale), self.counts, self.frames
        )

    @property
    def variance(self) -> CCDImage:
        """The variance of the mean."""
        return self.uncertainty**2

    @property
    def has_few_samples(self) -> bool:
        """True if more than one per cent of the pixels have fewer than ten samples."""
        return float(np.mean(self.counts < FEW_SAMPLES)) > 0.01


@dataclass(frozen=True)
class StackSource:
    """What a stack was made of.

    Attributes
    ----------
    names : file names of the exposures
    header : the primary header of the first
    mjds : MJD-OBS of each
    """

    names: tuple[str, ...]
    header: fits.Header
    mjds: tuple[float, ...]


@dataclass(frozen=True)
class StackKind:
    """A kind of stack: IMTYPE, units of its images, what the header says it is."""

    imtype: str
    unit: str
    what: str


BIAS = StackKind("Bias", "electrons", "bias")
DARK = StackKind("Dark", "electrons/sec", "dark")
FLAT = StackKind("Flat", "Dimensionless", "flat")
ARCLAMP = StackKind("Arclamp", "electrons", "arclamp")


def stack_images(images: Sequence[CCDImage], variances: Sequence[CCDImage]) -> ImageStack:
    """The mean of images without the samples that are far from the median of their pixel."""
    pixels = np.stack(images)
    noise = np.stack(variances)
    if len(images) > 2:
        middle = np.median(pixels, axis=0)
        kept = (pixels - middle) ** 2 <= np.float32(CLIPPING_SIGMAS**2) * noise
    else:
        kept = np.ones(pixels.shape, bool)
    counts = np.maximum(kept.sum(axis=0), 1).astype(np.float32)
    mean = np.where(kept, pixels, 0).sum(axis=0, dtype=np.float32) / counts
    uncertainty = np.sqrt(np.where(kept, noise, 0).sum(axis=0, dtype=np.float32)) / counts
    return ImageStack(mean, uncertainty, counts, len(images))


def stack_frames(frames: Sequence[ElectronFrame]) -> ImageStack | None:
    """The stack of frames of one camera; None without frames."""
    if not frames:
        return None
    return stack_images([frame.image for frame in frames], [frame.variance for frame in frames])


def stack_hdus(
    kind: StackKind,
    stacks: Mapping[str, ImageStack],
    source: StackSource,
    extra: Mapping[str, str | float] | None = None,
) -> list[fits.ImageHDU]:
    """The images of stacks by extension, then their uncertainties (_UNC) and samples (_CNT)."""
    from astropy.io import fits

    bits = sum(
        2**number
        for number, name in enumerate(EXTENSION_BITS)
        if name in stacks and stacks[name].has_few_samples
    )
    images, parts = [], []
    for name, stack in stacks.items():
        image = fits.ImageHDU(stack.image.astype(float), name=name)
        image.header.extend(_stack_cards(kind, stack, source, bits))
        image.header.update(extra or {})
        for number, file_name in enumerate(source.names):
            image.header[f"INFL{number}"] = file_name
        images.append(image)
        uncertainty = fits.ImageHDU(stack.uncertainty, name=f"{name}_UNC")
        uncertainty.header["BUNIT"] = (kind.unit, f"units of the uncertainty of the {kind.what}")
        counts = fits.ImageHDU(stack.counts.astype(np.int32), name=f"{name}_CNT")
        counts.header["BUNIT"] = ("Count", "number of samples in the stack")
        parts += [uncertainty, counts]
    return [*images, *parts]


def master_header(kind: StackKind, source: StackSource, tag: str, key: str) -> fits.Header:
    """The primary header of a master: that of its first exposure, with its own IMTYPE."""
    header = source.header.copy()
    header["IMTYPE"] = (kind.imtype, f"master {kind.what}")
    header["DRPTAG"] = (tag, "version of the (stand-in) pipeline")
    header["SIMKEY"] = (key, "state of the exposures of the night")
    return header


def middle_mjd(source: StackSource) -> float:
    """The middle between the first and the last exposure."""
    return (min(source.mjds) + max(source.mjds)) / 2


def mjd_time(mjd: float) -> datetime:
    """The UTC time of a modified Julian date."""
    return MJD_EPOCH + timedelta(days=mjd)


def read_source(paths: Sequence[str], headers: Sequence[fits.Header]) -> StackSource:
    """The source of a stack from the primary headers of its exposures."""
    mjds = tuple(
        (parse_utc(header["DATE-BEG"]) - MJD_EPOCH) / timedelta(days=1) for header in headers
    )
    return StackSource(tuple(paths), headers[0], mjds)


def _stack_cards(
    kind: StackKind, stack: ImageStack, source: StackSource, bits: int
) -> list[tuple[str, str | int | float, str]]:
    middle = middle_mjd(source)
    return [
        ("BUNIT", kind.unit, f"units of the master {kind.what}"),
        ("NFRAMES", stack.frames, "number of frames in the stack"),
        ("NSIGMA", CLIPPING_SIGMAS, "number of sigmas for clipping"),
        ("MINMJD", min(source.mjds), "first MJD of the exposures"),
        ("MAXMJD", max(source.mjds), "last MJD of the exposures"),
        ("MIDMJD", middle, "middle MJD of the exposures"),
        ("DATE-MID", mjd_time(middle).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "middle time"),
        ("CREATED", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "UTC of the creation"),
        ("INFOBITS", bits, "bits explained below"),
        ("BIT00", "2**0 = 1", "GREEN_CCD: >1% of pixels with <10 samples"),
        ("BIT01", "2**1 = 2", "RED_CCD: >1% of pixels with <10 samples"),
        ("BIT02", "2**2 = 4", "CA_HK: >1% of pixels with <10 samples"),
    ]
