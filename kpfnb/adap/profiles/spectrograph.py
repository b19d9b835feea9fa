"""What depends on the spectrograph, as data: a YAML file each in `profiles/`.

    profile = profile.load("keck_deimos")

A file of the same kind anywhere else can be named by its path, for a spectrograph that is not here.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from kpfnb.adap.pypeit import input_files
from kpfnb.adap.pypeit.input_files import ParameterTree
from kpfnb.core import strict_yaml
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.strict_yaml import StrictModel

# How spectra are calibrated and coadded: the section `coadd` of a spectrograph's profile.


class CoaddRules(StrictModel):
    """The texts are parameters in PypeIt's notation.

    Attributes
    ----------
    flux : where the sensitivity function comes from: PypeIt's archive, or a standard of the dataset
    sens : for pypeit_sensfunc
    fluxcalib : for pypeit_flux_calib
    collate1d : for pypeit_collate_1d
    coadd2d : for pypeit_coadd_2dspec
    detectors : what PypeIt wants to be told for a detector or mosaic, as {"MSC01": "1,5"}
    """

    flux: Literal["archive", "standard"] = "standard"
    sens: str = ""
    fluxcalib: str = ""
    collate1d: str
    coadd2d: str = ""
    detectors: dict[str, str] = {}

    @field_validator("sens", "fluxcalib", "collate1d", "coadd2d")
    @classmethod
    def _check_notation(cls, text: str) -> str:
        try:
            input_files.parse_parameters(text.splitlines())
        except InvalidInputError as error:
            raise ValueError(error.what) from None
        return text

    def parameter_tree(self, name: str) -> ParameterTree:
        """The parameters of that name, read."""
        text: str = getattr(self, name)
        return input_files.parse_parameters(text.splitlines())

    def detector_number(self, detector: str) -> str:
        """What PypeIt wants to be told for a detector: of DET03 it is 3; '' where nobody knows."""
        if detector in self.detectors:
            return self.detectors[detector]
        return str(int(detector[3:])) if detector.startswith("DET") else ""


PROFILES_FOLDER = Path(__file__).parent
PROFILE_SUFFIX = ".yml"
UNKNOWN_TYPE = "unknown"
"""The type of a frame that fits no rule."""
LITERAL_MARK = "="
"""Begins a part of a name that stands for itself."""

FRAME_TYPES = (
    *("arc", "bias", "dark", "illumflat", "lampoffflats", "pinhole", "pixelflat", "scattlight"),
    *("science", "sky", "slitless_pixflat", "standard", "tilt", "trace", "align"),
)


def _check_types(types: tuple[str, ...]) -> tuple[str, ...]:
    for kind in types:
        if kind not in (*FRAME_TYPES, UNKNOWN_TYPE):
            raise ValueError(f"{kind!r} is no frame type of PypeIt: {', '.join(FRAME_TYPES)}")
    return types


FrameTypes = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_check_types)]


class HeaderSource(StrictModel):
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
    otherwise: HeaderSource | None = Field(None, alias="or")
    """Where to look when there is nothing in the first place."""
    in_table: bool = True
    """Whether PypeIt has a column for it in its reduction file."""

    @model_validator(mode="after")
    def _one_place(self) -> HeaderSource:
        places = [self.keyword, self.by, self.moment, self.day]
        if sum(map(bool, places)) != 1:
            raise ValueError("write one of keyword, by, moment and day")
        if bool(self.by) != bool(self.keywords) or bool(self.day) != bool(self.time):
            raise ValueError("by goes with keywords, day goes with time")
        return self

    def all_keywords(self) -> set[str]:
        """All keywords that may be read for it."""
        own = {self.keyword, self.by, self.moment, self.day, self.time, *self.keywords.values()}
        return (own - {""}) | (self.otherwise.all_keywords() if self.otherwise else set())


class LampRules(StrictModel):
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
    def _one_way(self) -> LampRules:
        if bool(self.listed) == bool(self.lit):
            raise ValueError("write list and dark, or lit, flat and arc")
        return self


class SecondsRange(StrictModel):
    """Seconds: longer than `above`, not longer than `upto`."""

    above: float | None = None
    upto: float | None = None

    def __contains__(self, seconds: float) -> bool:
        low = self.above is None or seconds > self.above
        return low and (self.upto is None or seconds <= self.upto)


class FrameRule(StrictModel):
    """Which frames have these types."""

    types: FrameTypes
    when: dict[str, tuple[str, ...]] = {}
    """Values by their names in `header`, each with the texts that fit."""
    exptime: SecondsRange = SecondsRange()
    lamps: Literal["any", "none", "some", "arc", "flat"] = "any"


class ChoiceCriterion(StrictModel):
    """A value that lies between two, both included."""

    value: str
    least: float
    greatest: float


class CalibrationChoice(StrictModel):
    """Which frames of these types are used in a trimmed setup: the latest of the best."""

    types: FrameTypes
    per_lamp_set: bool = False
    """So many for each set of lamps that adds one; otherwise of all."""
    most: int = Field(ge=1)
    criteria: tuple[ChoiceCriterion, ...] = ()


class DatasetNameParts(StrictModel):
    """The parts of a dataset's name: values by their names in `header`, or texts after `=`."""

    mask: tuple[str, ...] = Field(min_length=1)
    config: tuple[str, ...] = Field(min_length=1)


class Profile(StrictModel):
    """A spectrograph; see the comments in `profiles/keck_deimos.yml`."""

    spectrograph: str
    slit_masks: bool
    header: dict[str, HeaderSource]
    lamps: LampRules
    names: DatasetNameParts
    decimals: dict[str, int] = {}
    frames: tuple[FrameRule, ...] = Field(min_length=1)
    required: tuple[FrameTypes, ...]
    dropped: tuple[str, ...] = ()
    trimming: tuple[CalibrationChoice, ...] = ()
    setup: tuple[str, ...]
    parameters: str
    coadd: CoaddRules | None = None

    @cached_property
    def group_by(self) -> tuple[str, ...]:
        """The values that frames of one dataset share, apart from the dates."""
        parts = (*self.names.mask, *self.names.config)
        return tuple(part for part in parts if not part.startswith(LITERAL_MARK))

    @cached_property
    def keywords(self) -> tuple[str, ...]:
        """All keywords that are read from a header."""
        found = set().union(*(source.all_keywords() for source in self.header.values()))
        return tuple(sorted(found | self.lamps.flat.keys() | self.lamps.arc.keys()))

    @property
    def parameter_lines(self) -> tuple[str, ...]:
        """The default parameters in PypeIt's notation."""
        return tuple(self.parameters.rstrip().splitlines())

    @model_validator(mode="after")
    def _names_are_known(self) -> Profile:
        for place, name in self._used_names():
            if name not in self.header:
                raise ValueError(f"{place}: {name!r} is not in header")
        return self

    def _used_names(self) -> list[tuple[str, str]]:
        """Every name of a value that is used, with the place of the use."""
        used = [("names", name) for name in self.group_by]
        used += [("header", name) for name in ("mjd", "exptime", "target")]
        used += [("decimals", name) for name in self.decimals]
        used += [("setup", name) for name in self.setup]
        used += [("lamps", self.lamps.listed)] if self.lamps.listed else []
        used += [("frames", name) for rule in self.frames for name in rule.when]
        used += [("trimming", one.value) for choice in self.trimming for one in choice.criteria]
        return used


def list_profiles() -> list[str]:
    """The names of the profiles that are here."""
    return sorted(path.stem for path in PROFILES_FOLDER.glob(f"*{PROFILE_SUFFIX}"))


def load_profile(name: str | Path) -> Profile:
    """The profile of that name, or in the file of that path.

    Raises
    ------
    InvalidParameterError : there is none of that name
    InvalidInputError : the file is wrong; names it and the place in it
    """
    path = Path(name).expanduser()
    if path.suffix not in (PROFILE_SUFFIX, ".yaml"):
        path = PROFILES_FOLDER / f"{name}{PROFILE_SUFFIX}"
        if str(name) not in list_profiles():
            raise InvalidParameterError(
                f"spectrograph: no profile {str(name)!r}",
                f"there are: {', '.join(list_profiles())}; or name a file of your own (*{PROFILE_SUFFIX})",
            )
    document = strict_yaml.read_yaml(path, hint=f"compare it with those in {PROFILES_FOLDER}")
    return document.parse(Profile, document.require_mapping("a profile"))


def profile_for_spectrograph(pypeit_name: str) -> Profile:
    """The profile of a spectrograph, by PypeIt's name of it; `InvalidParameterError` where there is none."""
    return load_profile(pypeit_name)
