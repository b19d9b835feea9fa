"""Slits that are not to be coadded: those on the lists of bad slits beside the reductions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from kpfnb.adap.coadding.reducedexposures import Exposure
from kpfnb.adap.scoring import badslits, scorecard

Bad = Mapping[str, frozenset[str]]
"""Name of a spec2d file to its bad slits, as "DET01:175"."""


def read(reductions: Iterable[Path]) -> dict[str, frozenset[str]]:
    """The bad slits of those reductions; one that was not scored is scored now.

    `BadInput` names a list that can't be understood: a bad slit is never coadded by mistake.
    """
    found: dict[str, set[str]] = {}
    for folder in reductions:
        is_scored = any(folder.glob(badslits.PATTERN))
        name = "/".join(folder.parts[-5:-2])
        listed = badslits.read(folder) if is_scored else scorecard.score(folder, name).bad_slits
        for slit in listed:
            found.setdefault(slit.spec2d, set()).add(slit.slit_id)
    return {spec2d: frozenset(slits) for spec2d, slits in found.items()}


def of(exposure: Exposure, bad: Bad) -> frozenset[str]:
    """The bad slits of one exposure: listed, or flagged by PypeIt."""
    return bad.get(exposure.spec2d.name, frozenset()) | exposure.flagged
