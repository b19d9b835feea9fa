"""Which frames belong together: the same mask and configuration, and nights that are near."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kpfnb.adap.dataset import COMPLETE, INCOMPLETE, Dataset
from kpfnb.adap.preparing.exposure import Exposure
from kpfnb.adap.profile import LITERAL, Profile
from kpfnb.storage import names as allowed

WINDOW_DAYS = 3.0

Key = tuple[str, ...]

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._\-+=@,~()]+")


@dataclass(frozen=True)
class Group:
    """The frames of one dataset.

    Attributes
    ----------
    lacking : what it has not to be complete, as "science" or "pixelflat or illumflat"
    """

    dataset: Dataset
    frames: tuple[Exposure, ...]
    lacking: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where its raw frames belong, below the root."""
        return f"{self.dataset}/{INCOMPLETE if self.lacking else COMPLETE}/raw"


def group(
    frames: Iterable[Exposure], profile: Profile, window_days: float = WINDOW_DAYS
) -> list[Group]:
    """The datasets that the frames make, by name.

    Frames whose gap in time is within the window join, and so do all that are joined to them.
    """
    by_key: dict[Key, list[Exposure]] = defaultdict(list)
    for frame in frames:
        by_key[key_of(frame, profile)].append(frame)
    groups = [
        _group(key, some, profile)
        for key, members in by_key.items()
        for some in joined(members, window_days)
    ]
    return sorted(groups, key=lambda one: (str(one.dataset), key_of(one.frames[0], profile)))


def joined(frames: Sequence[Exposure], window_days: float) -> list[list[Exposure]]:
    """The frames in order of time, parted where nothing was taken for longer than the window."""
    parts: list[list[Exposure]] = []
    for frame in sorted(frames, key=lambda one: (one.mjd, one.path)):
        if parts and frame.mjd - parts[-1][-1].mjd <= window_days:
            parts[-1].append(frame)
        else:
            parts.append([frame])
    return parts


def key_of(frame: Exposure, profile: Profile) -> Key:
    """What frames of one mask and configuration share, as texts, rounded as the profile says."""
    return tuple(_text(frame, name, profile) for name in profile.group_by)


def mask_and_config(frame: Exposure, profile: Profile) -> tuple[str, str]:
    """The first two parts of the dataset's name."""
    mask, config = (
        sanitised("_".join(_text(frame, part, profile) for part in parts))
        for parts in (profile.names.mask, profile.names.config)
    )
    return mask, config


def sanitised(name: str) -> str:
    """A name for files and folders: / becomes -, other strange characters become one _."""
    safe = _NOT_ALLOWED.sub("_", name.replace("/", "-"))[: allowed.LONGEST_NAME]
    # A leading dot hides a folder, a leading dash looks like an option
    return safe.lstrip(".-~") or "_"


def _text(frame: Exposure, part: str, profile: Profile) -> str:
    if part.startswith(LITERAL):
        return part.removeprefix(LITERAL)
    value = frame.values[part]
    if isinstance(value, float):
        return f"{value:.{profile.decimals.get(part, 3)}f}"
    return str(value)


def _group(key: Key, frames: Sequence[Exposure], profile: Profile) -> Group:
    nights = [frame.night for frame in frames]
    name = Dataset(*mask_and_config(frames[0], profile), min(nights), max(nights))
    there = {kind for frame in frames for kind in frame.types}
    lacking = [" or ".join(kinds) for kinds in profile.required if there.isdisjoint(kinds)]
    return Group(name, tuple(frames), tuple(lacking))
