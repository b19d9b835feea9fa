"""What a reduction may have and still be good; limits for all datasets, and for single ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kpfnb import yamlfile
from kpfnb.adap import dataset
from kpfnb.errors import BadInput
from kpfnb.yamlfile import Strict

FILE = Path(__file__).with_name("scorelimits.yml")
"""The package's own."""

Limit = Annotated[float, Field(ge=0, strict=True)]


class Limits(Strict):
    """The limits for one dataset.

    Attributes
    ----------
    rms_thresh : RMS of the wavelength solution, in pixels; more is bad
    flex_shift_thresh : size of the spectral flexure, in pixels; so much is told
    wave_cov_thresh : part of the spectral range between identified lines, in %; less is bad
    lower_std_chi, upper_std_chi : the standard deviation of chi is good between these
    notes : why; for people
    """

    rms_thresh: Limit = 0.4
    flex_shift_thresh: Limit = 10.0
    wave_cov_thresh: Limit = 60.0
    lower_std_chi: Limit = 0.6
    upper_std_chi: Limit = 1.6
    notes: Any = None


class Criteria(Strict):
    """The limits for all datasets, and those that differ for some."""

    default: Limits = Field(default=Limits(), alias="limits")
    datasets: dict[str, Limits] | None = None
    """Those that are written count; the others are those for all."""

    def of(self, name: str) -> Limits:
        """The limits for one dataset."""
        own = (self.datasets or {}).get(name)
        written = own.model_dump(exclude_unset=True, exclude={"notes"}) if own else {}
        return self.default.model_copy(update=written)


def load(path: str | Path = "") -> Criteria:
    """The criteria of a file; by default the package's own.

    `BadInput` names what is wrong in it, and its line: an unknown limit, no number, no dataset.
    """
    file = Path(path).expanduser() if path else FILE
    document = yamlfile.read(file, hint=f"write it as {FILE}")
    found = document.parse(Criteria, document.mapping("a file of limits"))
    for name in found.datasets or {}:
        try:
            dataset.parse(name)
        except BadInput as error:
            raise document.wrong(error.what, "datasets", name) from None
    return found
