"""The SIMULATED CCDs: from light in the orderlets to amplifiers with bias and overscan, and back.

Each amplifier reads its part of the CCD towards its own corner: AMP1 the left, AMP2 the right half;
in the fast mode AMP3 and AMP4 read the upper halves of the same sides. An amplifier's image has a
prescan before and an overscan after the columns, and overscan rows at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kpfnb.demo.instrument import DEMO_SIDE, FULL_SIDE, Array, Camera, Echelle

Image = NDArray[np.float32]

BIAS_LEVELS = (1210.0, 1185.0, 1232.0, 1169.0)
"""DN, of each amplifier."""


@dataclass(frozen=True)
class Margins:
    """Pixels of an amplifier's image that see no light."""

    prescan: int
    overscan: int
    rows: int

    @property
    def width(self) -> int:
        """Columns beyond those of the CCD."""
        return self.prescan + self.overscan

    @classmethod
    def of_side(cls, side: int) -> Margins:
        """4, 50 and 30 on the real CCD; smaller on a scaled one."""
        return cls(4, 50, 30) if side == FULL_SIDE else cls(4, 10, 6)


Footprint = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Flat pixel indices, and the shares of a row's light there: both (rows, pixels across, side)."""


def footprint(echelle: Echelle, middle: Array) -> Footprint:
    """Where the light of each row falls whose middle is at the heights (rows, side).

    A row that leaves the CCD has its share cut to 0.
    """
    reach = int(np.ceil(4.2 * echelle.slit_sigma))
    low = np.rint(middle)[:, None, :] + np.arange(-reach, reach + 1)[None, :, None]
    edges = np.concatenate([low - 0.5, low[:, -1:] + 0.5], axis=1) - middle[:, None, :]
    share = np.diff(ndtr(edges.astype(np.float32) / np.float32(echelle.slit_sigma)), axis=1)
    inside = (low >= 0) & (low < echelle.side)
    cells = np.clip(low, 0, echelle.side - 1) * echelle.side + np.arange(echelle.side)
    return cells.astype(np.int32), np.where(inside, share, 0).astype(np.float32)


def expose(echelle: Echelle, light: Array, height: float) -> Image:
    """The image (electrons) of light (electrons a pixel, (rows, side)) in the orderlets."""
    return paint(_true_footprint(echelle, height), light)


def paint(where: Footprint, light: Array) -> Image:
    """The image of light (electrons a pixel, (rows, side)) that falls on a footprint."""
    cells, share = where
    side = light.shape[1]
    painted = np.bincount(cells.ravel(), (share * light[:, None, :]).ravel(), minlength=side**2)
    return painted.reshape(side, side).astype(np.float32)


def read_out(
    camera: Camera, electrons: Image, random: np.random.Generator, *, fast: bool
) -> list[Image]:
    """What the amplifiers write (DN): photon noise, gain, bias with its pattern, read noise."""
    side = electrons.shape[0]
    margins = Margins.of_side(side)
    photons = random.standard_normal(electrons.shape, dtype=np.float32) * np.sqrt(electrons)
    counts = (electrons + photons) / np.float32(camera.gain) + bias_pattern(camera, side)
    amplifiers = []
    for number, part in enumerate(_parts(counts.astype(np.float32), fast=fast)):
        rows, columns = part.shape
        shape = (rows + margins.rows, margins.prescan + columns + margins.overscan)
        noise = random.standard_normal(shape, dtype=np.float32) * np.float32(
            camera.read_noise / camera.gain
        )
        noise += np.float32(BIAS_LEVELS[number] + random.normal(0, 1.5))
        noise[:rows, margins.prescan : margins.prescan + columns] += part
        amplifiers.append(noise)
    return amplifiers


def side_of(amplifier: Image) -> int:
    """The side (pixels) of the CCD that an amplifier belongs to."""
    columns = amplifier.shape[1]
    for side in (DEMO_SIDE, FULL_SIDE):
        if columns == side // 2 + Margins.of_side(side).width:
            return side
    raise ValueError(f"an amplifier of {columns} columns is not one of KPF's")


def assemble(amplifiers: list[Image], side: int) -> tuple[Image, list[float]]:
    """The CCD (DN, overscan subtracted) from its amplifiers, and each one's noise (DN)."""
    margins = Margins.of_side(side)
    image = np.empty((side, side), np.float32)
    noises = []
    for part, raw in zip(_parts(image, fast=len(amplifiers) == 4), amplifiers, strict=True):
        rows, columns = part.shape
        overscan = raw[:, margins.prescan + columns + 1 :]
        noises.append(float(1.4826 * np.median(np.abs(overscan - np.median(overscan)))))
        lit = raw[:rows, margins.prescan : margins.prescan + columns]
        part[...] = lit - np.float32(np.mean(overscan, dtype=np.float64))
    return image, noises


@cache
def bias_pattern(camera: Camera, side: int) -> Image:
    """What a bias shows beyond its level, DN: a slope towards the corners, and faint columns."""
    random = np.random.default_rng([7, camera.bluest])
    x = np.linspace(-1, 1, side, dtype=np.float32)
    columns = random.normal(0, 0.6, side).astype(np.float32)
    return 3 * x[None, :] ** 2 + 2 * x[:, None] ** 2 + columns[None, :]


@cache
def _true_footprint(echelle: Echelle, height: float) -> Footprint:
    return footprint(echelle, echelle.traces() + height)


def _parts(image: Image, *, fast: bool) -> list[Image]:
    """Views of the image as each amplifier reads it, its own corner first."""
    half = image.shape[0] // 2
    sides = [image[:, :half], image[:, half:][:, ::-1]]
    if not fast:
        return sides
    return [side[:half] for side in sides] + [side[half:][::-1] for side in sides]
