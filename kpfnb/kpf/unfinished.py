"""Products that a DRP stopped in the middle may not have finished.

The DRP writes a product in its place, extension by extension. One that was cut between two
extensions is a FITS file without a flaw that anybody can see, newer than its L0, and would count as
done for ever. So what was written in the last moments of a DRP that was interrupted or killed is
set aside under another name, and made again by the next run. On a busy machine one process of the
DRP may have stood still for longer than that in the middle of a product while others wrote theirs:
what is visibly cut is set aside too, however old.

A mark says which products are in work; one that is found later is that of a killed run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kpfnb import files, fitsheader

SUSPECT_SECONDS = 30.0
"""Hardly a DRP pauses for so long between two extensions of one product."""

SUFFIX = ".unfinished"


def mark(file: Path, products: Iterable[Path], *, folder: Path | None = None) -> None:
    """Note that these products may be written from now on.

    folder : whatever else is made there is one of them
    """
    noted = {str(path): _modified_ns(path) for path in products}
    files.write_json(file, noted | ({str(folder): 0} if folder else {}))


def clear(file: Path) -> None:
    """Take the mark away: the DRP ended by itself, or had been quiet for long."""
    file.unlink(missing_ok=True)


def distrust(file: Path) -> list[Path]:
    """After the DRP was cut off: set aside what it wrote last or half, and take the mark away.

    Returns the new names; [] where there is no mark. No clock but the file system's is asked: the
    DRP's end is taken to be that of its last product.
    """
    if not file.exists():
        return []
    noted = {Path(path): old for path, old in files.read_json(file).items()}
    for folder in filter(Path.is_dir, list(noted)):
        noted = dict.fromkeys(folder.glob("*.fits"), noted.pop(folder)) | noted
    now = {path: (_modified_ns(path), old) for path, old in noted.items()}
    written = {path: moment for path, (moment, old) in now.items() if moment not in (old, 0)}
    since = max(written.values(), default=0) - SUSPECT_SECONDS * 1e9
    aside = [
        set_aside(path)
        for path, moment in written.items()
        if moment >= since or fitsheader.defect(path)
    ]
    file.unlink()
    return aside


def set_aside(path: Path) -> Path:
    """Give a product that is broken, or may be, a name that nobody takes for a product's."""
    return path.replace(path.with_name(path.name + SUFFIX))


def tidy(path: Path) -> None:
    """Remove what was set aside of a product that is good now."""
    path.with_name(path.name + SUFFIX).unlink(missing_ok=True)


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
