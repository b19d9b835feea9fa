"""SIMULATED reductions with spectra and images, to try out coadding; never for science.

They are sufficient for everything that depends on names, headers, slits and spectra; PypeIt itself
can't process them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time

from kpfnb.core import atomic

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

MASK, CONFIG = "simulated_coadd", "1200G_8800_OG550"
NIGHTS = ("2015-10-16", "2015-10-18")
PIXELS = (400, 160)
"""Spectral and spatial pixels of an image."""

_INSTRUMENTS = {
    "keck_deimos": ("DEIMOS", {"dispname": "1200G", "decker": MASK}),
    "shane_kast_blue": ("KASTb", {"dispname": "600/4310", "dichroic": "d55"}),
}


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
    return [_simulate_slit(noise, 60 + 160 * position, worse) for position in range(count)]


def _simulate_slit(noise: np.random.Generator, number: int, worse: float) -> SimulatedSlit:
    draw = noise.random()
    rms = float(noise.lognormal(-1.9, 0.35)) * (3.5 if draw < 0.04 + worse else 1)
    slit = SimulatedSlit(
        number + int(noise.integers(-9, 10)),
        rms=rms,
        coverage=float(np.clip(noise.normal(93 if draw > 0.06 else 52, 4), 0, 100)),
        flexure=float(noise.normal(0.4, 0.5)),
        median_chi=float(noise.normal(0, 0.02)),
        std_chi=float(noise.normal(1.02 if draw < 0.96 else 1.9, 0.07)),
        objects=_choose_extractions(noise),
    )
    if draw > 0.985:
        return SimulatedSlit(slit.number, 0.0, 0.0, 0.0, 0.0, 0.0, ("BADWVCALIB",), ())
    return slit


def _choose_extractions(noise: np.random.Generator) -> tuple[str, ...]:
    draw = noise.random()
    if draw < 0.1:
        return ("optimal:mask",)
    return ("optimal", "box") if draw < 0.2 else ("box:mask",) if draw < 0.24 else ("optimal",)


@dataclass(frozen=True)
class SimulatedReducedFrame:
    """A simulated reduced frame.

    Attributes
    ----------
    file : name of the raw file
    slits : positions of the slits of each detector (pixels), with one object each
    flags : PypeIt's flags by slit, such as {"DET01:40": "BADWVCALIB"}
    empty : slits without an object
    """

    file: str
    target: str = "simulated"
    kind: str = "science"
    moment: str = "2015-10-16T10:00:00.000"
    slits: Mapping[str, Sequence[int]] = field(default_factory=lambda: {"DET01": (40, 120)})
    flags: Mapping[str, str] = field(default_factory=dict)
    empty: Sequence[str] = ()

    @property
    def mjd(self) -> float:
        """The time of the exposure, as modified Julian date."""
        return float(Time(self.moment, format="isot").mjd)

    def stem(self, camera: str) -> str:
        """PypeIt's name for its products, without their kind."""
        raw = self.file.removesuffix(".gz").removesuffix(".fits")
        clean = self.target.replace(" ", "")
        return f"{raw}-{clean}_{camera}_{self.moment.replace('-', '').replace(':', '')}"


def simulate_coadd_inputs(root: Path) -> Path:
    """Write two nights of one mask, with one bad slit; existing files stay unchanged.

    Returns the directory of their configuration below `root`.
    """
    for number, night in enumerate(NIGHTS):
        folder = root / MASK / CONFIG / night / "complete" / "reduce"
        if folder.exists():
            continue
        temporary = folder.with_name(f"{atomic.TEMPORARY_PREFIX}{folder.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        frames = [
            SimulatedReducedFrame(
                f"DE.{night.replace('-', '')}.{count:05d}.fits",
                moment=f"{night}T10:{20 * count:02d}:00.000",
                slits={"MSC01": (40, 120), "MSC02": (80,)},
            )
            for count in range(2)
        ]
        write_setup(temporary, frames, "keck_deimos", seed=number)
        spec2d = f"spec2d_{frames[0].stem('DEIMOS')}.fits"
        (temporary / "bad_slits.csv").write_text(f"slit_id,spec2d\nMSC02:80,{spec2d}\n")
        temporary.rename(folder)
    return root / MASK / CONFIG


def write_setup(
    reduction: Path,
    frames: Sequence[SimulatedReducedFrame],
    spectrograph: str = "keck_deimos",
    seed: int = 0,
) -> Path:
    """Write a setup below a reduction: reduction file, log and products; its directory."""
    camera, configuration = _INSTRUMENTS[spectrograph]
    setup = reduction / f"{spectrograph}_A"
    (setup / "Science").mkdir(parents=True, exist_ok=True)
    rows = [
        f"{frame.file} | {frame.kind} | {frame.target} | {frame.mjd} | 1200.0" for frame in frames
    ]
    values = [f"  {key}: {value}" for key, value in configuration.items()]
    lines = ["[rdx]", f"  spectrograph = {spectrograph}", "", "setup read", "Setup A:", *values]
    lines += ["setup end", "", "data read", f" path {reduction.with_name('raw')}"]
    lines += ["filename | frametype | target | mjd | exptime", *rows, "data end", ""]
    (setup / f"{setup.name}.pypeit").write_text("\n".join(lines))
    detectors = max(len(frame.slits) for frame in frames)
    messages = f"Detectors to work on: {list(range(1, detectors + 1))}", "Execution time: 1m 2.50s"
    log = [f"    INFO | 2026-01-31 12:00:00 | pypeit.py:main:12 | {text}" for text in messages]
    (setup / f"{setup.name}.log").write_text("\n".join([*log, ""]))
    noise = np.random.default_rng(seed)
    for frame in frames:
        stem = frame.stem(camera)
        header = _primary_header(frame, spectrograph, configuration)
        for kind, make in (("spec2d", _make_spec2d), ("spec1d", _make_spec1d)):
            path = setup / "Science" / f"{kind}_{stem}.fits"
            make(frame, header.copy(), noise).writeto(path, overwrite=True)
    return setup


def _primary_header(
    frame: SimulatedReducedFrame, spectrograph: str, configuration: Mapping[str, str]
) -> fits.Header:
    header = fits.Header({"FILENAME": frame.file, "TARGET": frame.target, "PYP_SPEC": spectrograph})
    header["MJD"], header["HIERARCH FRAMETYPE"] = frame.mjd, frame.kind
    header["SIMULATE"] = (True, "simulated, never for science")
    for key, value in configuration.items():
        header[key.upper()] = value
    return header


def _make_spec1d(
    frame: SimulatedReducedFrame, header: fits.Header, noise: np.random.Generator
) -> fits.HDUList:
    hdus: list[Any] = [fits.PrimaryHDU(header=header)]
    for detector, positions in frame.slits.items():
        for position in positions:
            if f"{detector}:{position}" in frame.empty:
                continue
            hdus.append(_object_hdu(detector, position, noise))
            header[f"EXT{len(hdus) - 2:04d}"] = hdus[-1].name
    header["NSPEC"] = len(hdus) - 1
    return fits.HDUList(hdus)


def _object_hdu(detector: str, position: int, noise: np.random.Generator) -> fits.BinTableHDU:
    wavelength = np.linspace(6500, 9100, PIXELS[0])
    line = 150 * np.exp(-0.5 * ((wavelength - 7800 - position) / 6) ** 2)
    flux = 100 + line + noise.normal(0, 10, PIXELS[0])
    columns = []
    for prefix in ("OPT", "BOX"):
        arrays = {"WAVE": wavelength, "COUNTS": flux, "COUNTS_SIG": np.full(PIXELS[0], 10.0)}
        columns += [fits.Column(f"{prefix}_{key}", "D", array=it) for key, it in arrays.items()]
        columns.append(fits.Column(f"{prefix}_MASK", "L", array=np.ones(PIXELS[0], bool)))
    table = fits.BinTableHDU.from_columns(columns)
    table.name = f"SPAT{position + 1:04d}-SLIT{position:04d}-{detector}"
    table.header["DMODCLS"], table.header["S2N"] = "SpecObj", 10.0
    table.header["DET"], table.header["SLITID"] = detector, position
    table.header["HIERARCH SPAT_PIXPOS"] = position + 1.0
    return table


def _make_spec2d(
    frame: SimulatedReducedFrame, header: fits.Header, noise: np.random.Generator
) -> fits.HDUList:
    header["HIERARCH ALLSPEC2D_DETS"] = ",".join(frame.slits)
    hdus: list[Any] = [fits.PrimaryHDU(header=header)]
    for detector, positions in frame.slits.items():
        sky = np.full(PIXELS, 50, "f4")
        image = sky + noise.normal(0, 5, PIXELS)
        for position in positions:
            image += 60 * np.exp(-0.5 * ((np.arange(PIXELS[1]) - position) / 2) ** 2)
        planes = {"SCIIMG": image.astype("f4"), "SKYMODEL": sky, "BPMMASK": np.zeros(PIXELS, "i2")}
        hdus += [fits.ImageHDU(data, name=f"{detector}-{key}") for key, data in planes.items()]
        hdus.append(_slits_hdu(frame, detector, positions))
    for number, hdu in enumerate(hdus[1:]):
        header[f"EXT{number + 1:04d}"] = hdu.name
    return fits.HDUList(hdus)


def _slits_hdu(
    frame: SimulatedReducedFrame, detector: str, positions: Sequence[int]
) -> fits.BinTableHDU:
    flags = [frame.flags.get(f"{detector}:{position}", "") for position in positions]
    masks = [1 << SLIT_FLAGS.index(flag) if flag else 0 for flag in flags]
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("spat_id", "K", array=np.array(positions)),
            fits.Column("mask", "I", array=np.array(masks)),
        ],
        name=f"{detector}-SLITS",
    )
    for number, bit in enumerate(SLIT_FLAGS):
        table.header[f"BIT{number:02d}"] = bit
    return table
