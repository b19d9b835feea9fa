"""SIMULATED slits of a multi-slit spectrograph, with calibration measures as PypeIt reports them.

The numbers come from a random generator, not from simulated light. Never for science.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SLIT_FLAGS = (
    "SHORTSLIT",
    "BOXSLIT",
    "USERIGNORE",
    "BADWVCALIB",
    "BADTILTCALIB",
    "BADALIGNCALIB",
    "SKIPFLATCALIB",
    "BADFLATCALIB",
    "BADREDUCE",
    "BADSKYSUB",
    "BADEXTRACT",
)
"""PypeIt's flags of slits, in the order of their bits."""


@dataclass(frozen=True)
class SimulatedSlit:
    """A simulated slit and the objects in it.

    Attributes
    ----------
    number : PypeIt's number, the position along the detector
    rms, coverage, flexure, median_chi, std_chi : as in `kpfnb.adap.score`; rms 0: no solution
    flags : some of SLIT_FLAGS
    objects : how each is extracted: "optimal", "box" or "none"; ":mask" is added for objects of the
        mask's design
    """

    number: int
    rms: float = 0.15
    coverage: float = 92.0
    flexure: float = 0.3
    median_chi: float = 0.01
    std_chi: float = 1.0
    flags: tuple[str, ...] = ()
    objects: tuple[str, ...] = ("optimal",)

    @property
    def mask(self) -> int:
        """The flags as bits."""
        return sum(1 << SLIT_FLAGS.index(flag) for flag in self.flags)


def simulate_detector(
    seed: Sequence[int], count: int = 8, *, worse: float = 0.0
) -> list[SimulatedSlit]:
    """The slits of one detector: most are good, some have a fault.

    worse : fraction of slits (0 to 1) with additional faults
    """
    noise = np.random.default_rng(seed)
    return [_slit(noise, 60 + 160 * position, worse) for position in range(count)]


def _slit(noise: np.random.Generator, number: int, worse: float) -> SimulatedSlit:
    draw = noise.random()
    rms = float(noise.lognormal(-1.9, 0.35)) * (3.5 if draw < 0.04 + worse else 1)
    slit = SimulatedSlit(
        number + int(noise.integers(-9, 10)),
        rms=rms,
        coverage=float(np.clip(noise.normal(93 if draw > 0.06 else 52, 4), 0, 100)),
        flexure=float(noise.normal(0.4, 0.5)),
        median_chi=float(noise.normal(0, 0.02)),
        std_chi=float(noise.normal(1.02 if draw < 0.96 else 1.9, 0.07)),
        objects=_objects(noise),
    )
    if draw > 0.985:
        return SimulatedSlit(slit.number, 0.0, 0.0, 0.0, 0.0, 0.0, ("BADWVCALIB",), ())
    return slit


def _objects(noise: np.random.Generator) -> tuple[str, ...]:
    draw = noise.random()
    if draw < 0.1:
        return ("optimal:mask",)
    return ("optimal", "box") if draw < 0.2 else ("box:mask",) if draw < 0.24 else ("optimal",)
