"""Slits that are not to be coadded: those on the lists of bad slits beside the reductions."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kpfnb.adap.reducedexposures import Exposure
from kpfnb.errors import BadInput

LIST = "*bad_slits.csv"
SLIT_ID = re.compile(r"([A-Z]+\d+):(\d+)")

Bad = Mapping[str, frozenset[str]]
"""Name of a spec2d file to its bad slits, as "DET01:175"."""


def read(reductions: Iterable[Path]) -> dict[str, frozenset[str]]:
    """The bad slits of those reductions; a reduction without a list has none.

    `BadInput` names a list that can't be understood: a bad slit is never coadded by mistake.
    """
    found: dict[str, set[str]] = {}
    for folder in reductions:
        for path in sorted(folder.glob(LIST)):
            for slit, spec2d in _rows(path):
                found.setdefault(spec2d, set()).add(slit)
    return {spec2d: frozenset(slits) for spec2d, slits in found.items()}


def of(exposure: Exposure, bad: Bad) -> frozenset[str]:
    """The bad slits of one exposure: listed, or flagged by PypeIt."""
    return bad.get(exposure.spec2d.name, frozenset()) | exposure.flagged


def _rows(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = {"slit_id", "spec2d"} - set(rows.fieldnames or ())
        if missing:
            raise BadInput(f"{path} has no column {' and no '.join(sorted(missing))}")
        found = [
            (str(row["slit_id"]).strip(), Path(str(row["spec2d"]).strip()).name) for row in rows
        ]
    for slit, _ in found:
        if not SLIT_ID.fullmatch(slit):
            raise BadInput(f"{path}: {slit!r} is no slit", "slits are written as DET01:175")
    return found
