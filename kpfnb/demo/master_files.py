"""The masters of a night in the stand-in DRP, and how they are read from their files.

A state file is written last and completes the set; `kpfnb.demo.master_writing` writes all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kpfnb.demo import order_traces, products
from kpfnb.demo.detector import CCDImage
from kpfnb.demo.extraction import ExtractedSpectra, normalize_blaze
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array
from kpfnb.demo.wavelengths import LineCentroids

STATE_FILE = ".simulated_masters.json"


@dataclass(frozen=True)
class WavelengthMaster:
    """The wavelengths of a night in one camera.

    Attributes
    ----------
    lamp : the lamp that calibrated them
    displacement : Legendre coefficients (pixels), (rows, terms), at the time of the first exposure
    times, drifts : POSIX seconds, and pixels since the first exposure, of each lamp exposure
    etalon : the CAL orderlet's etalon lines, and `etalon_drift` (pixels) when they were seen
    """

    lamp: str
    displacement: Array
    times: Array
    drifts: Array
    etalon: LineCentroids | None
    etalon_drift: float

    def with_etalon(self, lines: LineCentroids | None, drift: float) -> WavelengthMaster:
        """The same with etalon lines."""
        return replace(self, etalon=lines, etalon_drift=drift)


@dataclass(frozen=True)
class CameraMaster:
    """The masters of one camera; None where the exposures are missing.

    `bias` is in electrons, `dark` in electrons per second; `heights` (pixels) and `blaze` are
    (rows, side).
    """

    bias: CCDImage | None = None
    dark: CCDImage | None = None
    heights: Array | None = None
    blaze: Array | None = None
    wavelengths: WavelengthMaster | None = None

    def with_values(self, **values: Any) -> CameraMaster:
        """The same with other values."""
        return replace(self, **values)

    def dark_current(self, seconds: float) -> CCDImage | None:
        """The electrons of the dark current in an exposure; None without a master dark."""
        return None if self.dark is None else self.dark * np.float32(seconds)

    @property
    def side(self) -> int:
        """Pixels along each side of the CCD."""
        assert self.heights is not None
        return self.heights.shape[1]


@dataclass(frozen=True)
class MasterSpectra:
    """The spectra of a master and their wavelengths, by camera."""

    spectra: dict[str, ExtractedSpectra]
    waves: dict[str, Array]


@dataclass(frozen=True)
class NightMasters:
    """The masters of a night.

    Attributes
    ----------
    tag : version of the pipeline that made them
    files : base names of the files
    solutions : names of the wavelength solutions, and the POSIX time of each
    """

    night: str
    tag: str
    files: tuple[str, ...]
    solutions: dict[str, float]
    cameras: dict[str, CameraMaster]

    def file_name(self, part: str) -> str:
        """The name of the file `kpf_<night>_<part>`; '' if there is none."""
        name = f"kpf_{self.night}_{part}"
        return name if name in self.files else ""

    def file_path(self, part: str) -> str:
        """The same with its directory, as the pipeline writes it into headers."""
        name = self.file_name(part)
        return f"/masters/{self.night}/{name}" if name else ""

    def nearest_solutions(self, time: float) -> tuple[str, str]:
        """The wavelength solutions before and after a POSIX time; the same one twice at an end."""
        names = sorted(self.solutions, key=self.solutions.__getitem__)
        if not names:
            return "", ""
        before = [name for name in names if self.solutions[name] <= time]
        after = [name for name in names if self.solutions[name] > time]
        first = before[-1] if before else after[0]
        return first, after[0] if after else first


def load_masters(folder: Path, night: str, key: str) -> NightMasters | None:
    """The masters if all files exist and were made from exposures with this key; else None."""
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if state["key"] != key or not all((folder / name).exists() for name in state["files"]):
        return None
    files = {name.removeprefix(f"kpf_{night}_"): folder / name for name in state["files"]}
    biases = _read_images(files.get("master_bias_autocal-bias.fits"), "{}_CCD")
    darks = _read_images(files.get("master_dark_autocal-dark.fits"), "{}_CCD")
    blazes = _read_blazes(files.get("smooth_lamp_L1.fits"))
    solutions = _read_solutions(folder, list(state["solutions"]))
    cameras = {}
    for camera in (camera.name for camera in CAMERAS):
        blaze, traces = blazes.get(camera), files.get(f"master_flat_{camera}_CCD.csv")
        cameras[camera] = CameraMaster(
            biases.get(camera),
            darks.get(camera),
            order_traces.read_traces(traces, blaze.shape[1], state["first_traces"][camera], night)
            if traces and blaze is not None
            else None,
            blaze,
            solutions.get(camera),
        )
    return NightMasters(night, state["tag"], tuple(state["files"]), state["solutions"], cameras)


def invalidate_masters(folder: Path) -> None:
    """Delete the state file of a set, so that the masters of a night are made again."""
    (folder / STATE_FILE).unlink(missing_ok=True)


def _read_images(path: Path | None, pattern: str) -> dict[str, CCDImage]:
    from astropy.io import fits

    if path is None:
        return {}
    with fits.open(path, memmap=False) as hdus:
        return {
            camera.name: _native_byte_order(hdus[pattern.format(camera.name)].data)
            for camera in CAMERAS
            if pattern.format(camera.name) in hdus
        }


def _read_blazes(path: Path | None) -> dict[str, Array]:
    from astropy.io import fits

    if path is None:
        return {}
    blazes = {}
    with fits.open(path, memmap=False) as hdus:
        for camera in (camera.name for camera in CAMERAS):
            rows = [
                hdus[products.spectrum_extension(camera, "FLUX", orderlet)].data
                for orderlet in ORDERLETS
            ]
            if rows[0] is not None and rows[0].size:
                lamp = np.stack(rows, axis=1).reshape(-1, rows[0].shape[1])
                blazes[camera] = normalize_blaze(_native_byte_order(lamp))
    return blazes


def _read_solutions(folder: Path, names: list[str]) -> dict[str, WavelengthMaster]:
    from astropy.io import fits

    if not names:
        return {}
    solutions = {}
    with fits.open(folder / names[0], memmap=False) as hdus:
        for camera in (camera.name for camera in CAMERAS):
            if f"SIM_{camera}_SOLUTION" not in hdus:
                continue
            hdu = hdus[f"SIM_{camera}_SOLUTION"]
            times, drifts = _native_byte_order(hdus[f"SIM_{camera}_DRIFT"].data)
            name = f"SIM_{camera}_ETALON"
            solutions[camera] = WavelengthMaster(
                hdu.header["SIMLAMP"],
                _native_byte_order(hdu.data),
                times,
                drifts,
                _parse_centroids(hdus[name].data) if name in hdus else None,
                hdu.header["SIMETADR"],
            )
    return solutions


def _native_byte_order(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="))


def _parse_centroids(table: np.ndarray) -> LineCentroids:
    rows, lines, nominal, measured, errors = _native_byte_order(table)
    return LineCentroids(rows.astype(np.int64), lines.astype(np.int64), nominal, measured, errors)
