"""The calibration exposures of a night in the stand-in DRP, and where its light falls."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kpfnb.core.clock import parse_utc
from kpfnb.demo import detector
from kpfnb.demo.instrument import ORDERLETS, Camera, Echelle
from kpfnb.demo.master_files import CameraMaster
from kpfnb.demo.night import JUNK_LIST
from kpfnb.kpf.files.exposure import read_junk_list
from kpfnb.kpf.files.obsid import KPF

CALIBRATION_KINDS = ("bias", "dark", "flat", "lfc", "etalon", "thar")
"""The kinds that masters are made from; OBJECT begins with autocal- and the kind."""

CAL_ORDERLET = ORDERLETS.index("CAL")


@dataclass(frozen=True)
class CalibrationExposure:
    """One calibration exposure; `state` (size and mtime) changes when the file changes."""

    path: Path
    kind: str
    object: str
    middle: datetime
    state: tuple[int, int]


class NotCalibratedError(ValueError):
    """The exposures for a calibration are missing."""


def list_calibrations(folder: Path, junk: frozenset[str]) -> list[CalibrationExposure]:
    """The readable calibrations in a night's raw directory without junk, in order."""
    paths = sorted(
        path for path in folder.glob("KP.*.fits") if KPF.obsid_pattern.fullmatch(path.stem)
    )
    calibrations = (_read_calibration(path) for path in paths if path.stem not in junk)
    return [calibration for calibration in calibrations if calibration]


def list_junk(root: Path, night: str) -> frozenset[str]:
    """The ObsIDs of a night in the junk list below a data root."""
    return read_junk_list(root / JUNK_LIST).for_night(night)


def calibrations_fingerprint(calibrations: list[CalibrationExposure]) -> str:
    """A digest that changes when a calibration is added, removed or changed."""
    text = "".join(f"{c.path.name} {c.state}\n" for c in calibrations)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


class _CalibrationCards(NamedTuple):
    kind: str
    object: str
    middle: datetime


def _read_calibration(path: Path) -> CalibrationExposure | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    state = (status.st_size, status.st_mtime_ns)
    cards = _read_cards(path, state)
    return CalibrationExposure(path, *cards, state) if cards else None


@lru_cache(maxsize=10_000)
def _read_cards(path: Path, state: tuple[int, int]) -> _CalibrationCards | None:
    """Kind, OBJECT and middle of an exposure; None if it is not a readable calibration."""
    from astropy.io import fits

    try:
        header = fits.getheader(path)
        name, middle = str(header["OBJECT"]), parse_utc(header["DATE-MID"])
    except (OSError, KeyError, ValueError):
        return None
    parts = name.split("-")
    if len(parts) < 2 or parts[0] != "autocal" or parts[1] not in CALIBRATION_KINDS:
        return None
    return _CalibrationCards(parts[1], name, middle)
