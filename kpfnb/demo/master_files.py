"""The files of the stand-in DRP's masters: bias, flat and wavelength solution of a night."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.core import atomic
from kpfnb.demo.detector import CCDImage
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array, Echelle
from kpfnb.demo.wavelengths import LineCentroids, row_wavelengths

if TYPE_CHECKING:
    from astropy.io import fits


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


@dataclass(frozen=True)
class CameraMaster:
    """The masters of one camera; None where the exposures are missing.

    `bias` is in DN, `flat` in electrons; `heights` (pixels) and `blaze` are (rows, side).
    """

    bias: CCDImage | None
    flat: CCDImage | None
    heights: Array | None
    blaze: Array | None
    wavelengths: WavelengthMaster | None


@dataclass(frozen=True)
class NightMasters:
    """The masters of a night; `key` is the digest of the exposures (`inputs`)."""

    night: str
    key: str
    inputs: tuple[str, ...]
    cameras: dict[str, CameraMaster]

    def file_name(self, kind: str) -> str:
        """The file name of a kind of master: bias, flat or WLS."""
        return _file_name(self.night, kind)


def save_masters(folder: Path, masters: NightMasters) -> None:
    """Write the files; the file of the wavelengths is last and completes the set."""
    from astropy.io import fits

    for kind, hdus_of in (("bias", _bias_hdus), ("flat", _flat_hdus), ("WLS", _wls_hdus)):
        header = fits.Header()
        header["CALKEY"] = (masters.key, "state of the exposures it was made from")
        header["SIMULATE"] = (True, "SIMULATED by kpfnb: never for science")
        for number, name in enumerate(masters.inputs, start=1):
            header[f"INFIL{number:03d}"] = name
        parts = [hdu for name, master in masters.cameras.items() for hdu in hdus_of(name, master)]
        hdus = fits.HDUList([fits.PrimaryHDU(header=header), *parts])
        with atomic.replace_atomically(folder / masters.file_name(kind)) as temporary:
            hdus.writeto(temporary, overwrite=True)


def load_masters(folder: Path, night: str, key: str) -> NightMasters | None:
    """The masters if all files exist and were made from exposures with this key; else None."""
    from astropy.io import fits

    paths = {kind: folder / _file_name(night, kind) for kind in ("bias", "flat", "WLS")}
    if not all(path.exists() for path in paths.values()):
        return None
    arrays: dict[str, np.ndarray] = {}
    headers: dict[str, fits.Header] = {}
    for path in paths.values():
        with fits.open(path, memmap=False) as hdus:
            arrays |= {hdu.name: _native_byte_order(hdu.data) for hdu in hdus[1:]}
            headers |= {hdu.name: hdu.header for hdu in hdus}
            if hdus[0].header["CALKEY"] != key:
                return None
    inputs = tuple(headers["PRIMARY"]["INFIL*"].values())
    cameras = {
        camera.name: CameraMaster(
            arrays.get(f"{camera.name}_BIAS"),
            arrays.get(f"{camera.name}_CCD"),
            arrays.get(f"{camera.name}_TRACE"),
            arrays.get(f"{camera.name}_BLAZE"),
            _wavelength_master(camera.name, arrays, headers),
        )
        for camera in CAMERAS
    }
    return NightMasters(night, key, inputs, cameras)


def invalidate_masters(folder: Path, night: str) -> None:
    """Delete the last file of a set, so that the masters of a night are made again."""
    (folder / _file_name(night, "WLS")).unlink(missing_ok=True)


def _wavelength_master(
    name: str, arrays: dict[str, np.ndarray], headers: dict[str, fits.Header]
) -> WavelengthMaster | None:
    if f"{name}_SOLUTION" not in arrays:
        return None
    header = headers[f"{name}_SOLUTION"]
    times, drifts = arrays[f"{name}_DRIFT"]
    return WavelengthMaster(
        header["LAMP"],
        arrays[f"{name}_SOLUTION"],
        times,
        drifts,
        _parse_centroids(arrays.get(f"{name}_ETALON")),
        header["ETADRIFT"],
    )


def _file_name(night: str, kind: str) -> str:
    source = {"bias": "autocal-bias", "flat": "autocal-flat-all", "WLS": "autocal-lfc-all"}[kind]
    return f"kpf_{night}_master_{kind}_{source}{'_L1' if kind == 'WLS' else ''}.fits"


def _bias_hdus(name: str, master: CameraMaster) -> list[fits.ImageHDU]:
    return _image_hdus({f"{name}_BIAS": master.bias})


def _flat_hdus(name: str, master: CameraMaster) -> list[fits.ImageHDU]:
    return _image_hdus(
        {f"{name}_CCD": master.flat, f"{name}_TRACE": master.heights, f"{name}_BLAZE": master.blaze}
    )


def _wls_hdus(name: str, master: CameraMaster) -> list[fits.ImageHDU]:
    solution = master.wavelengths
    if solution is None or master.heights is None:
        return []
    camera = next(camera for camera in CAMERAS if camera.name == name)
    waves = row_wavelengths(Echelle(camera, master.heights.shape[1]), solution.displacement, 0.0)
    etalon = solution.etalon
    columns = etalon and (etalon.rows, etalon.lines, etalon.nominal, etalon.measured, etalon.errors)
    hdus = _image_hdus({
        f"{name}_SOLUTION": solution.displacement,
        f"{name}_DRIFT": np.array([solution.times, solution.drifts]),
        f"{name}_ETALON": np.array(columns) if columns else None,
        **{
            f"{name}_{orderlet}_WAVE": waves[index :: len(ORDERLETS)]
            for index, orderlet in enumerate(ORDERLETS)
        },
    })  # fmt: skip
    hdus[0].header["LAMP"] = (solution.lamp, "what calibrated the wavelengths")
    hdus[0].header["ETADRIFT"] = (solution.etalon_drift, "[pixel] drift when the etalon was seen")
    return hdus


def _image_hdus(arrays: dict[str, np.ndarray | None]) -> list[fits.ImageHDU]:
    from astropy.io import fits

    return [fits.ImageHDU(a, name=name) for name, a in arrays.items() if a is not None]


def _native_byte_order(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="))


def _parse_centroids(table: np.ndarray | None) -> LineCentroids | None:
    if table is None:
        return None
    rows, lines, nominal, measured, errors = table
    return LineCentroids(rows.astype(np.int64), lines.astype(np.int64), nominal, measured, errors)
