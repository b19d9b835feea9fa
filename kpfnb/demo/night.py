"""A SIMULATED night of KPF: L0 files of every kind of exposure, and the junk list."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import atomic
from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.core.text import format_count, frame_html, suggest_name
from kpfnb.demo.existing_night import Options, are_headers_only, list_existing
from kpfnb.demo.faults import L0Fault
from kpfnb.demo.instrument import DEMO_SIDE, FULL_SIDE
from kpfnb.demo.plan import EXPOSURE_KINDS, PlannedExposure, check_kinds, plan_night
from kpfnb.kpf.files.drp import parse_version
from kpfnb.kpf.files.obsid import KPF, ObsID, level_dir

if TYPE_CHECKING:
    import pandas as pd

DEMO_NIGHT = "20240115"
DEFAULT_SEED = 1
SIMULATED_VERSIONS = ((2, 8), (2, 9), (2, 10), (2, 11), (2, 12))
"""DRP versions that the stand-in knows the keywords of."""
JUNK_LIST = "reference/Junk_Observations_for_KPF.csv"


@dataclass(frozen=True)
class SimulatedNight:
    """The exposures of a simulated night; `created` are the ObsIDs written by this call."""

    root: Path
    night: str
    exposures: tuple[PlannedExposure, ...]
    created: frozenset[str]

    @property
    def outcome(self) -> Outcome:
        """Succeeded: an incomplete simulation is an exception."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """Number of observations and their place in one line."""
        total, new = len(self.exposures), len(self.created)
        folder = level_dir(self.root, KPF.raw, self.night)
        if not new:
            return f"the simulated night already exists: {total} observations in {folder}"
        kept = f", {total - new} already existed" if new < total else ""
        return f"simulated {new} observations in {folder}{kept}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Number of observations, and of new ones."""
        return {"observations": len(self.exposures), "new": len(self.created)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the night, and each exposure with its kind."""
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
        """One row per exposure."""
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

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.reason)}</p>" + frame_html(self.to_frame())

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
    faults: Sequence[L0Fault] = (),
    fast: bool = False,
    drp_version: str = "",
    progress: Callable[[PlannedExposure], None] | None = None,
) -> SimulatedNight:
    """Simulate the L0s of a night below a KPF data root, and add its junk to the junk list.

    The same seed gives the same bytes. Existing files are unchanged, so another call completes one
    that was killed.

    Parameters
    ----------
    root : the KPF data root; it is created if necessary
    night : UT date as YYYYMMDD
    full_size : CCDs of 4080 x 4080 pixels instead of 816 x 816
    seed : not negative; it determines the noise and the state of the spectrograph
    counts : exposures by kind (`plan.EXPOSURE_KINDS`); other kinds have their usual number
    faults : one more exposure with each of these
    fast : read every exposure fast: four amplifiers for each CCD
    drp_version : the version of the DRP that the stand-in shall simulate; '' leaves it to the
        stand-in
    progress : called with each exposure before it is simulated

    Raises
    ------
    InvalidParameterError : not a valid night or kind, or a number out of range
    InvalidInputError : the night's directory has observations that are not from this simulation
    """
    from kpfnb.demo import l0_file

    _check_arguments(night, seed)
    tag = parse_drp_version(drp_version)
    root, side = Path(root), FULL_SIDE if full_size else DEMO_SIDE
    exposures = plan_night(night, counts, faults=faults, fast=fast)
    options: Options = {"seed": seed, "size": side, "read mode": fast, "DRP version": tag}
    existing = list_existing(level_dir(root, KPF.raw, night), options)
    missing = [exposure for exposure in exposures if exposure.obsid not in existing]
    for exposure in missing:
        if progress:
            progress(exposure)
        path = ObsID(exposure.obsid).path(root, KPF.raw)
        l0_file.write_l0(exposure, path, side=side, seed=seed, drp_version=tag)
    _add_to_junk_list(root / JUNK_LIST, [e.obsid for e in exposures if e.is_junk])
    return SimulatedNight(root, night, tuple(exposures), frozenset(e.obsid for e in missing))


def simulate_headers(
    root: Path | str, night: str, counts: Mapping[str, int] | None = None
) -> SimulatedNight:
    """Write a night of files with only headers, with its products and masters.

    Their number is not limited: the exposures are spread evenly over the day.

    Raises
    ------
    InvalidParameterError : not a valid night or kind
    InvalidInputError : the night's directory has other observations
    """
    from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night

    _check_arguments(night, 0)
    check_kinds(counts or {})
    root = Path(root)
    wanted = {**DEFAULT_COUNTS, **(counts or {})}
    folder = level_dir(root, KPF.raw, night)
    existing = {path.stem for path in folder.glob("KP.*.fits")}
    if existing and not are_headers_only(folder):
        raise InvalidInputError(
            f"{folder} has observations that are more than headers",
            "choose another night or data root",
        )
    # The ObsIDs depend on the number of exposures only
    if existing and len(existing) != sum(wanted.values()):
        raise InvalidInputError(
            f"{folder} has {format_count(len(existing), 'observation')} of another simulation",
            f"give the same counts, remove {folder}, or choose another night",
        )
    written = write_night(root, night, wanted)
    kinds = {kind.name: kind for kind in EXPOSURE_KINDS}
    exposures = [
        PlannedExposure(kinds[kind], ObsID(name).time, number)
        for kind, names in written.obsids.items()
        for number, name in enumerate(names, start=1)
    ]
    exposures.sort(key=lambda exposure: exposure.start)
    created = frozenset(e.obsid for e in exposures if e.obsid not in existing)
    return SimulatedNight(root, night, tuple(exposures), created)


def parse_fault(name: str) -> L0Fault:
    """The fault of a name; an unknown one is an `InvalidParameterError`."""
    try:
        return L0Fault(name)
    except ValueError:
        raise InvalidParameterError(
            f"unknown fault {name!r}", suggest_name(name, L0Fault)
        ) from None


def parse_drp_version(text: str) -> str:
    """The tag of a DRP version that the stand-in can simulate: 2.12 is v2.12.0; '' stays ''."""
    if not text:
        return ""
    version = parse_version(text)
    if version is None or version.release[:2] not in SIMULATED_VERSIONS:
        known = ", ".join(".".join(map(str, release)) for release in SIMULATED_VERSIONS)
        raise InvalidParameterError(f"DRP version {text!r}: not one of {known}")
    plain = text.removeprefix("v")
    return f"v{plain}" if plain.count(".") > 1 else f"v{plain}.0"


def _check_arguments(night: str, seed: int) -> None:
    try:
        if not check_night(night):
            raise ValueError("must be given, as YYYYMMDD")
    except ValueError as error:
        raise InvalidParameterError(f"night {night!r}: {error}") from None
    if seed < 0:
        raise InvalidParameterError(f"seed {seed}: must not be negative")


def _add_to_junk_list(path: Path, obsids: list[str]) -> None:
    """Add observations to the junk list; its other lines are unchanged."""
    # The pipeline's quality control takes the first line as heading, its progress report the second
    heading = "observation_id,comment,who\n" * 2
    text = path.read_text(encoding="utf-8") if path.exists() else heading
    listed = {line.partition(",")[0] for line in text.splitlines()}
    new = [obsid for obsid in obsids if obsid not in listed]
    if new or not path.exists():
        lines = "".join(f"{obsid},no light: simulated failure,kpfnb demo\n" for obsid in new)
        atomic.write_text(path, text + lines)
