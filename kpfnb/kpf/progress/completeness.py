"""The rules for when a level of an observation is done, as pure functions.

An observation that is not junk needs each expected level (`kpfnb.kpf.files.exposure.LEVEL_RULES`).
A level is done if its file is present and complete, was modified strictly later than the L0, and,
where a version is required, has that DRPTAG or a later one. An L2 also has all cameras that were
used, and the velocity where one is expected (`kpfnb.kpf.files.exposure.expects_velocity`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from kpfnb.core.clock import format_utc
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.exposure import CCDS, LEVEL_RULES, RawFile


class IncompleteReason(StrEnum):
    """Why a level is not done."""

    MISSING = "missing"
    OLDER = "older than L0"
    """Its modification time is not later than that of the L0."""
    OLD_VERSION = "old version"
    """Its DRPTAG is before the required version."""
    UNKNOWN_VERSION = "unknown version"
    """It has no DRPTAG, or one that is no version, and a version is required."""
    CAMERA_MISSING = "camera missing"
    """A camera that was used has no extensions."""
    NO_VELOCITY = "no velocity"
    """The velocity of a star or the Sun is absent, 0 or NaN."""
    UNREADABLE = "unreadable"
    """Empty, cut short or not FITS."""
    L0_UNREADABLE = "L0 unreadable"
    """The expected levels are unknown, so the observation counts once, at the first level."""


INFERIOR = frozenset(
    {IncompleteReason.OLD_VERSION, IncompleteReason.UNKNOWN_VERSION, IncompleteReason.NO_VELOCITY}
)
"""The product is a complete and new file all the same."""


class ProductFacts(NamedTuple):
    """What the headers of a product say; '' and None where they were not read."""

    tag: str = ""
    """DRPTAG; read if a version is required."""
    cameras: tuple[str, ...] | None = None
    """The cameras with an extension; None where that is not known."""
    velocity_problem: str = ""
    """Why it has no velocity."""


class ProductFile(NamedTuple):
    """A file of a later level; `problem` says why it can't be used."""

    modified_ns: int
    facts: ProductFacts = ProductFacts()
    problem: str = ""


class MissingLevel(NamedTuple):
    """A level that is expected and not done."""

    obsid: str
    level: str
    reason: IncompleteReason
    detail: str = ""


class LevelCount(NamedTuple):
    """Levels done and expected; the difference is the number of `MissingLevel`."""

    done: int
    expected: int

    @property
    def percent(self) -> int | None:
        """Rounded down, so 100 only if all is done; None if nothing is expected."""
        return 100 * self.done // self.expected if self.expected else None


class NightOddities(NamedTuple):
    """Files of a night that a person should know of; names of files and ObsIDs.

    Attributes
    ----------
    misplaced : in the directory of another night or level (as level/night/name); not counted
    without_l0 : products of observations without an L0; not counted
    by_extensions : L0 files without the keyword of a camera, judged by their extensions
    """

    misplaced: tuple[str, ...] = ()
    without_l0: tuple[str, ...] = ()
    by_extensions: tuple[str, ...] = ()


NO_ODDITIES = NightOddities()


@dataclass(frozen=True)
class NightProgress:
    """How far one night is."""

    night: str
    observations: int
    """L0 files, including junk."""
    junk: int
    last_l0: datetime | None
    """The latest modification time of an L0, UTC; None if there is none."""
    counts: dict[str, LevelCount]
    missing: tuple[MissingLevel, ...]
    looked_at: datetime
    """When the size and time of each file were last read, UTC."""
    oddities: NightOddities = NO_ODDITIES

    def to_dict(self) -> dict[str, Any]:
        """JSON values without `missing`."""
        return {
            "night": self.night,
            "observations": self.observations,
            "junk": self.junk,
            "last_l0": format_utc(self.last_l0) if self.last_l0 else None,
            "counts": {
                level: {"done": count.done, "expected": count.expected, "percent": count.percent}
                for level, count in self.counts.items()
            },
            "looked_at": format_utc(self.looked_at),
            **self.oddities._asdict(),
        }


def check_levels(
    raw: RawFile, products: Mapping[str, ProductFile | None], *, version: str = ""
) -> dict[str, tuple[IncompleteReason, str] | None]:
    """For each expected level of an observation: None if it is done, else reason and detail.

    Parameters
    ----------
    products : each requested level with its file, or None
    version : the lowest DRP version that a product may have; '' for any
    """
    if raw.problem:
        return {next(iter(products)): (IncompleteReason.L0_UNREADABLE, raw.problem)}
    return {
        level: _find_defect(raw, product, version)
        for level, product in products.items()
        if LEVEL_RULES[level](raw)
    }


def assess_night(
    night: str,
    raws: Mapping[str, RawFile],
    products: Mapping[str, Mapping[str, ProductFile]],
    *,
    junk: Collection[str],
    version: str,
    looked_at: datetime,
    last_l0: datetime | None,
    oddities: NightOddities = NO_ODDITIES,
) -> NightProgress:
    """How far one night is.

    Parameters
    ----------
    raws : ObsID to L0
    products : level to ObsID to file, for the requested levels
    """
    expected, missing = dict.fromkeys(products, 0), []
    for obsid in sorted(raws.keys() - junk):
        files = {level: products[level].get(obsid) for level in products}
        for level, defect in check_levels(raws[obsid], files, version=version).items():
            expected[level] += 1
            if defect:
                missing.append(MissingLevel(obsid, level, *defect))
    missing_counts = Counter(item.level for item in missing)
    return NightProgress(
        night=night,
        observations=len(raws),
        junk=len(raws.keys() & junk),
        last_l0=last_l0,
        counts={
            level: LevelCount(number - missing_counts[level], number)
            for level, number in expected.items()
        },
        missing=tuple(missing),
        looked_at=looked_at,
        oddities=oddities,
    )


def describe_missing(cameras: Iterable[str]) -> str:
    """What a product lacks, in words."""
    return f"no extensions of {' and '.join(cameras)}"


def _find_defect(
    raw: RawFile, product: ProductFile | None, version: str
) -> tuple[IncompleteReason, str] | None:
    if product is None:
        return IncompleteReason.MISSING, ""
    if product.problem:
        return IncompleteReason.UNREADABLE, product.problem
    if product.modified_ns <= raw.modified_ns:
        return IncompleteReason.OLDER, ""
    if product.facts.cameras is not None:
        used = [camera for camera in CCDS if camera in raw.cameras]
        missing = [camera for camera in used if camera not in product.facts.cameras]
        if missing:
            return IncompleteReason.CAMERA_MISSING, describe_missing(missing)
    if raw.velocity and product.facts.velocity_problem:
        return IncompleteReason.NO_VELOCITY, product.facts.velocity_problem
    tag = product.facts.tag
    if version and drp.parse_version(tag) is None:
        detail = f"DRPTAG {tag!r} is not a version" if tag else "no DRPTAG"
        return IncompleteReason.UNKNOWN_VERSION, detail
    if version and not drp.satisfies_version(tag, version):
        return IncompleteReason.OLD_VERSION, tag
    return None
