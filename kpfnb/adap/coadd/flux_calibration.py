"""Flux calibration: sensitivity functions of standard stars, applied to copies of spectra."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb.adap.coadd import exposures as slitexclusion
from kpfnb.adap.coadd import input_files
from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.task import CoaddTask
from kpfnb.adap.pypeit import input_files as pypeitparameters
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.pypeit.input_files import ParameterTree
from kpfnb.core import atomic
from kpfnb.core.fits import headers, tables

# Copies of spec1d files to be changed: the reduction's own stay as they are.
#
# PypeIt writes calibrated fluxes into the file that it reads, and coadds each object that is in it.

OBJECT_NAME = re.compile(r"\w+-SLIT(\d+)-([A-Z]+\d+)")
"""PypeIt's name of an object in a slit, as SPAT0176-SLIT0175-DET01."""


def copy_spec1d(spec1d: Path, target: Path, excluded: Iterable[str]) -> int:
    """Copy a spec1d file without the objects in some slits; how many objects the copy has.

    Nothing is written where no object is left.

    excluded : slits as "DET01:175"
    """
    from astropy.io import fits

    without = set(excluded)
    with fits.open(spec1d, memmap=False) as hdus:
        objects = [hdu.name for hdu in hdus[1:] if hdu.header.get("DMODCLS") == "SpecObj"]
        dropped = {name for name in objects if slit_of_object(name) in without}
        left = len(objects) - len(dropped)
        if not left:
            return 0
        with atomic.replace_atomically(target) as temporary:
            if dropped:
                _remove_objects(hdus, dropped, left).writeto(temporary, overwrite=True)
            else:
                shutil.copyfile(spec1d, temporary)
    return left


def slit_of_object(name: str) -> str:
    """The slit of an object, as "DET01:175"; '' for an object of an echelle order."""
    found = OBJECT_NAME.fullmatch(name)
    return f"{found[2]}:{int(found[1])}" if found else ""


def why_not_calibrated(spec1d: Path) -> str:
    """Why a spec1d file has no calibrated fluxes; '' where each of its objects has."""
    if defect := headers.find_defect(spec1d):
        return f"its copy is {defect}"
    lacking = [
        hdu.name
        for hdu in headers.iterate_hdus(spec1d)
        if (columns := _object_columns(hdu)) and not _is_calibrated(columns)
    ]
    return f"no calibrated flux for {', '.join(lacking)}" if lacking else ""


def _remove_objects(hdus: Any, dropped: set[str], left: int) -> Any:
    from astropy.io import fits

    kept = fits.HDUList([hdu for hdu in hdus if hdu.name not in dropped])
    header = kept[0].header
    for card in [key for key in header if re.fullmatch(r"EXT\d{4}", key)]:
        del header[card]
    for number, hdu in enumerate(kept[1:]):
        header[f"EXT{number:04d}"] = hdu.name
    header["NSPEC"] = left
    return kept


def _object_columns(hdu: headers.HDU) -> set[str]:
    """The columns of an object's table; none for anything else."""
    if not OBJECT_NAME.fullmatch(hdu.name) and not hdu.name.startswith("OBJ"):
        return set()
    return set(tables.read_table(hdu))


def _is_calibrated(columns: set[str]) -> bool:
    return all(f"{kind}_FLAM" in columns for kind in ("OPT", "BOX") if f"{kind}_COUNTS" in columns)


SENSITIVITY_FOLDER = "sens"


@dataclass(frozen=True)
class SpectraCopy:
    """A copy of an exposure's spectra, in which they are calibrated.

    Attributes
    ----------
    objects : how many it has; 0 where all of them are in bad slits, and there is no copy
    """

    exposure: ReducedExposure
    spec1d: Path
    objects: int


@dataclass
class FluxCalibration:
    """Calibrates copies of spectra with the standard stars of the same configuration.

    Attributes
    ----------
    problems : what went wrong as a whole
    used : by exposure's name, the standard star's file
    """

    task: CoaddTask
    steps: CommandRunner
    problems: list[str] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)
    _sensitivity_files: dict[str, Path | None] = field(default_factory=dict)

    def calibrate(self, copies: Sequence[SpectraCopy]) -> None:
        """Calibrate them in place; which are calibrated is told by the files themselves."""
        pairs = []
        for copy in copies:
            if sens := self._sensitivity(copy.exposure):
                pairs.append((copy.spec1d, sens))
        if not pairs:
            return
        if self._apply("fluxing", pairs) and len(pairs) > 1:
            # One that can't be calibrated must not cost the others theirs
            left = [pair for pair in pairs if why_not_calibrated(pair[0])]
            for number, pair in enumerate(left, 1):
                self._apply(f"fluxing_{number}", [pair])

    def _sensitivity(self, exposure: ReducedExposure) -> Path | None:
        """The sensitivity function of the nearest standard star that gives one."""
        for standard in standard_candidates(exposure, self.task.reduced.exposures):
            if standard.name not in self._sensitivity_files:
                self._sensitivity_files[standard.name] = self._make_sensitivity(standard)
            if found := self._sensitivity_files[standard.name]:
                self.used[exposure.name] = standard.file
                return found
        return None

    def _make_sensitivity(self, standard: ReducedExposure) -> Path | None:
        """A sensitivity function; None where PypeIt makes none of this star."""
        folder = self.task.output / SENSITIVITY_FOLDER
        stem = f"sens_{standard.spec1d.stem.removeprefix('spec1d_')}"
        made, own = folder / f"{stem}.fits", folder / f"{stem}.sens"
        atomic.write_text(own, "\n".join([*pypeitparameters.format_parameters(self.task.sens), ""]))
        arguments = [str(standard.spec1d), "-o", str(made), "-s", str(own)]
        arguments += ["--par_outfile", str(made.with_suffix(".par"))]
        log = made.with_suffix(".log")
        step = self.steps.run("pypeit_sensfunc", arguments, log, label=standard.file)
        defect = (
            step.failure
            or headers.find_defect(made)
            or ("" if _has_sensitivity(made) else "no SENS")
        )
        if defect:
            self.problems.append(f"no sensitivity function of {standard.name}: {defect}")
            return None
        return made

    def _apply(self, name: str, pairs: Sequence[tuple[Path, Path]]) -> str:
        """Calibrate with one command; why it failed."""
        path = self.task.output / SENSITIVITY_FOLDER / f"{name}.flux"
        columns = [
            ("filename", [spec1d.name for spec1d, _ in pairs]),
            ("sensfile", [str(sens) for _, sens in pairs]),
        ]
        parameters: ParameterTree = self.task.rules.parameter_tree("fluxcalib")
        input_files.write_input_file(
            path, parameters, "flux", [one.parent for one, _ in pairs], columns
        )
        step = self.steps.run("pypeit_flux_calib", [str(path)], path.with_suffix(".log"))
        return step.failure


def standard_candidates(
    exposure: ReducedExposure, exposures: Sequence[ReducedExposure]
) -> list[ReducedExposure]:
    """The standard stars that can calibrate an exposure, the nearest in time first."""
    alike = [
        one
        for one in exposures
        if one.kind == "standard"
        and one.configuration == exposure.configuration
        and set(one.detectors) >= set(exposure.detectors)
    ]
    return sorted(alike, key=lambda one: (abs(one.mjd - exposure.mjd), one.file))


def copy_exposures(
    task: CoaddTask, exposures: Sequence[ReducedExposure], folder: Path
) -> list[SpectraCopy]:
    """Copies of their spectra without the objects in bad slits."""
    copies = []
    for one in exposures:
        target = folder / one.spec1d.name
        bad = slitexclusion.bad_slits_for(one, task.bad_slits)
        copies.append(SpectraCopy(one, target, copy_spec1d(one.spec1d, target, bad)))
    return copies


def _has_sensitivity(made: Path) -> bool:
    return any(hdu.name == "SENS" for hdu in headers.iterate_hdus(made))
