"""Datasets formed by raw frames: the same mask and configuration, in the same or close nights."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.adap.products.dataset import COMPLETE, INCOMPLETE, Dataset
from kpfnb.adap.profiles.spectrograph import LITERAL_MARK, Profile
from kpfnb.storage import paths

WINDOW_DAYS = 3.0

GroupKey = tuple[str, ...]

_FORBIDDEN_CHARACTERS = re.compile(r"[^A-Za-z0-9._\-+=@,~()]+")


@dataclass(frozen=True)
class DatasetGroup:
    """The frames of one dataset.

    Attributes
    ----------
    missing_types : frame types that it needs to be complete, as "science" or "arc or tilt"
    """

    dataset: Dataset
    frames: tuple[RawExposure, ...]
    missing_types: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The directory of its raw frames, below the root."""
        return f"{self.dataset}/{INCOMPLETE if self.missing_types else COMPLETE}/raw"


def group_frames(
    frames: Iterable[RawExposure], profile: Profile, window_days: float = WINDOW_DAYS
) -> list[DatasetGroup]:
    """The datasets that the frames form, sorted by name.

    A dataset has no gap in time longer than the window.
    """
    by_key: dict[GroupKey, list[RawExposure]] = defaultdict(list)
    for frame in frames:
        by_key[group_key(frame, profile)].append(frame)
    groups = [
        _make_group(part, profile)
        for members in by_key.values()
        for part in split_by_gaps(members, window_days)
    ]
    return sorted(
        groups, key=lambda group: (str(group.dataset), group_key(group.frames[0], profile))
    )


def split_by_gaps(frames: Sequence[RawExposure], window_days: float) -> list[list[RawExposure]]:
    """The frames in order of time, split at gaps longer than the window."""
    parts: list[list[RawExposure]] = []
    for frame in sorted(frames, key=lambda frame: (frame.mjd, frame.path)):
        if parts and frame.mjd - parts[-1][-1].mjd <= window_days:
            parts[-1].append(frame)
        else:
            parts.append([frame])
    return parts


def group_key(frame: RawExposure, profile: Profile) -> GroupKey:
    """The values that frames of one mask and configuration share, rounded as the profile says."""
    return tuple(_value_text(frame, name, profile) for name in profile.group_by)


def dataset_name_parts(frame: RawExposure, profile: Profile) -> tuple[str, str]:
    """Mask and configuration of the dataset's name."""
    mask, config = (
        sanitize_name("_".join(_value_text(frame, part, profile) for part in parts))
        for parts in (profile.names.mask, profile.names.config)
    )
    return mask, config


def sanitize_name(name: str) -> str:
    """A safe file name: / becomes -, and other special characters become _."""
    safe = _FORBIDDEN_CHARACTERS.sub("_", name.replace("/", "-"))[: paths.MAX_NAME_LENGTH]
    # A leading dot would hide it, a leading dash would look like an option
    return safe.lstrip(".-~") or "_"


def _value_text(frame: RawExposure, part: str, profile: Profile) -> str:
    if part.startswith(LITERAL_MARK):
        return part.removeprefix(LITERAL_MARK)
    value = frame.values[part]
    if isinstance(value, float):
        return f"{value:.{profile.decimals.get(part, 3)}f}"
    return str(value)


def _make_group(frames: Sequence[RawExposure], profile: Profile) -> DatasetGroup:
    nights = [frame.night for frame in frames]
    name = Dataset(*dataset_name_parts(frames[0], profile), min(nights), max(nights))
    present = {kind for frame in frames for kind in frame.types}
    missing = [" or ".join(kinds) for kinds in profile.required if present.isdisjoint(kinds)]
    return DatasetGroup(name, tuple(frames), tuple(missing))
