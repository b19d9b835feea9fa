"""A SIMULATED night of KPF: the L0 files of every kind of exposure, and the list of junk."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.demo.instrument import DEMO_SIDE, FULL_SIDE
from kpfnb.demo.plan import PlannedExposure, plan_night
from kpfnb.kpf.files.obsid import KPF, ObsID, level_dir
from kpfnb.notebook.parameters import check_night

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DEMO_NIGHT = "20240115"
DEFAULT_SEED = 1
JUNK_LIST = "reference/Junk_Observations_for_KPF.csv"


@dataclass(frozen=True)
class SimulatedNight:
    """The exposures of a simulated night; `made` are the ObsIDs written by this call."""

    root: Path
    night: str
    exposures: tuple[PlannedExposure, ...]
    created: frozenset[str]

    @property
    def outcome(self) -> Outcome:
        """A night is simulated in full, or an error says why not."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What was done."""
        total, made = len(self.exposures), len(self.created)
        place = level_dir(self.root, KPF.raw, self.night)
        if not made:
            return f"uses the simulated night already there: {total} observations in {place}"
        there = f", {total - made} were already there" if made < total else ""
        return f"simulated {made} observations in {place}{there}"

    def key_figures(self) -> dict[str, int | float | str]:
        """How many there are, and how many are new."""
        return {"observations": len(self.exposures), "new": len(self.created)}

    def to_dict(self) -> dict[str, Any]:
        """The night, and each exposure with its kind."""
        return {
            "night": self.night,
            "root": str(self.root),
            "reason": self.reason,
            **self.key_figures(),
            "exposures": [
                {"obsid": e.obsid, "kind": e.kind.name, "object": e.object_name, "junk": e.is_junk}
                for e in self.exposures
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an exposure."""
        import pandas as pd

        return pd.DataFrame([
            {
                "obsid": e.obsid,
                "kind": e.kind.name,
                "object": e.object_name,
                "start": e.start,
                "exposure_seconds": float(e.kind.exposure_seconds),
                "junk": e.is_junk,
                "new": e.obsid in self.created,
            }
            for e in self.exposures
        ])  # fmt: skip

    def plot(self) -> Figure:
        """When each kind of exposure was taken."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        kinds = list(dict.fromkeys(e.kind.name for e in self.exposures))
        for junk, colour in ((False, "#0072b2"), (True, "#d55e00")):
            chosen = [e for e in self.exposures if e.is_junk == junk]
            hours = [e.start.hour + e.start.minute / 60 for e in chosen]
            rows = [kinds.index(e.kind.name) for e in chosen]
            axes.scatter(hours, rows, color=colour, label="junk" if junk else "observation")
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_xlabel(f"time on {self.night}, UTC [h]")
        axes.set_xlim(0, 24)
        axes.legend(loc="lower right")
        return figure

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.reason)}</p>" + str(self.to_frame().to_html(index=False))

    def __str__(self) -> str:
        kinds: dict[str, int] = {}
        for exposure in self.exposures:
            kinds[exposure.kind.name] = kinds.get(exposure.kind.name, 0) + 1
        return f"{self.reason}\n  " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())


def simulate_night(
    root: Path | str,
    night: str = DEMO_NIGHT,
    *,
    full_size: bool = False,
    seed: int = DEFAULT_SEED,
    counts: Mapping[str, int] | None = None,
    progress: Callable[[PlannedExposure], None] | None = None,
) -> SimulatedNight:
    """Simulate the L0s of a night below a KPF data root, and name its junk observation.

    The same seed gives the same bytes. What is already there is left alone, so a call that was
    killed is completed by the next.

    Parameters
    ----------
    root : the KPF data root; it and its `L0` are made
    night : UT date as YYYYMMDD
    full_size : CCDs of 4080 x 4080 pixels instead of 816 x 816
    seed : not negative; another seed gives other noise and another state of the spectrograph
    counts : how many exposures of some kinds (`plan.KINDS`); the usual number for the others
    progress : called with each exposure before it is simulated

    Raises
    ------
    InvalidParameterError : no such night or kind, or a number out of range
    InvalidInputError : the night's directory holds observations that this simulation did not make
    """
    from kpfnb.demo import l0_file

    _check_arguments(night, seed)
    root, side = Path(root), FULL_SIDE if full_size else DEMO_SIDE
    exposures = plan_night(night, counts)
    there = _existing_obsids(root, night, seed=seed, side=side)
    made = [exposure for exposure in exposures if exposure.obsid not in there]
    for exposure in made:
        if progress:
            progress(exposure)
        path = ObsID(exposure.obsid).path(root, KPF.raw)
        l0_file.write_l0(exposure, path, side=side, seed=seed)
    _add_to_junk_list(root / JUNK_LIST, [e.obsid for e in exposures if e.is_junk])
    return SimulatedNight(root, night, tuple(exposures), frozenset(e.obsid for e in made))


def _check_arguments(night: str, seed: int) -> None:
    try:
        if not check_night(night):
            raise ValueError("must be given, as YYYYMMDD")
    except ValueError as error:
        raise InvalidParameterError(f"night {night!r}: {error}") from None
    if seed < 0:
        raise InvalidParameterError(f"seed {seed}: must not be negative")


def _existing_obsids(root: Path, night: str, *, seed: int, side: int) -> set[str]:
    """The night's ObsIDs on disk; `InvalidInputError` if one of them is real, or simulated otherwise."""
    from kpfnb.demo.detector import AmplifierMargins

    columns = side // 2 + AmplifierMargins.for_side(side).width
    found = set()
    for path in sorted(level_dir(root, KPF.raw, night).glob("KP.*.fits")):
        if not KPF.obsid_pattern.fullmatch(path.stem):
            continue
        simulated_as = _simulation_origin(path)
        if simulated_as is None:
            raise InvalidInputError(
                f"{path} was not simulated by kpfnb",
                "choose another night or data root: a simulation never mixes with observations",
            )
        if simulated_as != (seed, columns):
            raise InvalidInputError(
                f"{path} was simulated with another seed or size",
                f"use the same options, another night or root, or remove {path.parent}",
            )
        found.add(path.stem)
    return found


def _simulation_origin(path: Path) -> tuple[int, int] | None:
    """Seed, and columns of an amplifier, of a simulated L0; None for any other file."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            if not hdus[0].header.get("SIMULATE"):
                return None
            return hdus[0].header["SIMSEED"], hdus["GREEN_AMP1"].header["NAXIS1"]
    except (OSError, KeyError):
        return None


def _add_to_junk_list(path: Path, obsids: list[str]) -> None:
    """Add observations to the list of junk; what others wrote in it stays."""
    heading = "Junk observations (SIMULATED),,\nobservation_id,comment,who\n"
    text = path.read_text(encoding="utf-8") if path.exists() else heading
    listed = {line.partition(",")[0] for line in text.splitlines()}
    new = [obsid for obsid in obsids if obsid not in listed]
    if new or not path.exists():
        lines = "".join(f"{obsid},no light: simulated failure,kpfnb demo\n" for obsid in new)
        atomic.write_text(path, text + lines)
