"""Small files of each level, in KPF's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.tsdb.file_reader import RV_COLUMNS, RV_ORDERS

NIGHT = "20240115"
FIRST, SECOND, THIRD = (f"KP.{NIGHT}.{seconds}.00" for seconds in ("01000", "02000", "03000"))

CARDS: dict[str, Any] = {
    "IMTYPE": "Object",
    "OBJECT": "10700",
    "SCI-OBJ": "Target",
    "GREEN": "YES",
    "RED": "YES",
    "EXPTIME": (30.5, "[s] requested exposure time"),
    "FRAMENO": 7,
    "DATE-MID": "2024-01-15T00:16:55.250000",
}
PRODUCT = {"DRPTAG": "v2.9.1", "NOTJUNK": 1}
SENSORS = (("kpfmet.TEMP", "19.25", "C"), ("kpfmet.U_GOLD", "-nan", "C"))


def header(cards: Mapping[str, Any]) -> fits.Header:
    fits_header = fits.Header()
    for name, value in cards.items():
        fits_header[name] = value
    return fits_header


def telemetry(sensors: Sequence[tuple[str, str, str]] = SENSORS) -> fits.BinTableHDU:
    names, averages, units = zip(*sensors, strict=True) if sensors else ((), (), ())
    texts = {"keyword": names, "average": averages, "stddev": averages, "units": units}
    columns = [fits.Column(name, "24A", array=np.array(texts[name], "S24")) for name in texts]
    return fits.BinTableHDU.from_columns(columns, name="TELEMETRY")


def velocities(values: Mapping[str, Any] | None = None) -> fits.BinTableHDU:
    columns = [
        fits.Column(name, "D", array=(values or {}).get(name, np.arange(RV_ORDERS) + index / 100))
        for index, name in enumerate(RV_COLUMNS)
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="RV")
    hdu.header["CCD1RV"] = (1.5, "[km/s] all orders")
    return hdu


def write(root: Path, obsid: str, level: str = "L0", *hdus: Any, **cards: Any) -> Path:
    """Write a file; a card named with __ has a - there, one of None is left out."""
    path = ObsID(obsid).path(root, level)
    path.parent.mkdir(parents=True, exist_ok=True)
    all_cards = CARDS | (PRODUCT if level != "L0" else {})
    all_cards |= {name.replace("__", "-"): value for name, value in cards.items()}
    all_cards = {name: value for name, value in all_cards.items() if value is not None}
    if not hdus:
        hdus = {"L0": (telemetry(),), "L2": (velocities(),)}.get(level, ())
    image = fits.ImageHDU(np.zeros((30, 30), np.float32), name="GREEN_AMP1")
    hdu_list = fits.HDUList([fits.PrimaryHDU(header=header(all_cards)), image, *hdus])
    hdu_list.writeto(path, overwrite=True)
    return path


def write_all(root: Path, *obsids: str, **cards: Any) -> list[Path]:
    """All four levels of some observations."""
    levels = ("L0", "2D", "L1", "L2")
    return [write(root, obsid, level, **cards) for obsid in obsids for level in levels]
