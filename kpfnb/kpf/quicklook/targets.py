"""The files that quicklook works on: recognised by their names, and where their products go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN

MASTER = "master"
LEVELS = (*KPF.levels, MASTER)

MASTERS_DIR = "masters"
"""The directory of the masters, below the data root."""

MASTERS_PRODUCTS = "Masters"
"""The directory of the products of masters, below that of their night."""

MASTER_KINDS = {
    "lfc": "LFC",
    "etalon": "Etalon",
    "thar": "ThAr",
    "une": "UNe",
    "bias": "Bias",
    "dark": "Dark",
    "flat": "Flat",
}
"""A word in a master's name to the directory of its products."""

_MASTER_NAME = re.compile(
    rf"kpf_(?P<night>\d{{8}})_master_.*?(?P<word>{'|'.join(MASTER_KINDS)}).*\.fits", re.IGNORECASE
)
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
        """The target of a master; None for any other name."""
        match = _MASTER_NAME.fullmatch(path.name)
        if not match:
            return None
        # A master is stored with the night that it is used for
        parent = path.parent.name
        night = parent if NIGHT_PATTERN.fullmatch(parent) else match["night"]
        kind = MASTER_KINDS[match["word"].lower()]
        product_dir = f"{night}/{MASTERS_PRODUCTS}/{kind}"
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


def level_folder(level: str) -> str:
    """The directory of a level, below the data root."""
    return MASTERS_DIR if level == MASTER else level
