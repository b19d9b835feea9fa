"""Raw frames described by their headers: values, lamps and frame types.

The spectrograph's profile says how to read them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from kpfnb.adap.profiles.spectrograph import UNKNOWN_TYPE, FrameRule, HeaderSource, Profile
from kpfnb.core.fits import headers
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import InvalidHeaderError

HeaderValues = Mapping[str, HeaderValue]
FrameValues = Mapping[str, str | float | None]

MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
FIRST_MJD = 44_239  # 1980
LAST_MJD = 88_069  # 2100
DEGREES_AN_HOUR = 15

_SEXAGESIMAL = re.compile(r"([+-]?)(\d+)[: ](\d+)[: ](\d+(?:\.\d*)?)")


@dataclass(frozen=True)
class RawExposure:
    """A raw frame as its header describes it.

    Attributes
    ----------
    values : by their names in the profile; angles in degrees, `exptime` in seconds, `mjd` in days
        (UTC); None if the header has none
    lamps : the lit lamps
    types : PypeIt's frame types; empty if no rule matches
    defect : why the frame can't be placed ('' if it can): the header is unreadable, or has no
        name, time or exposure
    missing : names of the other values that the header does not have; PypeIt can't use the frame
    """

    path: Path
    values: FrameValues = field(default_factory=dict)
    lamps: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    defect: str = ""
    missing: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def mjd(self) -> float:
        """The start of the exposure (days, UTC)."""
        return float(self.values["mjd"] or 0)

    @property
    def night(self) -> date:
        """The UT date of the exposure."""
        return (MJD_ZERO + timedelta(days=self.mjd)).date()


def read_exposure(path: Path, profile: Profile) -> RawExposure:
    """Read the header of a frame; a header that is not valid becomes its `defect`."""
    try:
        header = headers.read_header(path, profile.keywords)
    except InvalidHeaderError as error:
        return RawExposure(path, defect=f"{error.args[1]}{error.args[2] and f': {error.args[2]}'}")
    return interpret_header(path, header, profile)


def interpret_header(path: Path, header: HeaderValues, profile: Profile) -> RawExposure:
    """The frame with this header; reads nothing."""
    values = {name: header_value(header, source) for name, source in profile.header.items()}
    lamps = _lit_lamps(header, values, profile)
    types = dict.fromkeys(
        kind
        for rule in profile.frames
        if _rule_matches(rule, values, lamps, profile)
        for kind in rule.types
    )
    missing = [name for name in profile.header if values[name] is None]
    required = [name for name in missing if name in (*profile.group_by, "mjd", "exptime")]
    defect = (
        f"its header has no {_name_keywords(required, profile)}"
        if required
        else _implausible_value(values)
    )
    others = tuple(_name_keywords([name], profile) for name in missing if name not in required)
    return RawExposure(path, values, lamps or (), tuple(types), defect, others)


def header_value(header: HeaderValues, source: HeaderSource) -> str | float | None:
    """The value at that place of a header; None if it is missing or not valid."""
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
    keywords = {str(key): keyword for key, keyword in source.keywords.items()}
    key = int(value) if isinstance(value, float) and value.is_integer() else value
    return keywords.get(str(key).strip(), "")


def _convert_value(value: object, kind: str) -> str | float | None:
    text = "" if value is None else str(value).strip()
    if not text or isinstance(value, bool):
        return None
    if kind == "text":
        return text
    if match := _SEXAGESIMAL.fullmatch(text):
        sign, *parts = match.groups()
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
        time = datetime.fromisoformat(moment.strip())
    except ValueError:
        return None
    return (time.replace(tzinfo=time.tzinfo or UTC) - MJD_ZERO) / timedelta(days=1)


def _lit_lamps(
    header: HeaderValues, values: FrameValues, profile: Profile
) -> tuple[str, ...] | None:
    """The lit lamps; None if the header does not say."""
    lamps = profile.lamps
    if lamps.listed:
        text = values[lamps.listed]
        if text is None:
            return None
        return () if text == lamps.dark else tuple(sorted(str(text).split()))
    keywords = {**lamps.flat, **lamps.arc}
    return tuple(
        name for key, name in keywords.items() if str(header.get(key, "")).strip() == lamps.lit
    )


def _rule_matches(
    rule: FrameRule,
    values: FrameValues,
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
            names = profile.lamps.arc if rule.lamps == "arc" else profile.lamps.flat
            lit[rule.lamps] = not set(names.values()).isdisjoint(lamps)
        if not lit[rule.lamps]:
            return False
    return all(str(values[name]) in texts for name, texts in rule.when.items())


def _implausible_value(values: FrameValues) -> str:
    mjd, seconds = values["mjd"], values["exptime"]
    if not isinstance(mjd, float) or not FIRST_MJD < mjd < LAST_MJD:
        return f"its time is not plausible: MJD {mjd}"
    if not isinstance(seconds, float) or seconds < 0:
        return f"its exposure time is not plausible: {seconds} s"
    return ""


def _name_keywords(names: list[str], profile: Profile) -> str:
    """The names of values, each with its keywords in parentheses."""
    cards = {name: sorted(profile.header[name].all_keywords()) for name in names}
    return ", ".join(f"{name} ({' or '.join(keys)})" for name, keys in cards.items())


def dropped_type(frame: RawExposure, profile: Profile) -> str:
    """The type for which the profile drops a frame; '' if it keeps the frame."""
    types = frame.types or (UNKNOWN_TYPE,)
    return types[0] if all(kind in profile.dropped for kind in types) else ""
