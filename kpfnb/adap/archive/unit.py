"""What is delivered at once: a dataset, or the joint coadds of a configuration; and where to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kpfnb.adap import dataset
from kpfnb.errors import BadInput
from kpfnb.storage import Location
from kpfnb.storage import names as allowed

COADD_1D, COADD_2D = "1D_Coadd", "2D_Coadd"
JOINT = (COADD_1D, COADD_2D)
STRIPPED = (dataset.COMPLETE, "reduce")
MANIFESTS = "manifest"
"""The folder of a delivery that is no mask's."""


@dataclass(frozen=True, order=True)
class Unit:
    """A dataset (`mask/config/date`), or all that was coadded over the dates of `mask/config`."""

    name: str

    @property
    def is_joint(self) -> bool:
        """True for the joint coadds of a configuration."""
        return self.name.count("/") == 1

    @property
    def config(self) -> str:
        """`mask/config`."""
        return "/".join(self.name.split("/")[:2])

    @property
    def manifest(self) -> str:
        """Where its manifest is, below the delivery."""
        return f"{MANIFESTS}/{self.name}{'/joint' if self.is_joint else ''}.json"

    def holds(self, path: str) -> bool:
        """True for a path below its folder that is its own."""
        return not self.is_joint or path.partition("/")[0] in JOINT

    def files(self, root: Path) -> list[str]:
        """Its files below `root/<name>`, sorted; what a killed writer left is none."""
        top = root / self.name
        tops = [top / joint for joint in JOINT] if self.is_joint else [top]
        found = (path for folder in tops for path in folder.rglob("*") if path.is_file())
        paths = (path.relative_to(top).as_posix() for path in found)
        return sorted(path for path in paths if not allowed.is_unfinished(path))


def parse(name: str) -> Unit:
    """The unit of that name. `BadInput` says what is wrong with it."""
    text = name.strip().rstrip("/")
    is_joint = text.count("/") == 1
    unit = Unit(allowed.check(text) if is_joint else str(dataset.parse(text)))
    if unit.name.partition("/")[0] == MANIFESTS:
        raise BadInput(f"{name!r}: no mask may be called {MANIFESTS}", "rename its folder")
    return unit


def delivered(path: str) -> str:
    """The place of a file in its unit of the delivery: `complete` and `reduce` are left out.

    path : below the unit; `complete/reduce/setup_A/Science/x.fits` becomes `setup_A/Science/x.fits`
    """
    *folders, file = path.split("/")
    return "/".join([*(part for part in folders if part not in STRIPPED), file])


def find(root: Location) -> list[Unit]:
    """All units below a place: its datasets, and configurations that have joint coadds."""
    if root.kind() != "folder":
        return []
    paths = [one.path for one in root.list(depth=3) if one.is_folder]
    return [Unit(name) for name in [*dataset.names_of(paths), *_joint(paths)]]


def has_joint(place: Location) -> bool:
    """True where the configuration at that place has joint coadds."""
    return any(one.is_folder and one.path in JOINT for one in place.list())


def _joint(paths: Iterable[str]) -> list[str]:
    found = (path.rpartition("/") for path in paths)
    return sorted({above for above, _, name in found if name in JOINT and above.count("/") == 1})
