"""Reduced exposures below a folder: their spectra, and the slits of each, without PypeIt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kpfnb import fitsheader
from kpfnb.adap import dataset
from kpfnb.adap.pypeit import pypeitfile
from kpfnb.adap.reducing import products, workplace
from kpfnb.adap.reducing.products import SCIENCE, Verdict
from kpfnb.adap.scoring import slits
from kpfnb.errors import BadInput, KpfnbError

USABLE = frozenset({"SKIPFLATCALIB"})
"""Flags with which PypeIt still uses a slit."""

_KEYWORDS = ("MJD", "PYP_SPEC", "TARGET")


@dataclass(frozen=True)
class Exposure:
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
class Found:
    """What there is to coadd.

    Attributes
    ----------
    reductions : the folders that were looked at
    left_out : name and reason of frames that can't be used
    """

    reductions: tuple[Path, ...]
    exposures: tuple[Exposure, ...]
    left_out: tuple[tuple[str, str], ...]


def find(root: Path) -> Found:
    """The reduced exposures of a configuration, of a dataset, or of one reduction.

    Raises
    ------
    BadInput : no such folder, or no reduction in it
    """
    folders = reductions(root)
    exposures: list[Exposure] = []
    left_out: list[tuple[str, str]] = []
    taken: dict[tuple[str, str, str], Path] = {}
    for night, folder in folders:
        for verdict, found in _in_reduction(night, folder):
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
    return Found(tuple(folder for _, folder in folders), tuple(ordered), tuple(left_out))


def reductions(root: Path) -> list[tuple[str, Path]]:
    """The folders of reductions below a configuration, a dataset or a reduction, with their nights.

    `BadInput` where there is none.
    """
    if not root.is_dir():
        raise BadInput(f"{root} is no folder", "name a folder mask/config or mask/config/date")
    if (root / workplace.RECORD).is_file() or any(root.glob("*/*.pypeit")):
        return [("", root)]
    nights = [root] if (root / dataset.COMPLETE).is_dir() else sorted(root.iterdir())
    found = [
        (night.name, folder)
        for night in nights
        if (night / dataset.COMPLETE).is_dir()
        for folder in sorted((night / dataset.COMPLETE).iterdir())
        if folder.is_dir() and dataset.is_reduction(folder.name) and _is_one(folder)
    ]
    if not found:
        raise BadInput(
            f"no reduction below {root}",
            "they are in mask/config/date/complete/reduce; reduce first",
        )
    return found


def _is_one(folder: Path) -> bool:
    """Whether a folder is a reduction that was brought to its end, not one put aside."""
    return "." not in folder.name and any(folder.glob("*/*.pypeit"))


def _in_reduction(night: str, folder: Path) -> Iterator[tuple[Verdict, Exposure | str]]:
    """Each science and standard frame with its exposure, or with why there is none."""
    for path in sorted(folder.glob("*/*.pypeit")):
        plan = pypeitfile.read(path)
        leaders = {plan.leader(frame).file for frame in plan.targets}
        for verdict in products.judge(plan, ""):
            if verdict.file not in leaders:
                continue
            if verdict.reason:
                yield verdict, f"not reduced: {verdict.reason}"
                continue
            try:
                yield verdict, _exposure(night, path, verdict, plan.configuration)
            except (KpfnbError, KeyError, ValueError) as error:
                yield verdict, f"can't be used: {error}".splitlines()[0]


def _exposure(night: str, path: Path, verdict: Verdict, configuration: dict[str, str]) -> Exposure:
    science = path.parent / SCIENCE
    spec1d, spec2d = science / verdict.spec1d, science / verdict.spec2d
    header = fitsheader.read(spec1d, _KEYWORDS)
    found = slits.read(spec2d)
    if not found.slits:
        raise ValueError("its spec2d has no slits")
    return Exposure(
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
            name: tuple(_position(one) for one in found.slits if one.detector == name)
            for name in found.detectors
        },
        flagged=frozenset(one.name for one in found.slits if one.flags - USABLE),
    )


def _position(slit: slits.Slit) -> int:
    return int(slit.name.rpartition(":")[2])
