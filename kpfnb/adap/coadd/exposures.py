"""Reduced exposures below a folder: their spectra, and the slits of each, without PypeIt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit import input_files
from kpfnb.adap.score import measurements, scorecard, scored_slits
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.fits import headers

USABLE_FLAGS = frozenset({"SKIPFLATCALIB"})
"""Flags with which PypeIt still uses a slit."""

_KEYWORDS = ("MJD", "PYP_SPEC", "TARGET")


@dataclass(frozen=True)
class ReducedExposure:
    """One reduced science or standard frame.

    Attributes
    ----------
    night : the dataset's date, as 2015-10-16; '' where the reduction is of no dataset
    file : the raw file
    kind : science or standard
    configuration : the setup's values by name, as (("dispname", "600/4310"),)
    mjd : time of the exposure (days)
    snr : of its best spectrum, per pixel; None where it is not known
    slits : the slits of each detector (or mosaic), by spatial position (pixels): {"DET01": (175,)}
    flagged : slits that PypeIt could not reduce, as "DET01:175"
    """

    night: str
    file: str
    kind: str
    target: str
    spectrograph: str
    configuration: tuple[tuple[str, str], ...]
    mjd: float
    snr: float | None
    spec1d: Path
    spec2d: Path
    slits: dict[str, tuple[int, ...]]
    flagged: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The night and the raw file."""
        return f"{self.night}/{self.file}".lstrip("/")

    @property
    def detectors(self) -> tuple[str, ...]:
        """The names of its detectors or mosaics."""
        return tuple(self.slits)


@dataclass(frozen=True)
class ExposureList:
    """What there is to coadd.

    Attributes
    ----------
    reductions : the folders that were looked at
    left_out : name and reason of frames that can't be used
    """

    reductions: tuple[Path, ...]
    exposures: tuple[ReducedExposure, ...]
    left_out: tuple[tuple[str, str], ...]


def find_exposures(root: Path) -> ExposureList:
    """The reduced exposures of a configuration, of a dataset, or of one reduction.

    Raises
    ------
    InvalidInputError : no such folder, or no reduction in it
    """
    folders = find_reductions(root)
    exposures: list[ReducedExposure] = []
    left_out: list[tuple[str, str]] = []
    taken: dict[tuple[str, str, str], Path] = {}
    for night, folder in folders:
        for verdict, found in _exposures_in(night, folder):
            name = f"{night}/{verdict.file}".lstrip("/")
            if isinstance(found, str):
                left_out.append((name, found))
                continue
            keys = {(night, found.file, detector) for detector in found.detectors}
            if twice := keys & set(taken):
                other = taken[next(iter(twice))].name
                left_out.append((name, f"{folder.name}: already taken from {other}"))
                continue
            taken |= dict.fromkeys(keys, folder)
            exposures.append(found)
    ordered = sorted(exposures, key=lambda one: (one.mjd, one.file))
    return ExposureList(tuple(folder for _, folder in folders), tuple(ordered), tuple(left_out))


def find_reductions(root: Path) -> list[tuple[str, Path]]:
    """The folders of reductions below a configuration, a dataset or a reduction, with their nights.

    `InvalidInputError` where there is none.
    """
    if not root.is_dir():
        raise InvalidInputError(
            f"{root} is no folder", "name a folder mask/config or mask/config/date"
        )
    if (root / reduction.RECORD_NAME).is_file() or any(root.glob("*/*.pypeit")):
        return [("", root)]
    nights = [root] if (root / dataset.COMPLETE).is_dir() else sorted(root.iterdir())
    found = [
        (night.name, folder)
        for night in nights
        if (night / dataset.COMPLETE).is_dir()
        for folder in sorted((night / dataset.COMPLETE).iterdir())
        if folder.is_dir() and dataset.is_reduction_folder(folder.name) and _is_finished(folder)
    ]
    if not found:
        raise InvalidInputError(
            f"no reduction below {root}",
            "they are in mask/config/date/complete/reduce; reduce first",
        )
    return found


def _is_finished(folder: Path) -> bool:
    """Whether a folder is a reduction that was brought to its end, not one put aside."""
    return "." not in folder.name and any(folder.glob("*/*.pypeit"))


def _exposures_in(night: str, folder: Path) -> Iterator[tuple[FrameResult, ReducedExposure | str]]:
    """Each science and standard frame with its exposure, or with why there is none."""
    for path in sorted(folder.glob("*/*.pypeit")):
        plan = input_files.read_pypeit_file(path)
        leaders = {plan.first_frame(frame).file for frame in plan.targets}
        for verdict in reduction.evaluate_frames(plan, ""):
            if verdict.file not in leaders:
                continue
            if verdict.reason:
                yield verdict, f"not reduced: {verdict.reason}"
                continue
            try:
                yield verdict, _read_exposure(night, path, verdict, plan.configuration)
            except (KpfnbError, KeyError, ValueError) as error:
                yield verdict, f"can't be used: {error}".splitlines()[0]


def _read_exposure(
    night: str, path: Path, verdict: FrameResult, configuration: dict[str, str]
) -> ReducedExposure:
    science = path.parent / SCIENCE_FOLDER
    spec1d, spec2d = science / verdict.spec1d, science / verdict.spec2d
    header = headers.read_header(spec1d, _KEYWORDS)
    found = measurements.read_slits(spec2d)
    if not found.slits:
        raise ValueError("its spec2d has no slits")
    return ReducedExposure(
        night=night,
        file=verdict.file,
        kind=verdict.kind,
        target=str(header.get("TARGET") or verdict.target).strip(),
        spectrograph=str(header["PYP_SPEC"]).strip(),
        configuration=tuple(sorted(configuration.items())),
        mjd=float(str(header["MJD"])),
        snr=verdict.best_snr,
        spec1d=spec1d,
        spec2d=spec2d,
        slits={
            name: tuple(_slit_position(one) for one in found.slits if one.detector == name)
            for name in found.detectors
        },
        flagged=frozenset(one.name for one in found.slits if one.flags - USABLE_FLAGS),
    )


def _slit_position(slit: measurements.Slit) -> int:
    return int(slit.name.rpartition(":")[2])


# Slits that are not to be coadded: those on the lists of bad slits beside the reductions.

BadSlitsByFile = Mapping[str, frozenset[str]]
"""Name of a spec2d file to its bad slits, as "DET01:175"."""


def read_bad_slits(reductions: Iterable[Path]) -> dict[str, frozenset[str]]:
    """The bad slits of those reductions; one that was not scored is scored now.

    `InvalidInputError` names a list that can't be understood: a bad slit is never coadded by mistake.
    """
    found: dict[str, set[str]] = {}
    for folder in reductions:
        is_scored = any(folder.glob(scored_slits.BAD_SLITS_PATTERN))
        name = "/".join(folder.parts[-5:-2])
        listed = (
            scored_slits.read_bad_slits(folder)
            if is_scored
            else scorecard.score_reduction(folder, name).bad_slits
        )
        for slit in listed:
            found.setdefault(slit.spec2d, set()).add(slit.slit_id)
    return {spec2d: frozenset(slits) for spec2d, slits in found.items()}


def bad_slits_for(exposure: ReducedExposure, bad: BadSlitsByFile) -> frozenset[str]:
    """The bad slits of one exposure: listed, or flagged by PypeIt."""
    return bad.get(exposure.spec2d.name, frozenset()) | exposure.flagged
