"""A raw frame as its header tells it, read by a spectrograph's profile: values, lamps, types."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from kpfnb.adap.products.dataset import COMPLETE, INCOMPLETE, Dataset
from kpfnb.adap.profiles.spectrograph import LITERAL_MARK, FrameRule, HeaderSource, Profile
from kpfnb.core.fits import headers
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.storage import paths

HeaderValues = Mapping[str, HeaderValue]

MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
FIRST_MJD = 44_239  # 1980
LAST_MJD = 88_069  # 2100
DEGREES_AN_HOUR = 15

_SEXAGESIMAL = re.compile(r"([+-]?)(\d+)[: ](\d+)[: ](\d+(?:\.\d*)?)")


@dataclass(frozen=True)
class RawExposure:
    """One raw frame.

    Attributes
    ----------
    values : by their names in the profile; angles in degrees, `exptime` in seconds, `mjd` in days
        (UTC); None where the header has none
    lamps : those that are lit
    types : PypeIt's frame types; none where no rule fits
    defect : why the frame can't be placed ('' where it can): the header is unreadable, or has no
        name, time or exposure
    missing : names of the other values that the header lacks; PypeIt can't use the frame
    """

    path: Path
    values: Mapping[str, str | float | None] = field(default_factory=dict)
    lamps: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    defect: str = ""
    missing: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its name."""
        return self.path.name

    @property
    def mjd(self) -> float:
        """When it was taken (days, UTC)."""
        return float(self.values["mjd"] or 0)

    @property
    def night(self) -> date:
        """The UT date on which it was taken."""
        return (MJD_ZERO + timedelta(days=self.mjd)).date()


def read_exposure(path: Path, profile: Profile) -> RawExposure:
    """The frame; what is wrong with its header is in it, never raised."""
    try:
        header = headers.read_header(path, profile.keywords)
    except InvalidHeaderError as error:
        return RawExposure(path, defect=f"{error.args[1]}{error.args[2] and f': {error.args[2]}'}")
    return interpret_header(path, header, profile)


def interpret_header(path: Path, header: HeaderValues, profile: Profile) -> RawExposure:
    """The frame that has this header; pure."""
    values = {name: header_value(header, source) for name, source in profile.header.items()}
    lamps = _lit_lamps(header, values, profile)
    types = dict.fromkeys(
        kind
        for rule in profile.frames
        if _rule_matches(rule, values, lamps, profile)
        for kind in rule.types
    )
    missing = [name for name in profile.header if values[name] is None]
    needed = [name for name in missing if name in (*profile.group_by, "mjd", "exptime")]
    defect = (
        f"its header has no {_name_keywords(needed, profile)}"
        if needed
        else _implausible_value(values)
    )
    others = tuple(_name_keywords([name], profile) for name in missing if name not in needed)
    return RawExposure(path, values, lamps or (), tuple(types), defect, others)


def header_value(header: HeaderValues, source: HeaderSource) -> str | float | None:
    """The value that a header has in that place; None where there is none, or nonsense."""
    value: str | float | None
    if source.day:
        value = _to_mjd(f"{header.get(source.day)}T{str(header.get(source.time)).strip()}")
    elif source.moment:
        value = _to_mjd(str(header.get(source.moment)))
    else:
        keyword = source.keyword or _chosen_keyword(source, header.get(source.by))
        value = _convert_value(header.get(keyword), source.kind) if keyword else None
    if value is None and source.otherwise:
        return header_value(header, source.otherwise)
    return value


def _chosen_keyword(source: HeaderSource, value: object) -> str:
    named = {str(key): keyword for key, keyword in source.keywords.items()}
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return named.get(str(whole).strip(), "")


def _convert_value(value: object, kind: str) -> str | float | None:
    text = "" if value is None else str(value).strip()
    if not text or isinstance(value, bool):
        return None
    if kind == "text":
        return text
    if found := _SEXAGESIMAL.fullmatch(text):
        sign, *parts = found.groups()
        units, minutes, seconds = map(float, parts)
        number = (units + minutes / 60 + seconds / 3600) * (-1 if sign == "-" else 1)
        return number * (DEGREES_AN_HOUR if kind == "hours" else 1) if kind != "number" else None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _to_mjd(moment: str) -> float | None:
    try:
        taken = datetime.fromisoformat(moment.strip())
    except ValueError:
        return None
    return (taken.replace(tzinfo=taken.tzinfo or UTC) - MJD_ZERO) / timedelta(days=1)


def _lit_lamps(
    header: HeaderValues, values: Mapping[str, str | float | None], profile: Profile
) -> tuple[str, ...] | None:
    """The lit lamps; None where the header does not tell."""
    lamps = profile.lamps
    if lamps.listed:
        told = values[lamps.listed]
        if told is None:
            return None
        return () if told == lamps.dark else tuple(sorted(str(told).split()))
    every = {**lamps.flat, **lamps.arc}
    return tuple(
        name for key, name in every.items() if str(header.get(key, "")).strip() == lamps.lit
    )


def _rule_matches(
    rule: FrameRule,
    values: Mapping[str, str | float | None],
    lamps: tuple[str, ...] | None,
    profile: Profile,
) -> bool:
    seconds = values["exptime"]
    if not isinstance(seconds, float) or seconds not in rule.exptime:
        return False
    if rule.lamps != "any":
        if lamps is None:
            return False
        lit = {"none": not lamps, "some": bool(lamps)}
        if rule.lamps in ("arc", "flat"):
            some = profile.lamps.arc if rule.lamps == "arc" else profile.lamps.flat
            lit[rule.lamps] = not set(some.values()).isdisjoint(lamps)
        if not lit[rule.lamps]:
            return False
    return all(str(values[name]) in texts for name, texts in rule.when.items())


def _implausible_value(values: Mapping[str, str | float | None]) -> str:
    mjd, seconds = values["mjd"], values["exptime"]
    if not isinstance(mjd, float) or not FIRST_MJD < mjd < LAST_MJD:
        return f"its time is impossible: MJD {mjd}"
    if not isinstance(seconds, float) or seconds < 0:
        return f"its exposure is impossible: {seconds} s"
    return ""


def _name_keywords(names: list[str], profile: Profile) -> str:
    """The names of values with the keywords where they were looked for."""
    cards = {name: sorted(profile.header[name].all_keywords()) for name in names}
    return ", ".join(f"{name} ({' or '.join(keys)})" for name, keys in cards.items())


# Which frames belong together: the same mask and configuration, and nights that are near.

WINDOW_DAYS = 3.0

GroupKey = tuple[str, ...]

_FORBIDDEN_CHARACTERS = re.compile(r"[^A-Za-z0-9._\-+=@,~()]+")


@dataclass(frozen=True)
class DatasetGroup:
    """The frames of one dataset.

    Attributes
    ----------
    lacking : what it has not to be complete, as "science" or "pixelflat or illumflat"
    """

    dataset: Dataset
    frames: tuple[RawExposure, ...]
    missing_types: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where its raw frames belong, below the root."""
        return f"{self.dataset}/{INCOMPLETE if self.missing_types else COMPLETE}/raw"


def group_frames(
    frames: Iterable[RawExposure], profile: Profile, window_days: float = WINDOW_DAYS
) -> list[DatasetGroup]:
    """The datasets that the frames make, by name.

    Frames whose gap in time is within the window join, and so do all that are joined to them.
    """
    by_key: dict[GroupKey, list[RawExposure]] = defaultdict(list)
    for frame in frames:
        by_key[group_key(frame, profile)].append(frame)
    groups = [
        _make_group(key, some, profile)
        for key, members in by_key.items()
        for some in split_by_gaps(members, window_days)
    ]
    return sorted(groups, key=lambda one: (str(one.dataset), group_key(one.frames[0], profile)))


def split_by_gaps(frames: Sequence[RawExposure], window_days: float) -> list[list[RawExposure]]:
    """The frames in order of time, parted where nothing was taken for longer than the window."""
    parts: list[list[RawExposure]] = []
    for frame in sorted(frames, key=lambda one: (one.mjd, one.path)):
        if parts and frame.mjd - parts[-1][-1].mjd <= window_days:
            parts[-1].append(frame)
        else:
            parts.append([frame])
    return parts


def group_key(frame: RawExposure, profile: Profile) -> GroupKey:
    """What frames of one mask and configuration share, as texts, rounded as the profile says."""
    return tuple(_value_text(frame, name, profile) for name in profile.group_by)


def dataset_name_parts(frame: RawExposure, profile: Profile) -> tuple[str, str]:
    """The first two parts of the dataset's name."""
    mask, config = (
        sanitize_name("_".join(_value_text(frame, part, profile) for part in parts))
        for parts in (profile.names.mask, profile.names.config)
    )
    return mask, config


def sanitize_name(name: str) -> str:
    """A name for files and folders: / becomes -, other strange characters become one _."""
    safe = _FORBIDDEN_CHARACTERS.sub("_", name.replace("/", "-"))[: paths.MAX_NAME_LENGTH]
    # A leading dot hides a folder, a leading dash looks like an option
    return safe.lstrip(".-~") or "_"


def _value_text(frame: RawExposure, part: str, profile: Profile) -> str:
    if part.startswith(LITERAL_MARK):
        return part.removeprefix(LITERAL_MARK)
    value = frame.values[part]
    if isinstance(value, float):
        return f"{value:.{profile.decimals.get(part, 3)}f}"
    return str(value)


def _make_group(key: GroupKey, frames: Sequence[RawExposure], profile: Profile) -> DatasetGroup:
    nights = [frame.night for frame in frames]
    name = Dataset(*dataset_name_parts(frames[0], profile), min(nights), max(nights))
    there = {kind for frame in frames for kind in frame.types}
    lacking = [" or ".join(kinds) for kinds in profile.required if there.isdisjoint(kinds)]
    return DatasetGroup(name, tuple(frames), tuple(lacking))
