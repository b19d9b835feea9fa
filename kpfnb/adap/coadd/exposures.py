"""Reduced exposures below a folder: their spectra, slits and bad slits, read without PypeIt."""

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

BadSlitsByFile = Mapping[str, frozenset[str]]
"""The bad slits of each spec2d file, by its name, as "DET01:175"."""

_KEYWORDS = ("MJD", "PYP_SPEC", "TARGET")


@dataclass(frozen=True)
class ReducedExposure:
    """One reduced science or standard frame.

    Attributes
    ----------
    night : the dataset's date, as 2015-10-16; '' if the reduction is not part of a dataset
    file : the raw file
    kind : science or standard
    configuration : the setup's values by name, as (("dispname", "600/4310"),)
    mjd : time of the exposure (days)
    snr : of its best spectrum, per pixel; None if it is not known
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
    """The exposures of an item that can be coadded.

    Attributes
    ----------
    reductions : the folders that were searched
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
    reductions = find_reductions(root)
    exposures: list[ReducedExposure] = []
    left_out: list[tuple[str, str]] = []
    folder_by_key: dict[tuple[str, str, str], Path] = {}
    for night, folder in reductions:
        for frame, exposure in _exposures_in(night, folder):
            name = f"{night}/{frame.file}".lstrip("/")
            if isinstance(exposure, str):
                left_out.append((name, exposure))
                continue
            keys = {(night, exposure.file, detector) for detector in exposure.detectors}
            if repeated := keys & set(folder_by_key):
                other = folder_by_key[next(iter(repeated))].name
                left_out.append((name, f"{folder.name}: already taken from {other}"))
                continue
            folder_by_key |= dict.fromkeys(keys, folder)
            exposures.append(exposure)
    exposures.sort(key=lambda exposure: (exposure.mjd, exposure.file))
    folders = tuple(folder for _, folder in reductions)
    return ExposureList(folders, tuple(exposures), tuple(left_out))


def find_reductions(root: Path) -> list[tuple[str, Path]]:
    """The reductions below a configuration, a dataset or a reduction: nights and folders.

    `InvalidInputError` if there is none.
    """
    if not root.is_dir():
        raise InvalidInputError(
            f"{root} is not a folder", "name a folder mask/config or mask/config/date"
        )
    if (root / reduction.RECORD_NAME).is_file() or any(root.glob("*/*.pypeit")):
        return [("", root)]
    nights = [root] if (root / dataset.COMPLETE).is_dir() else sorted(root.iterdir())
    reductions = [
        (night.name, folder)
        for night in nights
        if (night / dataset.COMPLETE).is_dir()
        for folder in sorted((night / dataset.COMPLETE).iterdir())
        if folder.is_dir() and dataset.is_reduction_folder(folder.name) and _is_finished(folder)
    ]
    if not reductions:
        raise InvalidInputError(
            f"no reduction below {root}",
            "they are in mask/config/date/complete/reduce; reduce first",
        )
    return reductions


def _is_finished(folder: Path) -> bool:
    """Whether a folder is a finished reduction, not one that was set aside."""
    return "." not in folder.name and any(folder.glob("*/*.pypeit"))


def _exposures_in(night: str, folder: Path) -> Iterator[tuple[FrameResult, ReducedExposure | str]]:
    """Each science and standard frame with its exposure, or with the reason why it has none."""
    for path in sorted(folder.glob("*/*.pypeit")):
        file = input_files.read_pypeit_file(path)
        first_frames = {file.first_frame(frame).file for frame in file.targets}
        for frame in reduction.evaluate_frames(file, ""):
            if frame.file not in first_frames:
                continue
            if frame.reason:
                yield frame, f"not reduced: {frame.reason}"
                continue
            try:
                yield frame, _read_exposure(night, path, frame, file.configuration)
            except (KpfnbError, KeyError, ValueError) as error:
                yield frame, f"can't be used: {error}".splitlines()[0]


def _read_exposure(
    night: str, path: Path, frame: FrameResult, configuration: dict[str, str]
) -> ReducedExposure:
    science = path.parent / SCIENCE_FOLDER
    spec1d, spec2d = science / frame.spec1d, science / frame.spec2d
    header = headers.read_header(spec1d, _KEYWORDS)
    slit_list = measurements.read_slits(spec2d)
    if not slit_list.slits:
        raise ValueError("its spec2d has no slits")
    slits: dict[str, list[int]] = {detector: [] for detector in slit_list.detectors}
    for slit in slit_list.slits:
        slits[slit.detector].append(_slit_position(slit))
    return ReducedExposure(
        night=night,
        file=frame.file,
        kind=frame.kind,
        target=str(header.get("TARGET") or frame.target).strip(),
        spectrograph=str(header["PYP_SPEC"]).strip(),
        configuration=tuple(sorted(configuration.items())),
        mjd=float(str(header["MJD"])),
        snr=frame.best_snr,
        spec1d=spec1d,
        spec2d=spec2d,
        slits={detector: tuple(positions) for detector, positions in slits.items()},
        flagged=frozenset(slit.name for slit in slit_list.slits if slit.flags - USABLE_FLAGS),
    )


def _slit_position(slit: measurements.Slit) -> int:
    return int(slit.name.rpartition(":")[2])


def read_bad_slits(reductions: Iterable[Path]) -> dict[str, frozenset[str]]:
    """The slits on the lists of bad slits of reductions; unscored reductions are scored now.

    `InvalidInputError` names an unreadable list: a bad slit is never coadded by mistake.
    """
    bad_slits: dict[str, set[str]] = {}
    for folder in reductions:
        if any(folder.glob(scored_slits.BAD_SLITS_PATTERN)):
            entries = scored_slits.read_bad_slits(folder)
        else:
            name = "/".join(folder.parts[-5:-2])
            entries = scorecard.score_reduction(folder, name).bad_slits
        for entry in entries:
            bad_slits.setdefault(entry.spec2d, set()).add(entry.slit_id)
    return {spec2d: frozenset(slits) for spec2d, slits in bad_slits.items()}


def bad_slits_for(exposure: ReducedExposure, bad_slits: BadSlitsByFile) -> frozenset[str]:
    """The bad slits of one exposure: listed, or flagged by PypeIt."""
    return bad_slits.get(exposure.spec2d.name, frozenset()) | exposure.flagged
