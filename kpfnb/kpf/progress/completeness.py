"""When is a level of an observation done? The rules, as pure functions.

Not junk; expected (`EXPECTED`); the file is there and whole; it was modified strictly later than
the L0; and, where a version is asked for, its DRPTAG is that version or a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from kpfnb.kpf.files import drp


class IncompleteReason(StrEnum):
    """Why a level is not done."""

    MISSING = "missing"
    OLDER = "older than L0"
    """Its modification time is not later than that of the L0."""
    OLD_VERSION = "old version"
    """Its DRPTAG is before the version asked for, or there is none."""
    UNREADABLE = "unreadable"
    """Empty, cut short or not FITS."""
    L0_UNREADABLE = "L0 unreadable"
    """What is expected of the observation can't be known; it is named once, at the first level."""


class RawFile(NamedTuple):
    """What an L0 file tells; `problem` says why it tells nothing."""

    modified_ns: int
    camera: bool = False
    """GREEN, RED or CA_HK was used."""
    imtype: str = ""
    problem: str = ""


class ProductFile(NamedTuple):
    """What a file of a later level tells; `problem` says why it can't be used."""

    modified_ns: int
    tag: str = ""
    """DRPTAG; '' where there is none, or where no version is asked for."""
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
        """Floored: 100 only where all is done; None where nothing is expected."""
        return 100 * self.done // self.expected if self.expected else None


@dataclass(frozen=True)
class NightProgress:
    """How far one night is."""

    night: str
    observations: int
    """L0 files, junk among them."""
    junk: int
    last_l0: datetime | None
    """The latest modification time of an L0, UTC; None where there is none."""
    counts: dict[str, LevelCount]
    missing: tuple[MissingLevel, ...]
    looked_at: datetime
    """When each file's size and time were last looked at, UTC."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values of all but `missing`."""
        return {
            "night": self.night,
            "observations": self.observations,
            "junk": self.junk,
            "last_l0": _format_utc(self.last_l0) if self.last_l0 else None,
            "counts": {
                level: {"done": count.done, "expected": count.expected, "percent": count.percent}
                for level, count in self.counts.items()
            },
            "looked_at": _format_utc(self.looked_at),
        }


LevelRule = Callable[[RawFile], bool]

LEVEL_RULES: dict[str, LevelRule] = {
    "2D": lambda raw: True,
    "L1": lambda raw: raw.camera,
    "L2": lambda raw: raw.camera and raw.imtype not in ("Bias", "Dark"),
}
"""Which observations are expected to have a level."""


def check_levels(
    raw: RawFile, products: Mapping[str, ProductFile | None], *, version: str = ""
) -> dict[str, tuple[IncompleteReason, str] | None]:
    """For each level that is expected of an observation: None where done, else reason and detail.

    Parameters
    ----------
    products : each level asked for with its file, or None
    version : the DRP version that a product must have at least; '' for any
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
) -> NightProgress:
    """One night judged.

    Parameters
    ----------
    raws : ObsID to L0
    products : level to ObsID to file, for the levels asked for
    """
    expected, missing = dict.fromkeys(products, 0), []
    for obsid in sorted(raws.keys() - junk):
        files = {level: products[level].get(obsid) for level in products}
        for level, flaw in check_levels(raws[obsid], files, version=version).items():
            expected[level] += 1
            if flaw:
                missing.append(MissingLevel(obsid, level, *flaw))
    return NightProgress(
        night=night,
        observations=len(raws),
        junk=len(raws.keys() & junk),
        last_l0=last_l0,
        counts=_count_levels(expected, missing),
        missing=tuple(missing),
        looked_at=looked_at,
    )


def _find_defect(
    raw: RawFile, product: ProductFile | None, version: str
) -> tuple[IncompleteReason, str] | None:
    if product is None:
        return IncompleteReason.MISSING, ""
    if product.problem:
        return IncompleteReason.UNREADABLE, product.problem
    if product.modified_ns <= raw.modified_ns:
        return IncompleteReason.OLDER, ""
    if version and not drp.satisfies_version(product.tag, version):
        return IncompleteReason.OLD_VERSION, product.tag or "no DRPTAG"
    return None


def _count_levels(
    expected: Mapping[str, int], missing: Sequence[MissingLevel]
) -> dict[str, LevelCount]:
    lacking = dict.fromkeys(expected, 0)
    for item in missing:
        lacking[item.level] += 1
    return {
        level: LevelCount(number - lacking[level], number) for level, number in expected.items()
    }


def _format_utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
