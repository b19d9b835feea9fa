"""A unit of a remote, brought here to be delivered: all but what is known not to be."""

from __future__ import annotations

import shutil
from pathlib import Path

from kpfnb import storage
from kpfnb.adap import dataset
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import JOINT, Unit
from kpfnb.adap.coadding import remotecoadd
from kpfnb.adap.reducing import publication
from kpfnb.errors import BadInput, ServiceUnavailable
from kpfnb.storage import Location


def bring(origin: Location, unit: Unit, root: Path, rules: Rules) -> None:
    """Make `root/<unit>` here what it is on the remote, verified; what is here stays.

    Of joint coadds the spec1d files that they were made of come too, from their datasets.

    Raises
    ------
    BadInput : no such unit
    ServiceUnavailable : a file did not come, says which and why; or new results take the place of
        earlier ones just now
    """
    place = origin / unit.name
    if place.kind() != "folder":
        raise BadInput(f"no dataset {unit.name} in {origin}", "check its name")
    files = [one for one in place.list(recursive=True) if not one.is_folder]
    if staged := [one.path for one in files if _is_staged(one.path, unit)]:
        folder = staged[0].rpartition("/")[0]
        raise ServiceUnavailable(
            f"{unit.name} is being published: {folder} is there", "reduce or coadd it once more"
        )
    wanted = [one.path for one in files if _is_wanted(one.path, unit, rules)]
    if not wanted:
        raise BadInput(f"{unit.name} has nothing to deliver in {origin}", "is it reduced yet?")
    top = root / unit.name
    _drop_others(top, set(wanted))
    carried = storage.carry(place, top, only=wanted, progress=False)
    if carried.interrupted:
        raise KeyboardInterrupt
    if carried.failed:
        raise ServiceUnavailable(f"{unit.name} did not come: {carried.reason}")


def deliverable(origin: Location, unit: Unit, rules: Rules) -> dict[str, int]:
    """What is to be delivered of a unit on a remote, with sizes (bytes), by path below the unit."""
    found = (origin / unit.name).list(recursive=True)
    return {
        one.path: one.size
        for one in found
        if not one.is_folder and unit.holds(one.path) and rules.is_delivered(one.path)
    }


def drop(root: Path) -> None:
    """Remove what was brought."""
    shutil.rmtree(root, ignore_errors=True)


def _is_staged(path: str, unit: Unit) -> bool:
    """Whether a file waits, beside the earlier results, to take the place of one of them."""
    folders = path.split("/")[: 1 if unit.is_joint else 2]
    coadds = [f"{folder}{remotecoadd.STAGED}" for folder in JOINT]
    return any(one in coadds or one.startswith(publication.STAGED) for one in folders)


def _is_wanted(path: str, unit: Unit, rules: Rules) -> bool:
    if unit.holds(path):
        return not rules.is_left(path)
    return dataset.is_result(path.partition("/")[2]) and path.rpartition("/")[2].startswith(
        "spec1d_"
    )


def _drop_others(top: Path, wanted: set[str]) -> None:
    """Files of an earlier attempt that are not on the remote any more."""
    for path in top.rglob("*") if top.is_dir() else ():
        if path.is_file() and path.relative_to(top).as_posix() not in wanted:
            path.unlink()
