"""What a unit has for the archive: its files and where they go, what is wrong, and what is odd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kpfnb import fitscards, fitsheader
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import Unit
from kpfnb.fitsheader import BadHeader
from kpfnb.storage import names as allowed

FITS = (".fits", ".fits.gz")
MODEL = "DMODCLS"
"""The keyword by which PypeIt says what a file or an extension holds."""


@dataclass(frozen=True)
class Content:
    """The files of a unit, looked at.

    Attributes
    ----------
    files : place below the unit in the delivery, and path below the unit here; by place
    models : what PypeIt calls the first extensions of each FITS file among them, by place
    problems : why files that should be delivered can't be, by path here
    unrecognised : paths of files that no rule knows
    """

    files: dict[str, str]
    models: dict[str, frozenset[str]]
    problems: dict[str, str]
    unrecognised: tuple[str, ...]

    def of_model(self, model: str, folder: str) -> list[str]:
        """The places of FITS files of that kind that are below a folder of that name."""
        return [p for p, m in self.models.items() if model in m and folder in p.split("/")[:-1]]


def look(root: Path, unit: Unit, rules: Rules) -> Content:
    """Look at all files of a unit below `root`, and into the first headers of the FITS files."""
    paths = unit.files(root)
    wanted = [path for path in paths if rules.is_delivered(path)]
    known = {*wanted, *(path for path in paths if rules.is_left(path))}
    problems = _refused(wanted)
    models: dict[str, frozenset[str]] = {}
    odd = [path for path in paths if path not in known]
    for path in [path for path in wanted if path.endswith(FITS) and path not in problems]:
        try:
            models[path] = _models(root / unit.name / path)
        except BadHeader as error:
            problems[path] = f"damaged: {error.reason}"
            continue
        if not models[path]:
            odd.append(path)
    files = {units.delivered(p): p for p in wanted if p not in problems and p not in odd}
    placed = {place: models[path] for place, path in files.items() if path in models}
    return Content(dict(sorted(files.items())), placed, problems, tuple(sorted(odd)))


def _refused(paths: Iterable[str]) -> dict[str, str]:
    """Files that can't be carried, and those that would have the same place."""
    problems = {path: wrong for path in paths if (wrong := allowed.defect(path))}
    places = defaultdict(list)
    for path in paths:
        places[units.delivered(path)].append(path)
    for place, several in places.items():
        if len(several) > 1:
            problems |= dict.fromkeys(several, f"{len(several)} files would become {place}")
    return problems


def _models(path: Path) -> frozenset[str]:
    """What PypeIt calls the primary and the first extension; `BadHeader` for a file that is cut."""
    found = set()
    for number, hdu in enumerate(fitsheader.hdus(path)):
        if number < 2:
            found.add(str(fitscards.pick(hdu.header, [MODEL]).get(MODEL, "")))
    return frozenset(found - {""})
