"""1D: spectra of the same object are found and coadded, calibrated where that can be.

Copies of the spectra are calibrated and collated; the reductions stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kpfnb.adap.coadd import (
    flux_calibration,
    input_files,
    products,
)
from kpfnb.adap.coadd import (
    groups as coaddgroups,
)
from kpfnb.adap.coadd.flux_calibration import FluxCalibration, SpectraCopy
from kpfnb.adap.coadd.products import NO_STANDARD, CoaddProduct, ExposureResult
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddTask
from kpfnb.adap.pypeit import input_files as pypeitparameters
from kpfnb.adap.pypeit import log as pypeitlog
from kpfnb.adap.pypeit.command import CommandRunner

# What pypeit_collate_1d says it has matched, and what it could not coadd.

_CREATING = re.compile(r"Creating (.+\.fits) from the following sources:")
_SOURCE = re.compile(r"\s*(\S.*/)?([^/]+\.fits): (\S+) \((.*)\)")
_FAILED = re.compile(r"Failed to coadd (.+\.fits), skipping")
_DROPPED = re.compile(r"(?:Failed to flux calibrate|Failed to read) (.+\.fits), skipping it\.")
_NO_SENS = re.compile(r"Could not find archived sensfunc to flux (.+\.fits), skipping it\.")


@dataclass(frozen=True)
class SpectrumMatch:
    """Spectra that PypeIt takes for those of one object.

    Attributes
    ----------
    file : the name of the coadd that is to be made of them
    members : name of the spec1d file, and of the object in it
    mask_name : of the object in the mask's design; '' where there is none
    """

    file: str
    members: tuple[tuple[str, str], ...]
    mask_name: str = ""


@dataclass(frozen=True)
class CollateLog:
    """What one log tells.

    Attributes
    ----------
    failures : why a coadd was not made, by its name
    dropped : why a spec1d file was not used, by its name
    """

    matches: tuple[SpectrumMatch, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)


def read_collate_log(log: Path) -> CollateLog:
    """What a log tells; nothing where there is none."""
    return parse_collate_log(pypeitlog.read_log(log).entries)


def parse_collate_log(entries: Iterable[pypeitlog.LogEntry]) -> CollateLog:
    """What those messages tell. An exception is told in the message before the one that names."""
    sources: dict[str, list[tuple[str, str, str]]] = {}
    failures: dict[str, str] = {}
    dropped: dict[str, str] = {}
    current: list[tuple[str, str, str]] = []
    before = ""
    for entry in entries:
        if found := _CREATING.match(entry.text):
            current = sources.setdefault(_file_name(found[1]), [])
        elif found := _SOURCE.fullmatch(entry.text):
            current.append((found[2], found[3], found[4]))
        elif found := _FAILED.match(entry.text):
            failures[_file_name(found[1])] = (
                pypeitlog.find_last_exception(before) or "PypeIt gave no reason"
            )
        elif found := _DROPPED.match(entry.text) or _NO_SENS.match(entry.text):
            dropped[_file_name(found[1])] = pypeitlog.find_last_exception(before) or entry.text
        before = entry.text
    matches = [
        SpectrumMatch(
            file, tuple((spec1d, name) for spec1d, name, _ in members), _mask_name(members)
        )
        for file, members in sources.items()
    ]
    return CollateLog(tuple(matches), failures, dropped)


def _mask_name(members: list[tuple[str, str, str]]) -> str:
    names = [name for _, _, name in members if name not in ("", "None")]
    return names[0] if names else ""


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


COPIES_FOLDER = "spec1d"
"""The folder of the calibrated copies."""
ARCHIVED_SENSITIVITY = "PypeIt's archive"


def coadd_1d(task: CoaddTask, steps: CommandRunner, result: CoaddResult) -> CoaddResult:
    """From reduced exposures to judged coadds of spectra."""
    folder = task.output / COPIES_FOLDER
    aims = task.exposures
    wanted = [
        one
        for one in task.reduced.exposures
        if one in aims or (one.kind == "standard" and task.flux == "standard")
    ]
    copies = flux_calibration.copy_exposures(task, wanted, folder)
    there = [one for one in copies if one.objects]
    calibration = FluxCalibration(task, steps)
    if task.flux == "standard":
        calibration.calibrate(there)
    collated, problems = _collate(task, steps, [one for one in there if one.exposure in aims])
    frames = {one.spec1d.name: _exposure_result(task, one, calibration, collated) for one in copies}
    by_file = {one.spec1d.name: one for one in copies}
    coadds = []
    for place, told in collated:
        for match in told.matches:
            if len(match.members) >= coaddgroups.MIN_EXPOSURES:
                coadds.append(_evaluate_coadd(task, place, match, told, by_file))
    for one in coadds:
        if one.reason:
            _mark_exposures(frames, one)
    return replace(
        result,
        science=tuple(frames[one.spec1d.name] for one in copies),
        coadds=tuple(coadds),
        singles=tuple(
            f"{match.members[0][1]} in {match.members[0][0]}"
            for _, told in collated
            for match in told.matches
            if len(match.members) < coaddgroups.MIN_EXPOSURES
        ),
        problems=(*calibration.problems, *problems),
    )


def _collate(
    task: CoaddTask, steps: CommandRunner, copies: Sequence[SpectraCopy]
) -> tuple[list[tuple[Path, CollateLog]], list[str]]:
    """What PypeIt matched, with the folder of its coadds; and what failed as a whole."""
    told, problems = [], []
    for name, group in _group_copies(task, copies).items():
        place = task.output / name
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{name or task.spectrograph}.collate1d"
        own = {"collate1d": {"outdir": str(place), "flux": str(task.flux == "archive")}}
        if task.flux == "none":
            own["collate1d"]["ignore_flux"] = "True"
        parameters = pypeitparameters.merge_parameters(task.parameters, own)
        links = _link_spec2d(group)
        columns = [("filename", [copy.spec1d.name for copy in group])]
        input_files.write_input_file(path, parameters, "spec1d", [group[0].spec1d.parent], columns)
        log = path.with_suffix(".log")
        step = steps.run("pypeit_collate_1d", [str(path)], log, label=name)
        for link in links:
            link.unlink()
        if step.failure:
            problems.append(f"{step.name}: {step.failure}")
        told.append((place, read_collate_log(log)))
    return told, problems


def _group_copies(task: CoaddTask, copies: Sequence[SpectraCopy]) -> dict[str, list[SpectraCopy]]:
    """Which spectra are given to PypeIt at once, by the name of a folder.

    Coordinates tell objects apart. Pixels don't: there, each target is collated for itself.
    """
    by_pixel = task.parameters.get("collate1d", {}).get("match_using") == "pixel"
    groups: dict[str, list[SpectraCopy]] = {}
    for copy in copies:
        name = coaddgroups.safe_name(copy.exposure.target) if by_pixel else ""
        groups.setdefault(name, []).append(copy)
    return groups


def _link_spec2d(copies: Sequence[SpectraCopy]) -> list[Path]:
    """Links to the spec2d files beside the copies, where PypeIt looks for the flags of slits."""
    links = []
    for copy in copies:
        link = copy.spec1d.with_name(copy.exposure.spec2d.name)
        link.unlink(missing_ok=True)
        link.symlink_to(copy.exposure.spec2d)
        links.append(link)
    return links


def _exposure_result(
    task: CoaddTask,
    copy: SpectraCopy,
    calibration: FluxCalibration,
    collated: list[tuple[Path, CollateLog]],
) -> ExposureResult:
    one = copy.exposure
    frame = ExposureResult(one.name, one.kind, one.target)
    if not copy.objects:
        return frame
    name = copy.spec1d.name
    why = next((told.dropped[name] for _, told in collated if name in told.dropped), "")
    lacking = flux_calibration.why_not_calibrated(copy.spec1d) if task.flux != "none" else ""
    if task.flux == "standard" and not flux_calibration.standard_candidates(
        one, task.reduced.exposures
    ):
        return replace(frame, reason=NO_STANDARD)
    if task.flux == "standard" and one.name not in calibration.used:
        return replace(frame, reason="no sensitivity function")
    if why or lacking:
        return replace(frame, reason=why or lacking)
    if task.flux == "none":
        return frame
    return replace(frame, flux=calibration.used.get(one.name, ARCHIVED_SENSITIVITY))


def _evaluate_coadd(
    task: CoaddTask,
    place: Path,
    match: SpectrumMatch,
    told: CollateLog,
    by_file: dict[str, SpectraCopy],
) -> CoaddProduct:
    """Whether the coadd of matched spectra is there and has a spectrum in it."""
    exposures = [by_file[spec1d].exposure for spec1d, _ in match.members]
    one = CoaddProduct(
        name=match.file.removesuffix(".fits"),
        target=match.mask_name or exposures[0].target,
        frames=tuple(exposure.name for exposure in exposures),
    )
    path = place / match.file
    if match.file in told.failures:
        return replace(one, reason=told.failures[match.file])
    if not path.is_file():
        return replace(one, reason="PypeIt wrote no coadd of it")
    if defect := products.find_spectrum_defect(path):
        return replace(one, reason=f"the coadd is {defect}")
    spectrum = products.read_spectrum(path)
    return replace(
        one,
        products=(str(path.relative_to(task.output)),),
        snr=spectrum.snr,
        objects=1,
        fluxed=spectrum.fluxed,
    )


def _mark_exposures(frames: dict[str, ExposureResult], coadd: CoaddProduct) -> None:
    """An exposure is not coadded as it should be where one of its objects is not."""
    for name, frame in frames.items():
        if frame.file in coadd.frames and not frame.reason:
            frames[name] = replace(frame, reason=f"{coadd.name}: {coadd.reason}")
