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

from kpfnb.kpf import version as versions


class Reason(StrEnum):
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


class Raw(NamedTuple):
    """What an L0 file tells; `problem` says why it tells nothing."""

    modified_ns: int
    camera: bool = False
    """GREEN, RED or CA_HK was used."""
    imtype: str = ""
    problem: str = ""


class Product(NamedTuple):
    """What a file of a later level tells; `problem` says why it can't be used."""

    modified_ns: int
    tag: str = ""
    """DRPTAG; '' where there is none, or where no version is asked for."""
    problem: str = ""


class Missing(NamedTuple):
    """A level that is expected and not done."""

    obsid: str
    level: str
    reason: Reason
    detail: str = ""


class Count(NamedTuple):
    """Levels done and expected; the difference is the number of `Missing`."""

    done: int
    expected: int

    @property
    def percent(self) -> int | None:
        """Floored: 100 only where all is done; None where nothing is expected."""
        return 100 * self.done // self.expected if self.expected else None


@dataclass(frozen=True)
class Night:
    """How far one night is."""

    night: str
    observations: int
    """L0 files, junk among them."""
    junk: int
    last_l0: datetime | None
    """The latest modification time of an L0, UTC; None where there is none."""
    counts: dict[str, Count]
    missing: tuple[Missing, ...]
    looked_at: datetime
    """When each file's size and time were last looked at, UTC."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values of all but `missing`."""
        return {
            "night": self.night,
            "observations": self.observations,
            "junk": self.junk,
            "last_l0": _iso(self.last_l0) if self.last_l0 else None,
            "counts": {
                level: {"done": count.done, "expected": count.expected, "percent": count.percent}
                for level, count in self.counts.items()
            },
            "looked_at": _iso(self.looked_at),
        }


Rule = Callable[[Raw], bool]

EXPECTED: dict[str, Rule] = {
    "2D": lambda raw: True,
    "L1": lambda raw: raw.camera,
    "L2": lambda raw: raw.camera and raw.imtype not in ("Bias", "Dark"),
}
"""Which observations are expected to have a level."""


def judge(
    raw: Raw, products: Mapping[str, Product | None], *, version: str = ""
) -> dict[str, tuple[Reason, str] | None]:
    """For each level that is expected of an observation: None where done, else reason and detail.

    Parameters
    ----------
    products : each level asked for with its file, or None
    version : the DRP version that a product must have at least; '' for any
    """
    if raw.problem:
        return {next(iter(products)): (Reason.L0_UNREADABLE, raw.problem)}
    return {
        level: _flaw(raw, product, version)
        for level, product in products.items()
        if EXPECTED[level](raw)
    }


def count(
    night: str,
    raws: Mapping[str, Raw],
    products: Mapping[str, Mapping[str, Product]],
    *,
    junk: Collection[str],
    version: str,
    looked_at: datetime,
    last_l0: datetime | None,
) -> Night:
    """One night judged.

    Parameters
    ----------
    raws : ObsID to L0
    products : level to ObsID to file, for the levels asked for
    """
    expected, missing = dict.fromkeys(products, 0), []
    for obsid in sorted(raws.keys() - junk):
        files = {level: products[level].get(obsid) for level in products}
        for level, flaw in judge(raws[obsid], files, version=version).items():
            expected[level] += 1
            if flaw:
                missing.append(Missing(obsid, level, *flaw))
    return Night(
        night=night,
        observations=len(raws),
        junk=len(raws.keys() & junk),
        last_l0=last_l0,
        counts=_counts(expected, missing),
        missing=tuple(missing),
        looked_at=looked_at,
    )


def _flaw(raw: Raw, product: Product | None, version: str) -> tuple[Reason, str] | None:
    if product is None:
        return Reason.MISSING, ""
    if product.problem:
        return Reason.UNREADABLE, product.problem
    if product.modified_ns <= raw.modified_ns:
        return Reason.OLDER, ""
    if version and not versions.is_current(product.tag, version):
        return Reason.OLD_VERSION, product.tag or "no DRPTAG"
    return None


def _counts(expected: Mapping[str, int], missing: Sequence[Missing]) -> dict[str, Count]:
    lacking = dict.fromkeys(expected, 0)
    for item in missing:
        lacking[item.level] += 1
    return {level: Count(number - lacking[level], number) for level, number in expected.items()}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
