"""Small L2 files with the extensions and keywords of those of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

ORDERS = 67
CCD_CARDS = {"CCD1RV": 12.5, "CCD2RV": 12.5}


def write_l2(
    path: Path,
    cards: Mapping[str, Any],
    *,
    cameras: Sequence[str] = ("GREEN", "RED"),
    velocities: Sequence[float] | None = (12.5,) * ORDERS,
    rv_cards: Mapping[str, Any] = CCD_CARDS,
) -> Path:
    """Write an L2.

    Parameters
    ----------
    cards : of the primary header, beside DRPTAG and CCFRV; one that is None is left out
    velocities : the column RV of the table RV; None: no such extension
    """
    primary = fits.PrimaryHDU()
    for name, value in {"DRPTAG": "v2.9.1", "CCFRV": 12.5, **cards}.items():
        if value is not None:
            primary.header[name] = value
    hdus = [fits.ImageHDU(np.ones((5, 2, 4)), name=f"{camera}_CCF") for camera in cameras]
    if velocities is not None:
        names = ("orderlet1", "RV", "RV error")
        columns = [fits.Column(name, "D", array=np.array(velocities, float)) for name in names]
        table = fits.BinTableHDU.from_columns(columns, name="RV")
        table.header.update(rv_cards)
        hdus.append(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    activity = fits.BinTableHDU.from_columns([], name="ACTIVITY")
    fits.HDUList([primary, *hdus, activity]).writeto(path, overwrite=True)
    return path
