"""The radial velocities of a star over all nights, about the median of each group.

Velocities are the keyword CCFRV of L2 files (km/s), their errors CCFERV. A group is an era of the
instrument and, where L2 files of several versions of the DRP are in the database, a version:
between them velocities have offsets that are not known. Eras are by date, as the documentation of
KPF defines them (`panels/eras.csv` of `kpfnb.kpf.tsdb.plots`); the header's KPFERA is not used: a
real file of era 1.5 says 0.0.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count
from kpfnb.kpf.timeseries.star_names import (
    NAME_KEYWORDS,
    Star,
    find_star,
    list_stars,
    query_known,
    star_keys,
)
from kpfnb.kpf.tsdb.plots.robust_statistics import compute_statistics
from kpfnb.kpf.tsdb.plots.time_axis import Era, load_eras
from kpfnb.kpf.tsdb.series import Array

if TYPE_CHECKING:
    import pandas as pd

VELOCITY, VELOCITY_ERROR = "CCFRV", "CCFERV"
SIGNAL, VERSION = "SNRSC548", "L2:DRPTAG"
EXPOSURE_TIME = "EXPTIME"
METRES_PER_KM = 1000.0

COLUMNS = (*NAME_KEYWORDS, VELOCITY, VELOCITY_ERROR, SIGNAL, VERSION, EXPOSURE_TIME)


@dataclass(frozen=True)
class VelocityGroup:
    """The velocities of one era and version.

    Attributes
    ----------
    rows : of the table of observations
    median : km/s
    scatter, error : m/s; 1.48 times the median absolute deviation, and the median error
    """

    era: str
    version: str
    rows: Array
    nights: int
    median: float
    scatter: float
    error: float

    @property
    def label(self) -> str:
        """Era and version in words."""
        return ", ".join(filter(None, [self.era, self.version]))


@dataclass(frozen=True, repr=False)
class StarVelocities(OneLineRepr):
    """The observations of a star, and its velocities in groups.

    Attributes
    ----------
    table : one row per observation, index ObsID; `relative` is the velocity about the median of
        its group and `error` its error, m/s; `velocity` is in km/s; NaN if there is none
    has_mixed_versions : the velocities are of several versions of the DRP
    eras : of the instrument, oldest first
    """

    star: Star
    table: pd.DataFrame
    groups: tuple[VelocityGroup, ...]
    has_mixed_versions: bool = False
    eras: tuple[Era, ...] = field(default=())

    @cached_property
    def measured(self) -> int:
        """The number of observations with a velocity."""
        return int(self.table["velocity"].notna().sum())

    @property
    def outcome(self) -> Outcome:
        """Skipped if there is no velocity."""
        return Outcome.SUCCEEDED if self.measured else Outcome.SKIPPED

    @property
    def reason(self) -> str:
        """Numbers of observations, nights and velocities in one line."""
        star = self.star
        span = star.first if star.first == star.last else f"{star.first} to {star.last}"
        text = (
            f"{star.name}: {format_count(star.observations, 'observation')} on "
            f"{format_count(star.nights, 'night')} ({span})"
        )
        if not self.measured:
            return f"{text}, none has a velocity"
        groups = f" in {len(self.groups)} groups" if len(self.groups) > 1 else ""
        count = format_count(self.measured, "velocity", "velocities")
        return f"{text}, {count}{groups}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        star = self.star
        return {
            "star": star.name,
            "observations": star.observations,
            "nights": star.nights,
            "velocities": self.measured,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the groups, and every observation (velocity in km/s, the others in m/s)."""
        groups = [
            {
                "era": group.era,
                "version": group.version,
                "velocities": int(group.rows.size),
                "nights": group.nights,
                "median (km/s)": group.median,
                "scatter (m/s)": group.scatter,
                "median error (m/s)": _known(group.error),
            }
            for group in self.groups
        ]
        rows = [
            {name: _known(value) for name, value in row.items()}
            for row in self.table.reset_index().to_dict("records")
        ]
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            **self.key_figures(),
            "groups": groups,
            "observations": rows,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per observation."""
        return self.table

    def __str__(self) -> str:
        lines = [self.reason]
        for group in self.groups:
            count = format_count(int(group.rows.size), "velocity", "velocities")
            scatter = f", scatter {group.scatter:.2f} m/s" if group.rows.size > 1 else ""
            error = "" if np.isnan(group.error) else f", median error {group.error:.2f} m/s"
            label = group.label or "before the first era"
            lines.append(f"  {label}: {count}, median {group.median:.4f} km/s{scatter}{error}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        lines = str(self).splitlines()
        return "".join(f"<div>{escape(line)}</div>" for line in lines)


def read_star(name: str, stars: Sequence[Star] | None = None) -> StarVelocities:
    """The velocities of a star by its name, as people type it.

    Raises
    ------
    InvalidParameterError : there is no such star; the message suggests names
    InvalidInputError : there is no database, or no star in it
    """
    star = find_star(name, list_stars() if stars is None else stars)
    frame = query_known(COLUMNS, star.first, star.last)
    return group_velocities(star, frame[star_keys(frame) == star.key], load_eras())


def read_stars(stars: Sequence[Star]) -> Iterator[StarVelocities]:
    """The velocities of several stars, by one query."""
    frame = query_known(COLUMNS)
    keys, eras = star_keys(frame), load_eras()
    for star in stars:
        yield group_velocities(star, frame[keys == star.key], eras)


def group_velocities(star: Star, frame: pd.DataFrame, eras: Sequence[Era]) -> StarVelocities:
    """The table and the groups of a star's observations.

    frame : `COLUMNS` of its observations, in order of time; those that no file has may be missing
    """
    import pandas as pd

    size = len(frame)
    numbers = {
        name: _numbers(frame, name) for name in (VELOCITY, VELOCITY_ERROR, SIGNAL, EXPOSURE_TIME)
    }
    # The DRP writes 0 where it has no velocity
    velocity = np.where(numbers[VELOCITY] == 0, np.nan, numbers[VELOCITY])
    error = numbers[VELOCITY_ERROR] * METRES_PER_KM
    error = np.where((error > 0) & np.isfinite(velocity), error, np.nan)
    era = np.array(_name_eras(frame, eras), dtype=object)
    version = np.array(_texts(frame, VERSION), dtype=object)
    nights = frame.index.str.slice(3, 11).to_numpy(dtype=object)
    relative = np.full(size, np.nan)
    measured = np.isfinite(velocity)
    is_mixed = len(set(version[measured])) > 1
    groups = []
    keys = list(zip(era, version if is_mixed else [""] * size, strict=True))
    for key in dict.fromkeys(key for key, known in zip(keys, measured, strict=True) if known):
        rows = np.flatnonzero(measured & np.array([other == key for other in keys], dtype=bool))
        statistics = compute_statistics(velocity[rows])
        relative[rows] = (velocity[rows] - statistics.median) * METRES_PER_KM
        groups.append(
            VelocityGroup(
                *key,
                rows=rows,
                nights=len(set(nights[rows])),
                median=statistics.median,
                scatter=statistics.scatter * METRES_PER_KM,
                error=compute_statistics(error[rows]).median,
            )
        )
    table = pd.DataFrame(
        {
            "start": frame["time"],
            "night": nights,
            "relative": relative,
            "error": error,
            "velocity": velocity,
            "signal": numbers[SIGNAL],
            "exposure": numbers[EXPOSURE_TIME],
            "era": era,
            "version": version,
        },
        index=frame.index,
    )
    return StarVelocities(star, table, tuple(groups), is_mixed, tuple(eras))


def _name_eras(frame: pd.DataFrame, eras: Sequence[Era]) -> list[str]:
    """The era of each observation in words; '' before the first one."""
    starts = [era.start for era in eras]
    numbers = (bisect(starts, time) for time in frame["time"])
    return [f"era {eras[number - 1].name}" if number else "" for number in numbers]


def _numbers(frame: pd.DataFrame, name: str) -> Array:
    import pandas as pd

    if name not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    if name not in frame:
        return [""] * len(frame)
    return [str(text) for text in frame[name].astype(object).where(frame[name].notna(), "")]


def _known(value: Any) -> Any:
    """A value for JSON: null for NaN, text for a time."""
    if isinstance(value, float):
        return None if np.isnan(value) else value
    return value.isoformat() if hasattr(value, "isoformat") else value
