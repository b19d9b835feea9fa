"""The files that quicklook works on: recognised by their names, and where their products go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.masters import MASTERS_DIR, MasterName, MasterType, parse_master_name
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN

MASTER = "master"
LEVELS = (*KPF.levels, MASTER)

MASTERS_PRODUCTS = "Masters"
"""The directory of the products of masters, below that of their night."""

_DIRS_BY_TYPE = {
    MasterType.BIAS: "Bias",
    MasterType.DARK: "Dark",
    MasterType.FLAT: "Flat",
    MasterType.SMOOTH_LAMP: "Flat",
    MasterType.ORDER_MASK: "Flat",
    MasterType.RECTIFICATION: "Flat",
}
_DIRS_BY_LAMP = {"lfc": "LFC", "etalon": "Etalon", "thar": "ThAr", "une": "UNe"}
"""A word in the object of an arc lamp or a wavelength solution to the directory of its products."""

_OTHER_DIR = "Other"

_AFTER_OBSERVATIONS = ".~"
"""Sorts the masters of a night after its observations."""


@dataclass(frozen=True)
class QuicklookTarget:
    """One file.

    Attributes
    ----------
    level : L0, 2D, L1, L2 or master
    night : YYYYMMDD (UT)
    name : the ObsID, or the master's name without `.fits`
    product_dir : where its products go, relative to the directory of all products
    """

    path: Path
    level: str
    night: str
    name: str
    product_dir: str

    @classmethod
    def from_path(cls, path: Path) -> QuicklookTarget:
        """The target that a path names; `InvalidInputError` if the name is not one of KPF's."""
        target = cls.from_observation(path) or cls.from_master(path)
        if target is None:
            raise InvalidInputError(
                f"{path} does not have the name of a KPF file",
                "use names such as KP.20240115.12345.67_L1.fits",
            )
        return target

    @classmethod
    def from_observation(cls, path: Path) -> QuicklookTarget | None:
        """The target of an observation's file; None for any other name."""
        match = KPF.filename_pattern.fullmatch(path.name)
        if not match:
            return None
        level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
        night, obsid = match["night"], match["obsid"]
        return cls(path, level, night, obsid, f"{night}/{obsid}")

    @classmethod
    def from_master(cls, path: Path) -> QuicklookTarget | None:
        """The target of a master that is a FITS file; None for any other name."""
        master = parse_master_name(path.name)
        if not master or path.suffix != ".fits":
            return None
        # A master is stored with the night that it is used for
        parent = path.parent.name
        night = parent if NIGHT_PATTERN.fullmatch(parent) else master.night
        product_dir = f"{night}/{MASTERS_PRODUCTS}/{_master_dir(master)}"
        return cls(path, MASTER, night, path.name.removesuffix(".fits"), product_dir)

    @property
    def key(self) -> str:
        """Its name for people."""
        return self.path.name

    @property
    def moment(self) -> str:
        """When it was taken, as its name has it: YYYYMMDD.SSSSS.ss."""
        return self.name.removeprefix("KP.")

    @property
    def sort_key(self) -> tuple[str, int, str]:
        """By time, then level."""
        moment = self.night + _AFTER_OBSERVATIONS if self.level == MASTER else self.moment
        return moment, LEVELS.index(self.level), self.name


def _master_dir(master: MasterName) -> str:
    """The directory of a master's products, as KPF's own quicklook names them."""
    if directory := _DIRS_BY_TYPE.get(master.type):
        return directory
    words = (name for word, name in _DIRS_BY_LAMP.items() if word in master.object.lower())
    return next(words, _OTHER_DIR)


def level_folder(level: str) -> str:
    """The directory of a level, below the data root."""
    return MASTERS_DIR if level == MASTER else level
