"""Which exposures are stacked with one another in 2D, without which slits and detectors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kpfnb.adap.coadd import exposures as slitexclusion
from kpfnb.adap.coadd.exposures import BadSlitsByFile, ReducedExposure

MIN_EXPOSURES = 2
"""One exposure is no coadd."""


@dataclass(frozen=True)
class Stack:
    """The exposures of one target that PypeIt can stack.

    Attributes
    ----------
    name : of the target, without spaces; with more where it would stand for two
    detectors : those with at least one good slit
    skipped : those without
    excluded : slits that are bad in any exposure, by their positions in the first one
    """

    name: str
    target: str
    exposures: tuple[ReducedExposure, ...]
    detectors: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def basename(self) -> str:
        """Of its products, as PypeIt has it: the first and the last file, and the target."""
        first, last = (file_stem(self.exposures[place].file) for place in (0, -1))
        return f"{first}-{last}-{self.name}"


def select_exposures(exposures: Sequence[ReducedExposure]) -> list[ReducedExposure]:
    """The exposures that are to be coadded: the science frames; where there is none, standards."""
    science = [one for one in exposures if one.kind == "science"]
    return science or list(exposures)


def make_stacks(
    exposures: Sequence[ReducedExposure], bad: BadSlitsByFile, tolerance: float
) -> list[Stack]:
    """The stacks that can be made of those exposures, those of one exposure too.

    A slit in one exposure is that in another one if they are at most `tolerance` pixels apart.
    """
    groups: dict[tuple[object, ...], list[ReducedExposure]] = {}
    for one in exposures:
        key = (one.target, one.spectrograph, one.configuration, one.detectors)
        groups.setdefault(key, []).append(one)
    names = _unique_names(list(groups))
    return [
        _without_bad_slits(Stack(name, group[0].target, tuple(group)), bad, tolerance)
        for name, group in zip(names, groups.values(), strict=True)
    ]


def safe_name(target: str) -> str:
    """A target's name for files: PypeIt leaves out spaces, and / is none of a name."""
    return re.sub(r"[^A-Za-z0-9._+-]", "", target.replace("/", "_")).lstrip(".-") or "unnamed"


def file_stem(file: str) -> str:
    """The name of a raw file without its endings."""
    return file.removesuffix(".gz").removesuffix(".fits")


def _unique_names(keys: list[tuple[object, ...]]) -> list[str]:
    names = [safe_name(str(key[0])) for key in keys]
    count, seen = Counter(names), Counter[str]()
    for place, name in enumerate(names):
        seen[name] += 1
        if count[name] > 1:
            names[place] = f"{name}_{seen[name]}"
    return names


def _without_bad_slits(stack: Stack, bad: BadSlitsByFile, tolerance: float) -> Stack:
    first = stack.exposures[0]
    excluded = {
        slit
        for one in stack.exposures
        for listed in slitexclusion.bad_slits_for(one, bad)
        if (slit := _matching_slit(first, listed, tolerance))
    }
    good = {
        detector
        for detector, positions in first.slits.items()
        if any(f"{detector}:{position}" not in excluded for position in positions)
    }
    return Stack(
        stack.name,
        stack.target,
        stack.exposures,
        detectors=tuple(one for one in first.detectors if one in good),
        skipped=tuple(one for one in first.detectors if one not in good),
        excluded=tuple(sorted(excluded)),
    )


def _matching_slit(exposure: ReducedExposure, slit: str, tolerance: float) -> str:
    """The same slit in another exposure; '' where it has none there."""
    detector, _, position = slit.partition(":")
    near = sorted((abs(one - int(position)), one) for one in exposure.slits.get(detector, ()))
    return f"{detector}:{near[0][1]}" if near and near[0][0] <= tolerance else ""
