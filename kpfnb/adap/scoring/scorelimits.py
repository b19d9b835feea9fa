"""What a reduction may have and still be good; limits for all datasets, and for single ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from kpfnb.errors import BadInput

FILE = "scorelimits.yml"
"""The package's own."""
NOTES = "notes"


@dataclass(frozen=True)
class Limits:
    """The limits for one dataset.

    Attributes
    ----------
    rms_thresh : RMS of the wavelength solution, in pixels; more is bad
    flex_shift_thresh : size of the spectral flexure, in pixels; so much is told
    wave_cov_thresh : part of the spectral range between identified lines, in %; less is bad
    lower_std_chi, upper_std_chi : the standard deviation of chi is good between these
    """

    rms_thresh: float = 0.4
    flex_shift_thresh: float = 10.0
    wave_cov_thresh: float = 60.0
    lower_std_chi: float = 0.6
    upper_std_chi: float = 1.6


NAMES = tuple(one.name for one in fields(Limits))


@dataclass(frozen=True)
class Criteria:
    """The limits for all datasets, and those that differ for some."""

    default: Limits = field(default_factory=Limits)
    overrides: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of(self, dataset: str) -> Limits:
        """The limits for one dataset."""
        return replace(self.default, **self.overrides.get(dataset, {}))


def load(path: str | Path = "") -> Criteria:
    """The criteria of a file; by default the package's own.

    `BadInput` names what is wrong in it: an unknown limit, no number, no dataset.
    """
    own = resources.files(__package__) / FILE
    try:
        text = Path(path).expanduser().read_text("utf-8") if path else own.read_text("utf-8")
        given = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise BadInput(f"can't read the limits {path}: {why}", f"write it as {FILE}") from error
    place = str(path) or FILE
    _check_keys(given, {"limits", "datasets"}, place)
    default = _limits(given.get("limits") or {}, f"{place}: limits")
    singles = given.get("datasets") or {}
    _check_keys(singles, None, f"{place}: datasets")
    return Criteria(Limits(**default), _overrides(singles, place))


def _overrides(given: Mapping[Any, Any], place: str) -> dict[str, dict[str, float]]:
    if not given:
        return {}
    # What is behind it takes longer to import than a reduction takes to score
    from kpfnb.adap import dataset

    return {
        str(dataset.parse(str(name))): _limits(one, f"{place}: {name}")
        for name, one in given.items()
    }


def _limits(given: Any, place: str) -> dict[str, float]:
    _check_keys(given, {*NAMES, NOTES}, place)
    found = {name: value for name, value in given.items() if name != NOTES}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise BadInput(f"{place}: {name} is {value!r}", "limits are numbers, 0 or more")
    return {name: float(value) for name, value in found.items()}


def _check_keys(given: Any, known: set[str] | None, place: str) -> None:
    if not isinstance(given, dict):
        raise BadInput(f"{place} holds no names with values", "write it as name: value")
    unknown = sorted(str(name) for name in given if known is not None and name not in known)
    if unknown and known is not None:
        raise BadInput(
            f"{place}: unknown {', '.join(unknown)}", f"known are: {', '.join(sorted(known))}"
        )
