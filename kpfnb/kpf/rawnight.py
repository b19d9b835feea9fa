"""A night's raw files: the directory that a night or a path names."""

from __future__ import annotations

from pathlib import Path

from kpfnb import settings
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.obsid import KPF, NIGHT, nights
from kpfnb.parameters import check_night

NEAREST = 3


def choose(name: str) -> str:
    """The night that is meant; where a directory is given, its tree becomes the data root.

    Raises
    ------
    BadParameter : no such date, or a directory that is not `L0/YYYYMMDD`
    BadInput : no raw files of that night; the nearest nights are named
    """
    night = name if NIGHT.fullmatch(name) else _of_directory(Path(name))
    try:
        check_night(night)
    except ValueError as error:
        raise BadParameter(f"night: {night!r}", str(error)) from None
    root = settings.load().kpf_root
    there = nights(root)
    if night not in there:
        near = sorted(sorted(there, key=lambda one: abs(int(one) - int(night)))[:NEAREST])
        raise BadInput(
            f"no raw files of night {night}: {root / KPF.raw / night} is not there",
            f"the nearest are {', '.join(near)}" if near else "set KPFNB_DATA_ROOT",
        )
    return night


def _of_directory(folder: Path) -> str:
    place = folder.absolute()
    if not place.is_dir():
        raise BadParameter(f"night: {str(folder)!r}", "write YYYYMMDD, or an existing directory")
    if not NIGHT.fullmatch(place.name) or place.parent.name != KPF.raw:
        raise BadParameter(
            f"{folder} is not the directory of a night's raw files",
            f"it is named .../{KPF.raw}/YYYYMMDD: the products go beside {KPF.raw}",
        )
    settings.export(data_root=place.parents[1])
    return place.name
