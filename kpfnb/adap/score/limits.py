"""What a reduction may have and still be good; limits for all datasets, and for single ones."""

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
"""The package's own."""

LimitValue = Annotated[float, Field(ge=0, strict=True)]


class ScoreLimits(StrictModel):
    """The limits for one dataset.

    Attributes
    ----------
    rms_thresh : RMS of the wavelength solution, in pixels; more is bad
    flex_shift_thresh : size of the spectral flexure, in pixels; so much is told
    wave_cov_thresh : part of the spectral range between identified lines, in %; less is bad
    lower_std_chi, upper_std_chi : the standard deviation of chi is good between these
    notes : why; for people
    """

    rms_thresh: LimitValue = 0.4
    flex_shift_thresh: LimitValue = 10.0
    wave_cov_thresh: LimitValue = 60.0
    lower_std_chi: LimitValue = 0.6
    upper_std_chi: LimitValue = 1.6
    notes: Any = None


class ScoreCriteria(StrictModel):
    """The limits for all datasets, and those that differ for some."""

    default: ScoreLimits = Field(default=ScoreLimits(), alias="limits")
    datasets: dict[str, ScoreLimits] | None = None
    """Those that are written count; the others are those for all."""

    def for_dataset(self, name: str) -> ScoreLimits:
        """The limits for one dataset."""
        own = (self.datasets or {}).get(name)
        written = own.model_dump(exclude_unset=True, exclude={"notes"}) if own else {}
        return self.default.model_copy(update=written)


def load_criteria(path: str | Path = "") -> ScoreCriteria:
    """The criteria of a file; by default the package's own.

    `InvalidInputError` names what is wrong in it, and its line: an unknown limit, no number, no dataset.
    """
    file = Path(path).expanduser() if path else LIMITS_FILE
    document = strict_yaml.read_yaml(file, hint=f"write it as {LIMITS_FILE}")
    found = document.parse(ScoreCriteria, document.require_mapping("a file of limits"))
    for name in found.datasets or {}:
        try:
            dataset.parse_dataset(name)
        except InvalidInputError as error:
            raise document.error_at(error.what, "datasets", name) from None
    return found


# What is wrong with a slit, by its limits and by PypeIt's own flags.


class SlitFault(StrEnum):
    """One thing that is wrong with a slit; PypeIt's flags by their names in its headers."""

    COVERAGE = "coverage"
    RMS = "rms"
    CHI = "chi"
    FLEXURE = "flexure"
    """Told, but the slit is not bad for it: PypeIt corrects it."""
    WAVELENGTHS = "BADWVCALIB"
    TILTS = "BADTILTCALIB"
    FLAT = "BADFLATCALIB"
    NO_FLAT = "SKIPFLATCALIB"
    """Told likewise: the slit was reduced without a flat."""
    SKY = "BADSKYSUB"
    EXTRACTION = "BADEXTRACT"


BAD_FLAGS = frozenset(
    {SlitFault.WAVELENGTHS, SlitFault.TILTS, SlitFault.FLAT, SlitFault.SKY, SlitFault.EXTRACTION}
)
BAD_FAULTS = BAD_FLAGS | {SlitFault.COVERAGE, SlitFault.RMS, SlitFault.CHI}
"""With one of them a slit is bad."""

FLAG_FAULTS = BAD_FLAGS | {SlitFault.NO_FLAT}


def find_faults(slit: Slit, limits: ScoreLimits) -> frozenset[SlitFault]:
    """All that is wrong with a slit. What was not measured is not judged."""
    measured = {
        SlitFault.COVERAGE: slit.coverage is not None and slit.coverage < limits.wave_cov_thresh,
        SlitFault.RMS: slit.rms is not None and slit.rms > limits.rms_thresh,
        SlitFault.CHI: slit.std_chi is not None
        and (slit.std_chi < limits.lower_std_chi or slit.std_chi > limits.upper_std_chi),
        SlitFault.FLEXURE: slit.flexure is not None
        and abs(slit.flexure) >= limits.flex_shift_thresh,
    }
    return frozenset(
        [fault for fault, is_so in measured.items() if is_so]
        + [fault for fault in FLAG_FAULTS if fault in slit.flags]
    )
