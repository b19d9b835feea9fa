"""Products while the DRP runs: which are new, and which may be partial?

The DRP writes a product in its final place, extension by extension. If it is killed between two
extensions, the product is a valid FITS file, newer than its L0, and would count as done forever.
So what was written in the last moments before the DRP was interrupted or killed is set aside under
another name and made again by the next run. On a busy machine one process of the DRP may stall in
the middle of a product for longer than that while others write theirs, so products that are visibly
truncated are set aside too, regardless of their age.

A marker file names the products that are being written; if a later run finds one, the earlier run
was killed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb.compute.programs import ProductSnapshot
from kpfnb.core import atomic
from kpfnb.core.fits import headers
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import ObservationCheck

SUSPECT_SECONDS = 30.0
"""A DRP hardly ever pauses this long between two extensions of one product."""

QUARANTINE_SUFFIX = ".unfinished"


ProductSignature = tuple[int, int, int]
"""Inode, size in bytes and modification time in ns; it changes when a file is written."""

NO_PRODUCT: ProductSignature = (0, 0, 0)


@dataclass
class ProductWatch:
    """The products expected of some observations, compared with those present at the beginning.

    Attributes
    ----------
    paths : observation and level to the path of the product
    before : the signature of each file when the watch began
    """

    paths: dict[tuple[ObsID, str], Path]
    before: dict[Path, ProductSignature] = field(init=False)

    def __post_init__(self) -> None:
        """Record what exists."""
        self.before = {path: product_signature(path) for path in self.paths.values()}

    @classmethod
    def for_observations(cls, checks: Iterable[ObservationCheck], root: Path) -> ProductWatch:
        """Watch all expected products of these observations."""
        return cls(
            {
                (check.obsid, level): check.obsid.path(root, level)
                for check in checks
                for level in check.expected
            }
        )

    def snapshot(self) -> ProductSnapshot:
        """The number of new products, and a hash of the state of all."""
        signatures = {path: product_signature(path) for path in self.before}
        count = sum(self._is_new(path, signature) for path, signature in signatures.items())
        return ProductSnapshot(count, hash(tuple(signatures.values())))

    def new_products(self) -> dict[tuple[ObsID, str], float]:
        """The new products with their modification times (POSIX seconds)."""
        signatures = {key: product_signature(path) for key, path in self.paths.items()}
        return {
            key: signature[2] / 1e9
            for key, signature in signatures.items()
            if self._is_new(self.paths[key], signature)
        }

    def _is_new(self, path: Path, signature: ProductSignature) -> bool:
        return signature[1] > 0 and signature != self.before[path]


def product_signature(path: Path) -> ProductSignature:
    """The state of a file, `NO_PRODUCT` if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return NO_PRODUCT
    return status.st_ino, status.st_size, status.st_mtime_ns


def write_marker(file: Path, products: Iterable[Path], *, folder: Path | None = None) -> None:
    """Record that these products may be written from now on.

    folder : all other files created there count too
    """
    states = {str(path): _modified_ns(path) for path in products}
    atomic.write_json(file, states | ({str(folder): 0} if folder else {}))


def clear_marker(file: Path) -> None:
    """Remove the marker: the DRP ended by itself, or had not written anything for long."""
    file.unlink(missing_ok=True)


def quarantine_suspects(file: Path, *, ended_now: bool = False) -> list[Path]:
    """Set aside what a killed DRP wrote last or only partly, and remove the marker.

    Returns the new paths; [] if there is no marker. Only times of the file system are compared: the
    end of the DRP is the present if it has `ended_now`, otherwise the time of the last product.
    """
    if not file.exists():
        return []
    states = {Path(path): old for path, old in atomic.read_json(file).items()}
    for folder in filter(Path.is_dir, list(states)):
        states = dict.fromkeys(folder.glob("*.fits"), states.pop(folder)) | states
    times = {path: (_modified_ns(path), old) for path, old in states.items()}
    written = {path: time for path, (time, old) in times.items() if time not in (old, 0)}
    if ended_now:
        # The clock of the file system, which may differ from this machine's
        file.touch()
    ended = _modified_ns(file) if ended_now else max(written.values(), default=0)
    since = ended - SUSPECT_SECONDS * 1e9
    suspects = [
        path for path, time in written.items() if time >= since or headers.find_defect(path)
    ]
    quarantined = [quarantine_product(path) for path in suspects]
    file.unlink()
    return quarantined


def quarantine_product(path: Path) -> Path:
    """Rename a product that is or may be broken, so that it does not count as a product."""
    return path.replace(quarantine_path(path))


def quarantine_path(path: Path) -> Path:
    """The name of a product that was set aside."""
    return path.with_name(path.name + QUARANTINE_SUFFIX)


def remove_quarantined(path: Path) -> None:
    """Remove the file that was set aside, once the product is good."""
    quarantine_path(path).unlink(missing_ok=True)


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
