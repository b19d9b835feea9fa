"""1D coadds: spectra of the same object are matched and coadded, flux-calibrated if possible.

Copies of the spectra are calibrated and collated; the reductions stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kpfnb.adap.coadd import flux_calibration, products
from kpfnb.adap.coadd.flux_calibration import FluxCalibration, SpectraCopy
from kpfnb.adap.coadd.groups import MIN_EXPOSURES, safe_name, write_input_file
from kpfnb.adap.coadd.products import NO_STANDARD, CoaddProduct, ExposureResult
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddTask
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.pypeit.input_files import merge_parameters
from kpfnb.adap.pypeit.log import LogEntry, find_last_exception, read_log

COPIES_FOLDER = "spec1d"
"""The folder of the calibrated copies."""
ARCHIVED_SENSITIVITY = "PypeIt's archive"

_CREATING = re.compile(r"Creating (.+\.fits) from the following sources:")
_SOURCE = re.compile(r"\s*(\S.*/)?([^/]+\.fits): (\S+) \((.*)\)")
_FAILED = re.compile(r"Failed to coadd (.+\.fits), skipping")
_DROPPED = re.compile(r"(?:Failed to flux calibrate|Failed to read) (.+\.fits), skipping it\.")
_NO_SENS = re.compile(r"Could not find archived sensfunc to flux (.+\.fits), skipping it\.")


@dataclass(frozen=True)
class SpectrumMatch:
    """Spectra that PypeIt matches as one object.

    Attributes
    ----------
    file : the name of the coadd to be made of them
    members : name of the spec1d file, and of the object in it
    mask_name : of the object in the mask's design; '' if there is none
    """

    file: str
    members: tuple[tuple[str, str], ...]
    mask_name: str = ""


@dataclass(frozen=True)
class CollateLog:
    """What pypeit_collate_1d matched, and what it could not coadd, by one of its logs.

    Attributes
    ----------
    folder : of the log, and of the coadds
    failures : why a coadd was not made, by its name
    dropped : why a spec1d file was not used, by its name
    """

    folder: Path
    matches: tuple[SpectrumMatch, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)


def read_collate_log(log: Path) -> CollateLog:
    """What a log reports; empty if there is no log."""
    return parse_collate_log(read_log(log).entries, log.parent)


def parse_collate_log(entries: Iterable[LogEntry], folder: Path) -> CollateLog:
    """What these entries report. PypeIt logs an exception just before the file that it concerns."""
    sources: dict[str, list[tuple[str, str, str]]] = {}
    failures: dict[str, str] = {}
    dropped: dict[str, str] = {}
    current: list[tuple[str, str, str]] = []
    previous = ""
    for entry in entries:
        if match := _CREATING.match(entry.text):
            current = sources.setdefault(_file_name(match[1]), [])
        elif match := _SOURCE.fullmatch(entry.text):
            current.append((match[2], match[3], match[4]))
        elif match := _FAILED.match(entry.text):
            reason = find_last_exception(previous) or "PypeIt gave no reason"
            failures[_file_name(match[1])] = reason
        elif match := _DROPPED.match(entry.text) or _NO_SENS.match(entry.text):
            dropped[_file_name(match[1])] = find_last_exception(previous) or entry.text
        previous = entry.text
    matches = [
        SpectrumMatch(file, tuple((spec1d, name) for spec1d, name, _ in group), _mask_name(group))
        for file, group in sources.items()
    ]
    return CollateLog(folder, tuple(matches), failures, dropped)


def _mask_name(members: list[tuple[str, str, str]]) -> str:
    return next((name for _, _, name in members if name not in ("", "None")), "")


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def coadd_1d(task: CoaddTask, runner: CommandRunner, empty: CoaddResult) -> CoaddResult:
    """Calibrate and coadd the spectra of reduced exposures, and evaluate the coadds."""
    exposures = task.exposures
    copied = [
        exposure
        for exposure in task.reduced.exposures
        if exposure in exposures or (exposure.kind == "standard" and task.flux == "standard")
    ]
    copies = flux_calibration.copy_exposures(task, copied, task.output / COPIES_FOLDER)
    filled = [copy for copy in copies if copy.objects]
    calibration = FluxCalibration(task, runner)
    if task.flux == "standard":
        calibration.calibrate(filled)
    to_collate = [copy for copy in filled if copy.exposure in exposures]
    logs, problems = _collate_spectra(task, runner, to_collate)
    by_file = {copy.spec1d.name: copy for copy in copies}
    matches = [(log, match) for log in logs for match in log.matches]
    several = [(log, match) for log, match in matches if len(match.members) >= MIN_EXPOSURES]
    coadds = tuple(_evaluate_coadd(task, log, match, by_file) for log, match in several)
    results = [_exposure_result(task, copy, calibration, logs) for copy in copies]
    return replace(
        empty,
        science=tuple(_mark_failed(result, coadds) for result in results),
        coadds=coadds,
        singles=tuple(
            f"{match.members[0][1]} in {match.members[0][0]}"
            for _, match in matches
            if len(match.members) < MIN_EXPOSURES
        ),
        problems=(*calibration.problems, *problems),
    )


def _collate_spectra(
    task: CoaddTask, runner: CommandRunner, copies: Sequence[SpectraCopy]
) -> tuple[list[CollateLog], list[str]]:
    """What PypeIt matched, and which of its commands failed."""
    logs, problems = [], []
    for name, group in _group_copies(task, copies).items():
        folder = task.output / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name or task.spectrograph}.collate1d"
        collate1d = {"outdir": str(folder), "flux": str(task.flux == "archive")}
        if task.flux == "none":
            collate1d["ignore_flux"] = "True"
        parameters = merge_parameters(task.parameters, {"collate1d": collate1d})
        columns = [("filename", [copy.spec1d.name for copy in group])]
        write_input_file(path, parameters, "spec1d", [group[0].spec1d.parent], columns)
        links = _link_spec2d(group)
        log = path.with_suffix(".log")
        step = runner.run("pypeit_collate_1d", [str(path)], log, label=name)
        for link in links:
            link.unlink()
        if step.failure:
            problems.append(f"{step.name}: {step.failure}")
        logs.append(read_collate_log(log))
    return logs, problems


def _group_copies(task: CoaddTask, copies: Sequence[SpectraCopy]) -> dict[str, list[SpectraCopy]]:
    """Which spectra PypeIt collates together, by the name of a folder.

    Coordinates distinguish objects of different targets. Pixels do not: then each target is
    collated separately.
    """
    by_pixel = task.parameters.get("collate1d", {}).get("match_using") == "pixel"
    groups: dict[str, list[SpectraCopy]] = {}
    for copy in copies:
        name = safe_name(copy.exposure.target) if by_pixel else ""
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
    task: CoaddTask, copy: SpectraCopy, calibration: FluxCalibration, logs: Sequence[CollateLog]
) -> ExposureResult:
    exposure = copy.exposure
    result = ExposureResult(exposure.name, exposure.kind, exposure.target)
    if not copy.objects:
        return result
    if task.flux == "standard":
        if not flux_calibration.standard_candidates(exposure, task.reduced.exposures):
            return replace(result, reason=NO_STANDARD)
        if exposure.name not in calibration.used:
            return replace(result, reason="no sensitivity function")
    file = copy.spec1d.name
    reason = next((log.dropped[file] for log in logs if file in log.dropped), "")
    if not reason and task.flux != "none":
        reason = flux_calibration.why_not_calibrated(copy.spec1d)
    if reason or task.flux == "none":
        return replace(result, reason=reason)
    return replace(result, flux=calibration.used.get(exposure.name, ARCHIVED_SENSITIVITY))


def _evaluate_coadd(
    task: CoaddTask, log: CollateLog, match: SpectrumMatch, by_file: dict[str, SpectraCopy]
) -> CoaddProduct:
    """The coadd of matched spectra: whether it exists, and has a spectrum in it."""
    exposures = [by_file[spec1d].exposure for spec1d, _ in match.members]
    coadd = CoaddProduct(
        name=match.file.removesuffix(".fits"),
        target=match.mask_name or exposures[0].target,
        frames=tuple(exposure.name for exposure in exposures),
    )
    path = log.folder / match.file
    if match.file in log.failures:
        return replace(coadd, reason=log.failures[match.file])
    if not path.is_file():
        return replace(coadd, reason="PypeIt wrote no coadd of it")
    if defect := products.find_spectrum_defect(path):
        return replace(coadd, reason=f"the coadd is {defect}")
    spectrum = products.read_spectrum(path)
    return replace(
        coadd,
        products=(str(path.relative_to(task.output)),),
        snr=spectrum.snr,
        objects=1,
        fluxed=spectrum.fluxed,
    )


def _mark_failed(result: ExposureResult, coadds: Sequence[CoaddProduct]) -> ExposureResult:
    """The result of an exposure, failed if one of its objects could not be coadded."""
    if result.reason:
        return result
    failed = (coadd for coadd in coadds if coadd.reason and result.file in coadd.frames)
    coadd = next(failed, None)
    return replace(result, reason=f"{coadd.name}: {coadd.reason}") if coadd else result
