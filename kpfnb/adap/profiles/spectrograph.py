"""What depends on the spectrograph, as data: a YAML file each in `profiles/`.

    profile = profile.load("keck_deimos")

A file of the same kind anywhere else can be named by its path, for a spectrograph that is not here.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kpfnb import yamlfile
from kpfnb.adap.coadding.coaddrules import CoaddRules
from kpfnb.errors import BadParameter
from kpfnb.yamlfile import Strict

FOLDER = Path(__file__).with_name("profiles")
SUFFIX = ".yml"
UNKNOWN = "unknown"
"""The type of a frame that fits no rule."""
LITERAL = "="
"""Begins a part of a name that stands for itself."""

FRAME_TYPES = (
    *("arc", "bias", "dark", "illumflat", "lampoffflats", "pinhole", "pixelflat", "scattlight"),
    *("science", "sky", "slitless_pixflat", "standard", "tilt", "trace", "align"),
)


def _known(types: tuple[str, ...]) -> tuple[str, ...]:
    for kind in types:
        if kind not in (*FRAME_TYPES, UNKNOWN):
            raise ValueError(f"{kind!r} is no frame type of PypeIt: {', '.join(FRAME_TYPES)}")
    return types


Types = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)]


class Source(Strict):
    """Where a value is in the header: in one place of `keyword`, `by`, `moment` and `day`."""

    keyword: str = ""
    by: str = ""
    """The keyword whose value chooses one of `keywords`."""
    keywords: dict[str | int, str] = {}
    moment: str = ""
    """The keyword of a moment, as 2015-05-20T01:35:58.10; it becomes an MJD."""
    day: str = ""
    """The keyword of a day; that of the time of day is in `time`. They become an MJD."""
    time: str = ""
    kind: Literal["text", "number", "degrees", "hours"] = Field("text", alias="is")
    """Sexagesimal degrees or hours become degrees; a plain number is in degrees."""
    otherwise: Source | None = Field(None, alias="or")
    """Where to look when there is nothing in the first place."""
    in_table: bool = True
    """Whether PypeIt has a column for it in its reduction file."""

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        places = [self.keyword, self.by, self.moment, self.day]
        if sum(map(bool, places)) != 1:
            raise ValueError("write one of keyword, by, moment and day")
        if bool(self.by) != bool(self.keywords) or bool(self.day) != bool(self.time):
            raise ValueError("by goes with keywords, day goes with time")
        return self

    def cards(self) -> set[str]:
        """All keywords that may be read for it."""
        own = {self.keyword, self.by, self.moment, self.day, self.time, *self.keywords.values()}
        return (own - {""}) | (self.otherwise.cards() if self.otherwise else set())


class Lamps(Strict):
    """Which lamps are lit: a value that lists them, or a keyword for each."""

    listed: str = Field("", alias="list")
    """The value, by its name in `header`, that lists the lamps with blanks between."""
    dark: str = ""
    """What it says where no lamp is lit."""
    lit: str = ""
    """What the keyword of a lamp says where it is lit."""
    flat: dict[str, str] = {}
    arc: dict[str, str] = {}
    """The lamp of each keyword."""

    @model_validator(mode="after")
    def _one_way(self) -> Lamps:
        if bool(self.listed) == bool(self.lit):
            raise ValueError("write list and dark, or lit, flat and arc")
        return self


class Range(Strict):
    """Seconds: longer than `above`, not longer than `upto`."""

    above: float | None = None
    upto: float | None = None

    def __contains__(self, seconds: float) -> bool:
        low = self.above is None or seconds > self.above
        return low and (self.upto is None or seconds <= self.upto)


class Rule(Strict):
    """Which frames have these types."""

    types: Types
    when: dict[str, tuple[str, ...]] = {}
    """Values by their names in `header`, each with the texts that fit."""
    exptime: Range = Range()
    lamps: Literal["any", "none", "some", "arc", "flat"] = "any"


class Criterion(Strict):
    """A value that lies between two, both included."""

    value: str
    least: float
    greatest: float


class Choice(Strict):
    """Which frames of these types are used in a trimmed setup: the latest of the best."""

    types: Types
    per_lamp_set: bool = False
    """So many for each set of lamps that adds one; otherwise of all."""
    most: int = Field(ge=1)
    criteria: tuple[Criterion, ...] = ()


class Names(Strict):
    """The parts of a dataset's name: values by their names in `header`, or texts after `=`."""

    mask: tuple[str, ...] = Field(min_length=1)
    config: tuple[str, ...] = Field(min_length=1)


class Profile(Strict):
    """A spectrograph; see the comments in `profiles/keck_deimos.yml`."""

    spectrograph: str
    slit_masks: bool
    header: dict[str, Source]
    lamps: Lamps
    names: Names
    decimals: dict[str, int] = {}
    frames: tuple[Rule, ...] = Field(min_length=1)
    required: tuple[Types, ...]
    dropped: tuple[str, ...] = ()
    trimming: tuple[Choice, ...] = ()
    setup: tuple[str, ...]
    parameters: str
    coadd: CoaddRules | None = None

    @cached_property
    def group_by(self) -> tuple[str, ...]:
        """The values that frames of one dataset share, apart from the dates."""
        parts = (*self.names.mask, *self.names.config)
        return tuple(part for part in parts if not part.startswith(LITERAL))

    @cached_property
    def keywords(self) -> tuple[str, ...]:
        """All keywords that are read from a header."""
        found = set().union(*(source.cards() for source in self.header.values()))
        return tuple(sorted(found | self.lamps.flat.keys() | self.lamps.arc.keys()))

    @property
    def parameter_lines(self) -> tuple[str, ...]:
        """The default parameters in PypeIt's notation."""
        return tuple(self.parameters.rstrip().splitlines())

    @model_validator(mode="after")
    def _names_are_known(self) -> Profile:
        for place, name in self._used():
            if name not in self.header:
                raise ValueError(f"{place}: {name!r} is not in header")
        return self

    def _used(self) -> list[tuple[str, str]]:
        """Every name of a value that is used, with the place of the use."""
        used = [("names", name) for name in self.group_by]
        used += [("header", name) for name in ("mjd", "exptime", "target")]
        used += [("decimals", name) for name in self.decimals]
        used += [("setup", name) for name in self.setup]
        used += [("lamps", self.lamps.listed)] if self.lamps.listed else []
        used += [("frames", name) for rule in self.frames for name in rule.when]
        used += [("trimming", one.value) for choice in self.trimming for one in choice.criteria]
        return used


def known() -> list[str]:
    """The names of the profiles that are here."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load(name: str | Path) -> Profile:
    """The profile of that name, or in the file of that path.

    Raises
    ------
    BadParameter : there is none of that name
    BadInput : the file is wrong; names it and the place in it
    """
    path = Path(name).expanduser()
    if path.suffix not in (SUFFIX, ".yaml"):
        path = FOLDER / f"{name}{SUFFIX}"
        if str(name) not in known():
            raise BadParameter(
                f"spectrograph: no profile {str(name)!r}",
                f"there are: {', '.join(known())}; or name a file of your own (*{SUFFIX})",
            )
    document = yamlfile.read(path, hint=f"compare it with those in {FOLDER}")
    return document.parse(Profile, document.mapping("a profile"))


def for_spectrograph(pypeit_name: str) -> Profile:
    """The profile of a spectrograph, by PypeIt's name of it; `BadParameter` where there is none."""
    return load(pypeit_name)
