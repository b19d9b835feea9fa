"""The verdict of a night: made, kept, and read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from kpfnb import files, settings
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf import junk
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import nights
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import finding, overrides, reading, version
from kpfnb.kpf.verdict.observed import INDEX_NAME, Frame, Night
from kpfnb.kpf.verdict.overrides import Override
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.parameters import check_night
from kpfnb.settings import Settings

FOLDER = "nights"
"""Below the work directory: a folder for each night, with its verdict and the overrides."""

FILE_NAME = "verdict.json"


def assess(night: str, *, accept: Verdict | str = Verdict.FAIL) -> NightVerdict:
    """Judge a night by what is on disk now; nothing is written but the index of headers.

    Parameters
    ----------
    night : YYYYMMDD (UT)
    accept : the result's outcome is good with a verdict that is no worse

    Raises
    ------
    BadParameter : no such night, no such verdict
    BadInput : a wrong rule, with its line; no L0 directory in the data root; a damaged override
    ServiceUnavailable : a directory of products can't be listed
    """
    here = settings.load()
    _check(night)
    accepted = _verdict(accept)
    criteria = reading.load(reading.path(here))
    nights(here.kpf_root, night, night)
    said = overrides.read(folder(here, night))
    with Index(here.work_dir / INDEX_NAME) as index:
        look = cache(lambda name: Night(name, criteria, here, index))
        in_force = overrides.in_force(said)
        findings = tuple(
            replace(finding.judge(rule, night, look), override=in_force.get(rule.name))
            for rule in criteria.rules
        )
        tonight = look(night)
        return NightVerdict(
            night=night,
            root=here.kpf_root,
            findings=findings,
            observations=len(tonight.observations),
            junk=tonight.junk,
            arrivals={kind: _obsids(tonight.of((kind,))) for kind in criteria.kinds},
            last_l0=tonight.newest_l0(),
            taken=datetime.now(UTC),
            zone=here.zone,
            criteria=f"{criteria.path.name}, {version.of(criteria.path)}",
            overrides=tuple(said),
            notes=(*junk.read(here.junk_path).notes, *index.notes),
            accept=accepted,
        )


def override(
    night: str, rule: str, to: str, why: str, *, who: str = "", dry_run: bool = False
) -> Override:
    """Record what a person says of a rule; `BadParameter` for a rule that there is not."""
    here = settings.load()
    overrides.check(to, why)
    judged = assess(night)
    found = {one.rule.name: one for one in judged.findings}
    if rule not in found:
        raise BadParameter(f"no rule {rule!r}", f"the rules are {', '.join(found)}")
    measured = str(found[rule].measured)
    said = overrides.make(
        night, rule, to, why, who=who, instead_of=measured, criteria=judged.criteria
    )
    if not dry_run:
        overrides.add(folder(here, night), said)
    return said


def keep(judged: NightVerdict) -> bool:
    """Write the verdict where it differs from the one that is kept; True where it does."""
    path = folder(settings.load(), judged.night) / FILE_NAME
    values = judged.to_dict()
    if _kept(path) == values:
        return False
    files.write_json(path, values)
    return True


def history(here: Settings | None = None) -> dict[str, dict[str, Any]]:
    """Night to the verdict that is kept, oldest first; a damaged one is passed over."""
    here = here or settings.load()
    paths = sorted((here.work_dir / FOLDER).glob(f"*/{FILE_NAME}"))
    found = {path.parent.name: kept(here, path.parent.name) for path in paths}
    return {night: one for night, one in found.items() if one}


def kept(here: Settings, night: str) -> dict[str, Any] | None:
    """The verdict of a night as it was kept last; None where there is none, or it is damaged."""
    found = _kept(folder(here, night) / FILE_NAME)
    return found if found and found.get("verdict") in set(Verdict) else None


def folder(here: Settings, night: str) -> Path:
    """Where the verdict of a night and its overrides are."""
    return here.work_dir / FOLDER / night


def _obsids(frames: Iterable[Frame]) -> tuple[str, ...]:
    return tuple(frame.obsid for frame in frames)


def _kept(path: Path) -> dict[str, Any] | None:
    try:
        found = files.read_json(path)
    except (OSError, BadInput):
        return None
    return found if isinstance(found, dict) else None


def _check(night: str) -> None:
    try:
        if not check_night(night):
            raise ValueError("a night is wanted")
    except ValueError as error:
        raise BadParameter(f"night: {error}, not {night!r}", "for example 20240131") from None


def _verdict(word: str) -> Verdict:
    try:
        return Verdict(word)
    except ValueError:
        raise BadParameter(f"accept: {word!r}", f"it is one of {', '.join(Verdict)}") from None
