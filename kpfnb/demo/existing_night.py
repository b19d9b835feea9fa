"""Raw files of a night that exist already: a simulation completes its own, and touches no other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kpfnb.core.errors import InvalidInputError
from kpfnb.demo.detector import ccd_side
from kpfnb.kpf.files.obsid import KPF

Options = Mapping[str, str | int | bool]


def list_existing(folder: Path, options: Options) -> set[str]:
    """The ObsIDs that the same simulation has written into a directory.

    Parameters
    ----------
    options : what the files depend on: 'seed', 'size', 'read mode', 'DRP version'

    Raises
    ------
    InvalidInputError : a file is real, or simulated otherwise
    """
    obsids = set()
    for path in sorted(folder.glob("KP.*.fits")):
        if not KPF.obsid_pattern.fullmatch(path.stem):
            continue
        found = _read_options(path)
        if found is None:
            raise InvalidInputError(
                f"{path} was not simulated by kpfnb",
                "choose another night or data root: a simulation never mixes with observations",
            )
        different = [name for name, value in options.items() if found.get(name) != value]
        if different:
            what = "by an earlier kpfnb" if not found else f"with another {', '.join(different)}"
            raise InvalidInputError(
                f"{path} was simulated {what}",
                f"use the same options, another night or root, or remove {folder}",
            )
        obsids.add(path.stem)
    return obsids


def are_headers_only(folder: Path) -> bool:
    """Whether all raw files of a directory are simulated ones without images."""
    from astropy.io import fits

    for path in folder.glob("KP.*.fits"):
        with fits.open(path) as hdus:
            if not hdus[0].header.get("SIMULATE") or any("_AMP" in hdu.name for hdu in hdus):
                return False
    return True


def _read_options(path: Path) -> Options | None:
    """The options of a simulated L0; None for any other file, empty for those of earlier times."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            header = hdus[0].header
            if not header.get("SIMULATE"):
                return None
            if "SIMFAST" not in header:
                return {}
            return {
                "seed": header["SIMSEED"],
                "size": ccd_side(hdus["GREEN_AMP1"].data),
                "read mode": header["SIMFAST"],
                "DRP version": header.get("SIMDRP", ""),
            }
    except (OSError, KeyError, ValueError):
        return None
