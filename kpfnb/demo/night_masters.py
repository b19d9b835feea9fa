"""The masters of a night in the stand-in DRP: made when its calibrations are new or have changed.

One process makes them, the others wait.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kpfnb.demo import master_files
from kpfnb.demo.master_files import NightMasters
from kpfnb.demo.master_making import make_masters
from kpfnb.demo.masters import CalibrationExposure, calibrations_fingerprint, list_calibrations
from kpfnb.kpf.files.masters import MASTERS_DIR
from kpfnb.kpf.files.obsid import KPF


def load_or_make_masters(root: Path, night: str, junk: frozenset[str], tag: str) -> NightMasters:
    """The masters of a night, made first (by version `tag`) if they are missing or out of date."""
    calibrations = list_calibrations(root / KPF.raw / night, junk)
    key = calibrations_fingerprint(calibrations)
    return _load_or_make(root, night, key, tuple(calibrations), tag)


def remake_masters(root: Path, night: str, junk: frozenset[str], tag: str) -> NightMasters:
    """Make the masters of a night again, even if they are up to date."""
    master_files.invalidate_masters(root / MASTERS_DIR / night)
    return load_or_make_masters(root, night, junk, tag)


@lru_cache(maxsize=2)
def _load_or_make(
    root: Path, night: str, key: str, calibrations: tuple[CalibrationExposure, ...], tag: str
) -> NightMasters:
    from filelock import FileLock

    folder = root / MASTERS_DIR / night
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".making.lock"):
        masters = master_files.load_masters(folder, night, key)
        if masters is None:
            make_masters(folder, night, key, calibrations, tag)
            masters = master_files.load_masters(folder, night, key)
            assert masters is not None
    return masters
