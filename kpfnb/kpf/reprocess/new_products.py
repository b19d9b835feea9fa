"""Products as they are made: which are new, and are they whole?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb.compute.programs import ProductSnapshot
from kpfnb.core import atomic
from kpfnb.core.fits import headers
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import ObservationCheck

# Products that a DRP stopped in the middle may not have finished.
#
# The DRP writes a product in its place, extension by extension. One that was cut between two
# extensions is a FITS file without a flaw that anybody can see, newer than its L0, and would count as
# done for ever. So what was written in the last moments of a DRP that was interrupted or killed is
# set aside under another name, and made again by the next run. On a busy machine one process of the
# DRP may have stood still for longer than that in the middle of a product while others wrote theirs:
# what is visibly cut is set aside too, however old.
#
# A mark says which products are in work; one that is found later is that of a killed run.

SUSPECT_SECONDS = 30.0
"""Hardly a DRP pauses for so long between two extensions of one product."""

QUARANTINE_SUFFIX = ".unfinished"


def write_marker(file: Path, products: Iterable[Path], *, folder: Path | None = None) -> None:
    """Note that these products may be written from now on.

    folder : whatever else is made there is one of them
    """
    noted = {str(path): _modified_ns(path) for path in products}
    atomic.write_json(file, noted | ({str(folder): 0} if folder else {}))


def clear_marker(file: Path) -> None:
    """Take the mark away: the DRP ended by itself, or had been quiet for long."""
    file.unlink(missing_ok=True)


def quarantine_suspects(file: Path) -> list[Path]:
    """After the DRP was cut off: set aside what it wrote last or half, and take the mark away.

    Returns the new names; [] where there is no mark. No clock but the file system's is asked: the
    DRP's end is taken to be that of its last product.
    """
    if not file.exists():
        return []
    noted = {Path(path): old for path, old in atomic.read_json(file).items()}
    for folder in filter(Path.is_dir, list(noted)):
        noted = dict.fromkeys(folder.glob("*.fits"), noted.pop(folder)) | noted
    now = {path: (_modified_ns(path), old) for path, old in noted.items()}
    written = {path: moment for path, (moment, old) in now.items() if moment not in (old, 0)}
    since = max(written.values(), default=0) - SUSPECT_SECONDS * 1e9
    aside = [
        quarantine_product(path)
        for path, moment in written.items()
        if moment >= since or headers.find_defect(path)
    ]
    file.unlink()
    return aside


def quarantine_product(path: Path) -> Path:
    """Give a product that is broken, or may be, a name that nobody takes for a product's."""
    return path.replace(path.with_name(path.name + QUARANTINE_SUFFIX))


def remove_quarantined(path: Path) -> None:
    """Remove what was set aside of a product that is good now."""
    path.with_name(path.name + QUARANTINE_SUFFIX).unlink(missing_ok=True)


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


ProductSignature = tuple[int, int, int]
"""Inode, size in bytes, modification time in ns; it changes when a file is written."""

NO_PRODUCT: ProductSignature = (0, 0, 0)


@dataclass
class ProductWatch:
    """The products expected of some observations, compared with what was there at the beginning.

    Attributes
    ----------
    paths : observation and level to the product's path
    before : the signature of each file when the watch began
    """

    paths: dict[tuple[ObsID, str], Path]
    before: dict[Path, ProductSignature] = field(init=False)

    def __post_init__(self) -> None:
        """Remember what is there."""
        self.before = {path: product_signature(path) for path in self.paths.values()}

    @classmethod
    def for_observations(cls, standings: Iterable[ObservationCheck], root: Path) -> ProductWatch:
        """Watch all expected products of these observations."""
        return cls(
            {
                (standing.obsid, level): standing.obsid.path(root, level)
                for standing in standings
                for level in standing.expected
            }
        )

    def snapshot(self) -> ProductSnapshot:
        """How many products are new, and a stamp of all of them."""
        now = {path: product_signature(path) for path in self.before}
        made = sum(self._is_new(path, signature) for path, signature in now.items())
        return ProductSnapshot(made, hash(tuple(now.values())))

    def new_products(self) -> dict[tuple[ObsID, str], float]:
        """The new products with their modification times (POSIX seconds)."""
        now = {key: (path, product_signature(path)) for key, path in self.paths.items()}
        return {
            key: signature[2] / 1e9
            for key, (path, signature) in now.items()
            if self._is_new(path, signature)
        }

    def _is_new(self, path: Path, signature: ProductSignature) -> bool:
        return signature[1] > 0 and signature != self.before[path]


def product_signature(path: Path) -> ProductSignature:
    """What tells one state of a file from another."""
    try:
        found = path.stat()
    except OSError:
        return NO_PRODUCT
    return found.st_ino, found.st_size, found.st_mtime_ns
