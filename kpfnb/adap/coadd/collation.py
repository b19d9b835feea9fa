"""1D: spectra of the same object are found and coadded, calibrated where that can be.

Copies of the spectra are calibrated and collated; the reductions stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kpfnb.adap.coadding import (
    coaddfile,
    coaddgroups,
    coaddspectra,
    collatelog,
    fluxing,
    stagedspectra,
)
from kpfnb.adap.coadding.coadded import Coadded
from kpfnb.adap.coadding.coaddtask import CoaddTask
from kpfnb.adap.coadding.coaddverdicts import NO_STANDARD, Coadd, Frame
from kpfnb.adap.coadding.collatelog import Collated, Match
from kpfnb.adap.coadding.fluxing import Calibration, Copy
from kpfnb.adap.pypeit import pypeitparameters
from kpfnb.adap.pypeit.steps import Steps

SPECTRA = "spec1d"
"""The folder of the calibrated copies."""
ARCHIVE = "PypeIt's archive"


def do(task: CoaddTask, steps: Steps, result: Coadded) -> Coadded:
    """From reduced exposures to judged coadds of spectra."""
    folder = task.output / SPECTRA
    aims = task.aims
    wanted = [
        one
        for one in task.found.exposures
        if one in aims or (one.kind == "standard" and task.flux == "standard")
    ]
    copies = fluxing.copy(task, wanted, folder)
    there = [one for one in copies if one.objects]
    calibration = Calibration(task, steps)
    if task.flux == "standard":
        calibration.do(there)
    collated, problems = _collate(task, steps, [one for one in there if one.exposure in aims])
    frames = {one.spec1d.name: _frame(task, one, calibration, collated) for one in copies}
    by_file = {one.spec1d.name: one for one in copies}
    coadds = []
    for place, told in collated:
        for match in told.matches:
            if len(match.members) >= coaddgroups.FEWEST:
                coadds.append(_judge(task, place, match, told, by_file))
    for one in coadds:
        if one.reason:
            _blame(frames, one)
    return replace(
        result,
        science=tuple(frames[one.spec1d.name] for one in copies),
        coadds=tuple(coadds),
        singles=tuple(
            f"{match.members[0][1]} in {match.members[0][0]}"
            for _, told in collated
            for match in told.matches
            if len(match.members) < coaddgroups.FEWEST
        ),
        problems=(*calibration.problems, *problems),
    )


def _collate(
    task: CoaddTask, steps: Steps, copies: Sequence[Copy]
) -> tuple[list[tuple[Path, Collated]], list[str]]:
    """What PypeIt matched, with the folder of its coadds; and what failed as a whole."""
    told, problems = [], []
    for name, group in _together(task, copies).items():
        place = task.output / name
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{name or task.spectrograph}.collate1d"
        own = {"collate1d": {"outdir": str(place), "flux": str(task.flux == "archive")}}
        if task.flux == "none":
            own["collate1d"]["ignore_flux"] = "True"
        parameters = pypeitparameters.merge(task.parameters, own)
        links = _beside(group)
        columns = [("filename", [copy.spec1d.name for copy in group])]
        coaddfile.write(path, parameters, "spec1d", [group[0].spec1d.parent], columns)
        log = path.with_suffix(".log")
        step = steps.run("pypeit_collate_1d", [str(path)], log, label=name)
        for link in links:
            link.unlink()
        if step.failure:
            problems.append(f"{step.name}: {step.failure}")
        told.append((place, collatelog.read(log)))
    return told, problems


def _together(task: CoaddTask, copies: Sequence[Copy]) -> dict[str, list[Copy]]:
    """Which spectra are given to PypeIt at once, by the name of a folder.

    Coordinates tell objects apart. Pixels don't: there, each target is collated for itself.
    """
    by_pixel = task.parameters.get("collate1d", {}).get("match_using") == "pixel"
    groups: dict[str, list[Copy]] = {}
    for copy in copies:
        name = coaddgroups.plain_name(copy.exposure.target) if by_pixel else ""
        groups.setdefault(name, []).append(copy)
    return groups


def _beside(copies: Sequence[Copy]) -> list[Path]:
    """Links to the spec2d files beside the copies, where PypeIt looks for the flags of slits."""
    links = []
    for copy in copies:
        link = copy.spec1d.with_name(copy.exposure.spec2d.name)
        link.unlink(missing_ok=True)
        link.symlink_to(copy.exposure.spec2d)
        links.append(link)
    return links


def _frame(
    task: CoaddTask, copy: Copy, calibration: Calibration, collated: list[tuple[Path, Collated]]
) -> Frame:
    one = copy.exposure
    frame = Frame(one.name, one.kind, one.target)
    if not copy.objects:
        return frame
    name = copy.spec1d.name
    why = next((told.dropped[name] for _, told in collated if name in told.dropped), "")
    lacking = stagedspectra.why_not_calibrated(copy.spec1d) if task.flux != "none" else ""
    if task.flux == "standard" and not fluxing.candidates(one, task.found.exposures):
        return replace(frame, reason=NO_STANDARD)
    if task.flux == "standard" and one.name not in calibration.used:
        return replace(frame, reason="no sensitivity function")
    if why or lacking:
        return replace(frame, reason=why or lacking)
    if task.flux == "none":
        return frame
    return replace(frame, flux=calibration.used.get(one.name, ARCHIVE))


def _judge(
    task: CoaddTask, place: Path, match: Match, told: Collated, by_file: dict[str, Copy]
) -> Coadd:
    """Whether the coadd of matched spectra is there and has a spectrum in it."""
    exposures = [by_file[spec1d].exposure for spec1d, _ in match.members]
    one = Coadd(
        name=match.file.removesuffix(".fits"),
        target=match.mask_name or exposures[0].target,
        frames=tuple(exposure.name for exposure in exposures),
    )
    path = place / match.file
    if match.file in told.failures:
        return replace(one, reason=told.failures[match.file])
    if not path.is_file():
        return replace(one, reason="PypeIt wrote no coadd of it")
    if defect := coaddspectra.defect(path):
        return replace(one, reason=f"the coadd is {defect}")
    spectrum = coaddspectra.read(path)
    return replace(
        one,
        products=(str(path.relative_to(task.output)),),
        snr=spectrum.snr,
        objects=1,
        fluxed=spectrum.fluxed,
    )


def _blame(frames: dict[str, Frame], coadd: Coadd) -> None:
    """An exposure is not coadded as it should be where one of its objects is not."""
    for name, frame in frames.items():
        if frame.file in coadd.frames and not frame.reason:
            frames[name] = replace(frame, reason=f"{coadd.name}: {coadd.reason}")
