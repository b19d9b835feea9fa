"""The limits of a good slit, for all datasets and for single ones, and the faults beyond them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kpfnb.adap.products import dataset
from kpfnb.adap.score.measurements import Slit
from kpfnb.core import strict_yaml
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.strict_yaml import StrictModel

LIMITS_FILE = Path(__file__).with_name("limits.yml")
"""The package's own limits."""

LimitValue = Annotated[float, Field(ge=0, strict=True)]


class ScoreLimits(StrictModel):
    """The limits for one dataset.

    Attributes
    ----------
    rms_thresh : RMS of the wavelength solution, in pixels; above it a slit is bad
    flex_shift_thresh : size of the spectral flexure, in pixels; from it on flexure is reported
    wave_cov_thresh : part of the spectral range covered by arc lines, in %; below it a slit is bad
    lower_std_chi, upper_std_chi : range of a good standard deviation of chi
    notes : for people
    """

    rms_thresh: LimitValue = 0.4
    flex_shift_thresh: LimitValue = 10.0
    wave_cov_thresh: LimitValue = 60.0
    lower_std_chi: LimitValue = 0.6
    upper_std_chi: LimitValue = 1.6
    notes: Any = None


class ScoreCriteria(StrictModel):
    """The limits for all datasets, and those of single datasets that differ."""

    default: ScoreLimits = Field(default=ScoreLimits(), alias="limits")
    datasets: dict[str, ScoreLimits] | None = None
    """Limits of single datasets; limits that are not given are the default ones."""

    def for_dataset(self, name: str) -> ScoreLimits:
        """The limits for one dataset."""
        limits = (self.datasets or {}).get(name)
        changed = limits.model_dump(exclude_unset=True, exclude={"notes"}) if limits else {}
        return self.default.model_copy(update=changed)


def load_criteria(path: str | Path = "") -> ScoreCriteria:
    """The criteria in a file; by default the package's own.

    `InvalidInputError` with the line if the file has an unknown limit, a value that is not a
    number, or a name that is not a dataset.
    """
    file = Path(path).expanduser() if path else LIMITS_FILE
    document = strict_yaml.read_yaml(file, hint=f"write it as {LIMITS_FILE}")
    criteria = document.parse(ScoreCriteria, document.require_mapping("a file of limits"))
    for name in criteria.datasets or {}:
        try:
            dataset.parse_dataset(name)
        except InvalidInputError as error:
            raise document.error_at(error.what, "datasets", name) from None
    return criteria


class SlitFault(StrEnum):
    """One fault of a slit; the faults that PypeIt flags have the names in its headers."""

    COVERAGE = "coverage"
    RMS = "rms"
    CHI = "chi"
    FLEXURE = "flexure"
    """Reported only, because PypeIt corrects it: the slit is not bad."""
    WAVELENGTHS = "BADWVCALIB"
    TILTS = "BADTILTCALIB"
    FLAT = "BADFLATCALIB"
    NO_FLAT = "SKIPFLATCALIB"
    """The slit was reduced without a flat. Reported only: the slit is not bad."""
    SKY = "BADSKYSUB"
    EXTRACTION = "BADEXTRACT"


BAD_FLAGS = frozenset(
    {SlitFault.WAVELENGTHS, SlitFault.TILTS, SlitFault.FLAT, SlitFault.SKY, SlitFault.EXTRACTION}
)
BAD_FAULTS = BAD_FLAGS | {SlitFault.COVERAGE, SlitFault.RMS, SlitFault.CHI}
"""A slit with any of these faults is bad."""

FLAG_FAULTS = BAD_FLAGS | {SlitFault.NO_FLAT}


def find_faults(slit: Slit, limits: ScoreLimits) -> frozenset[SlitFault]:
    """All faults of a slit. A measure that is missing is no fault."""
    is_beyond = {
        SlitFault.COVERAGE: slit.coverage is not None and slit.coverage < limits.wave_cov_thresh,
        SlitFault.RMS: slit.rms is not None and slit.rms > limits.rms_thresh,
        SlitFault.CHI: slit.std_chi is not None
        and (slit.std_chi < limits.lower_std_chi or slit.std_chi > limits.upper_std_chi),
        SlitFault.FLEXURE: slit.flexure is not None
        and abs(slit.flexure) >= limits.flex_shift_thresh,
    }
    measured = [fault for fault, is_fault in is_beyond.items() if is_fault]
    return frozenset(measured + [fault for fault in FLAG_FAULTS if fault in slit.flags])
