"""Which frames of a dataset are used: of the calibrations the latest of the best, no more.

More calibrations than needed confuse PypeIt: arcs with different lamps are added up, and flats of
different nights. The rules are the profile's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kpfnb.adap.preparing.exposure import Exposure
from kpfnb.adap.profile import UNKNOWN, Choice, Criterion, Profile


def left_out(
    frames: Sequence[Exposure], profile: Profile, excluded: Collection[str] = ()
) -> dict[str, str]:
    """The files that are not to be used, each with the reason.

    Parameters
    ----------
    excluded : names of files that a person has ruled out, gzipped or not
    """
    unwanted = {_plain(name) for name in excluded}
    reasons = {frame.file: _unusable(frame, profile, unwanted) for frame in frames}
    usable = [frame for frame in frames if not reasons[frame.file]]
    for choice in profile.trimming:
        some = [frame for frame in usable if not set(choice.types).isdisjoint(frame.types)]
        chosen = {frame.file for frame in choose(some, choice)}
        for frame in some:
            if frame.file not in chosen:
                reasons[frame.file] = f"not among the best {' or '.join(choice.types)} frames"
    return {file: reason for file, reason in reasons.items() if reason}


def choose(frames: Sequence[Exposure], choice: Choice) -> list[Exposure]:
    """The frames to use of those that a choice is about, in the order of time."""
    if not choice.per_lamp_set:
        return _latest(frames, choice)
    chosen: list[Exposure] = []
    covered: set[str] = set()
    for lamps in sorted({frame.lamps for frame in frames}, key=lambda some: (-len(some), some)):
        if covered.issuperset(lamps):
            continue
        chosen += _latest([frame for frame in frames if frame.lamps == lamps], choice)
        covered.update(lamps)
    return sorted(chosen, key=_moment)


def _latest(frames: Sequence[Exposure], choice: Choice) -> list[Exposure]:
    """The latest that meet all criteria; while they are too few, the last criterion is given up."""
    for kept in range(len(choice.criteria), -1, -1):
        good = [f for f in frames if all(_meets(f, one) for one in choice.criteria[:kept])]
        if len(good) >= choice.most or kept == 0:
            break
    return sorted(good, key=_moment)[-choice.most :]


def _meets(frame: Exposure, criterion: Criterion) -> bool:
    value = frame.values[criterion.value]
    return isinstance(value, float) and criterion.least <= value <= criterion.greatest


def _moment(frame: Exposure) -> tuple[float, str]:
    return frame.mjd, frame.file


def _unusable(frame: Exposure, profile: Profile, unwanted: set[str]) -> str:
    if frame.defect:
        return frame.defect
    if _plain(frame.file) in unwanted:
        return "excluded by name"
    if dropped := is_dropped(frame, profile):
        return f"its type is {dropped}"
    return f"its header has no {', '.join(frame.missing)}" if frame.missing else ""


def is_dropped(frame: Exposure, profile: Profile) -> str:
    """The type for which the profile drops a frame; '' where it keeps it."""
    kinds = frame.types or (UNKNOWN,)
    return kinds[0] if all(kind in profile.dropped for kind in kinds) else ""


def _plain(file: str) -> str:
    return file.strip().removesuffix(".gz")
