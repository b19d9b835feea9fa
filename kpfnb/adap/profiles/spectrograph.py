"""The profile of a spectrograph: a YAML file with everything that depends on it.

    profile = load_profile("keck_deimos")

For other spectrographs the path of a profile in the same format can be given instead of a name.
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

PROFILES_FOLDER = Path(__file__).parent
PROFILE_SUFFIX = ".yml"
UNKNOWN_TYPE = "unknown"
"""The type of a frame that matches no rule."""
LITERAL_MARK = "="
"""Marks a literal part of a name."""

FRAME_TYPES = (
    *("arc", "bias", "dark", "illumflat", "lampoffflats", "pinhole", "pixelflat", "scattlight"),
    *("science", "sky", "slitless_pixflat", "standard", "tilt", "trace", "align"),
)


class CoaddRules(StrictModel):
    """How spectra are calibrated and coadded, as parameters in PypeIt's notation.

    Attributes
    ----------
    flux : source of the sensitivity function: PypeIt's archive, or a standard of the dataset
    sens : for pypeit_sensfunc
    fluxcalib : for pypeit_flux_calib
    collate1d : for pypeit_collate_1d
    coadd2d : for pypeit_coadd_2dspec
    detectors : PypeIt's option for a detector or mosaic, for example {"MSC01": "1,5"}
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
        """The parsed parameters of the field `name`."""
        text: str = getattr(self, name)
        return input_files.parse_parameters(text.splitlines())

    def detector_number(self, detector: str) -> str:
        """PypeIt's option for a detector, for example 3 for DET03; '' if unknown."""
        if detector in self.detectors:
            return self.detectors[detector]
        return str(int(detector[3:])) if detector.startswith("DET") else ""


def _check_types(types: tuple[str, ...]) -> tuple[str, ...]:
    for kind in types:
        if kind not in (*FRAME_TYPES, UNKNOWN_TYPE):
            raise ValueError(f"{kind!r} is not a frame type of PypeIt: {', '.join(FRAME_TYPES)}")
    return types


FrameTypes = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_check_types)]


class HeaderSource(StrictModel):
    """Where a value is in the header: exactly one of `keyword`, `by`, `moment` and `day`."""

    keyword: str = ""
    by: str = ""
    """The keyword whose value selects one of `keywords`."""
    keywords: dict[str | int, str] = {}
    moment: str = ""
    """The keyword of a date and time, as 2015-05-20T01:35:58.10; converted to an MJD."""
    day: str = ""
    """The keyword of a date; `time` is the keyword of the time of day. Converted to an MJD."""
    time: str = ""
    kind: Literal["text", "number", "degrees", "hours"] = Field("text", alias="is")
    """Sexagesimal degrees or hours become degrees; a plain number is in degrees."""
    otherwise: HeaderSource | None = Field(None, alias="or")
    """A second source, used if the first one has no value."""
    in_table: bool = True
    """Whether PypeIt has a column for it in its `.pypeit` file."""

    @model_validator(mode="after")
    def _one_place(self) -> HeaderSource:
        sources = [self.keyword, self.by, self.moment, self.day]
        if sum(map(bool, sources)) != 1:
            raise ValueError("write one of keyword, by, moment and day")
        if bool(self.by) != bool(self.keywords) or bool(self.day) != bool(self.time):
            raise ValueError("by goes with keywords, day goes with time")
        return self

    def all_keywords(self) -> set[str]:
        """All keywords that may be read for the value."""
        names = {self.keyword, self.by, self.moment, self.day, self.time, *self.keywords.values()}
        return (names - {""}) | (self.otherwise.all_keywords() if self.otherwise else set())


class LampRules(StrictModel):
    """How the header says which lamps are lit: a value lists them, or each has a keyword."""

    listed: str = Field("", alias="list")
    """The name in `header` of the value that lists the lamps, separated by blanks."""
    dark: str = ""
    """Its text if no lamp is lit."""
    lit: str = ""
    """The text of a lamp's keyword if the lamp is lit."""
    flat: dict[str, str] = {}
    arc: dict[str, str] = {}
    """The name of the lamp by its keyword."""

    @model_validator(mode="after")
    def _one_way(self) -> LampRules:
        if bool(self.listed) == bool(self.lit):
            raise ValueError("write list and dark, or lit, flat and arc")
        return self


class SecondsRange(StrictModel):
    """A range of exposure times [s]: longer than `above`, not longer than `upto`."""

    above: float | None = None
    upto: float | None = None

    def __contains__(self, seconds: float) -> bool:
        low = self.above is None or seconds > self.above
        return low and (self.upto is None or seconds <= self.upto)


class FrameRule(StrictModel):
    """A rule for the frames of some types."""

    types: FrameTypes
    when: dict[str, tuple[str, ...]] = {}
    """The matching texts of values, by their names in `header`."""
    exptime: SecondsRange = SecondsRange()
    lamps: Literal["any", "none", "some", "arc", "flat"] = "any"


class ChoiceCriterion(StrictModel):
    """A range of a value, with both limits included."""

    value: str
    least: float
    greatest: float


class CalibrationChoice(StrictModel):
    """Which calibrations of some types a trimmed setup uses: the latest of the best."""

    types: FrameTypes
    per_lamp_set: bool = False
    """Whether `most` applies to each set of lamps that adds a lamp, instead of to all frames."""
    most: int = Field(ge=1)
    criteria: tuple[ChoiceCriterion, ...] = ()


class DatasetNameParts(StrictModel):
    """The parts of a dataset's name: names of values in `header`, or literal texts after `=`."""

    mask: tuple[str, ...] = Field(min_length=1)
    config: tuple[str, ...] = Field(min_length=1)


class Profile(StrictModel):
    """The profile of a spectrograph; `keck_deimos.yml` explains the fields."""

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
        """The names of the values that all frames of a dataset share, apart from the dates."""
        parts = (*self.names.mask, *self.names.config)
        return tuple(part for part in parts if not part.startswith(LITERAL_MARK))

    @cached_property
    def keywords(self) -> tuple[str, ...]:
        """All keywords to read from a header."""
        keywords = set().union(*(source.all_keywords() for source in self.header.values()))
        return tuple(sorted(keywords | self.lamps.flat.keys() | self.lamps.arc.keys()))

    @property
    def parameter_lines(self) -> tuple[str, ...]:
        """The default parameters in PypeIt's notation."""
        return tuple(self.parameters.rstrip().splitlines())

    @model_validator(mode="after")
    def _names_are_known(self) -> Profile:
        for section, name in self._used_names():
            if name not in self.header:
                raise ValueError(f"{section}: {name!r} is not in header")
        return self

    def _used_names(self) -> list[tuple[str, str]]:
        """The name of each value that the profile uses, and where it is used."""
        used = [("names", name) for name in self.group_by]
        used += [("header", name) for name in ("mjd", "exptime", "target")]
        used += [("decimals", name) for name in self.decimals]
        used += [("setup", name) for name in self.setup]
        used += [("lamps", self.lamps.listed)] if self.lamps.listed else []
        used += [("frames", name) for rule in self.frames for name in rule.when]
        criteria = [criterion for choice in self.trimming for criterion in choice.criteria]
        used += [("trimming", criterion.value) for criterion in criteria]
        return used


def list_profiles() -> list[str]:
    """The names of the package's profiles."""
    return sorted(path.stem for path in PROFILES_FOLDER.glob(f"*{PROFILE_SUFFIX}"))


def load_profile(name: str | Path) -> Profile:
    """The profile of that name, or in a file with the suffix .yml or .yaml.

    Raises
    ------
    InvalidParameterError : there is no profile of that name
    InvalidInputError : the file is not valid; the message names the file and the line
    """
    path = Path(name).expanduser()
    if path.suffix not in (PROFILE_SUFFIX, ".yaml"):
        path = PROFILES_FOLDER / f"{name}{PROFILE_SUFFIX}"
        names = list_profiles()
        if str(name) not in names:
            raise InvalidParameterError(
                f"spectrograph: no profile {str(name)!r}",
                f"profiles: {', '.join(names)}; or name a file of your own (*{PROFILE_SUFFIX})",
            )
    hint = f"compare it with the profiles in {PROFILES_FOLDER}"
    document = strict_yaml.read_yaml(path, hint=hint)
    return document.parse(Profile, document.require_mapping("a profile"))
