"""A raw frame as its header tells it, read by a spectrograph's profile: values, lamps, types."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from kpfnb import fitsheader
from kpfnb.adap.profile import Profile, Rule, Source
from kpfnb.fitscards import Value
from kpfnb.fitsheader import BadHeader

Header = Mapping[str, Value]

MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
FIRST_MJD = 44_239  # 1980
LAST_MJD = 88_069  # 2100
DEGREES_AN_HOUR = 15

_SEXAGESIMAL = re.compile(r"([+-]?)(\d+)[: ](\d+)[: ](\d+(?:\.\d*)?)")


@dataclass(frozen=True)
class Exposure:
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


def read(path: Path, profile: Profile) -> Exposure:
    """The frame; what is wrong with its header is in it, never raised."""
    try:
        header = fitsheader.read(path, profile.keywords)
    except BadHeader as error:
        return Exposure(path, defect=f"{error.args[1]}{error.args[2] and f': {error.args[2]}'}")
    return interpret(path, header, profile)


def interpret(path: Path, header: Header, profile: Profile) -> Exposure:
    """The frame that has this header; pure."""
    values = {name: value_of(header, source) for name, source in profile.header.items()}
    lamps = _lamps(header, values, profile)
    types = dict.fromkeys(
        kind
        for rule in profile.frames
        if _fits(rule, values, lamps, profile)
        for kind in rule.types
    )
    missing = [name for name in profile.header if values[name] is None]
    needed = [name for name in missing if name in (*profile.group_by, "mjd", "exptime")]
    defect = f"its header has no {_told(needed, profile)}" if needed else _wrong(values)
    others = tuple(_told([name], profile) for name in missing if name not in needed)
    return Exposure(path, values, lamps or (), tuple(types), defect, others)


def value_of(header: Header, source: Source) -> str | float | None:
    """The value that a header has in that place; None where there is none, or nonsense."""
    value: str | float | None
    if source.day:
        value = _mjd(f"{header.get(source.day)}T{str(header.get(source.time)).strip()}")
    elif source.moment:
        value = _mjd(str(header.get(source.moment)))
    else:
        keyword = source.keyword or _chosen(source, header.get(source.by))
        value = _converted(header.get(keyword), source.kind) if keyword else None
    if value is None and source.otherwise:
        return value_of(header, source.otherwise)
    return value


def _chosen(source: Source, value: object) -> str:
    named = {str(key): keyword for key, keyword in source.keywords.items()}
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return named.get(str(whole).strip(), "")


def _converted(value: object, kind: str) -> str | float | None:
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


def _mjd(moment: str) -> float | None:
    try:
        taken = datetime.fromisoformat(moment.strip())
    except ValueError:
        return None
    return (taken.replace(tzinfo=taken.tzinfo or UTC) - MJD_ZERO) / timedelta(days=1)


def _lamps(
    header: Header, values: Mapping[str, str | float | None], profile: Profile
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


def _fits(
    rule: Rule,
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


def _wrong(values: Mapping[str, str | float | None]) -> str:
    mjd, seconds = values["mjd"], values["exptime"]
    if not isinstance(mjd, float) or not FIRST_MJD < mjd < LAST_MJD:
        return f"its time is impossible: MJD {mjd}"
    if not isinstance(seconds, float) or seconds < 0:
        return f"its exposure is impossible: {seconds} s"
    return ""


def _told(names: list[str], profile: Profile) -> str:
    """The names of values with the keywords where they were looked for."""
    cards = {name: sorted(profile.header[name].cards()) for name in names}
    return ", ".join(f"{name} ({' or '.join(keys)})" for name, keys in cards.items())
