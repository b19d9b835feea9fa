"""Flux calibration: sensitivity functions of standard stars, applied to copies of spectra.

PypeIt writes calibrated fluxes into the file that it reads, and coadds every object in it: so the
spec1d files are copied, and the reduction's own stay unchanged.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb.adap.coadd.exposures import ReducedExposure, bad_slits_for
from kpfnb.adap.coadd.groups import write_input_file
from kpfnb.adap.coadd.task import CoaddTask
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.pypeit.input_files import format_parameters
from kpfnb.core import atomic
from kpfnb.core.fits import headers, tables

OBJECT_NAME = re.compile(r"\w+-SLIT(\d+)-([A-Z]+\d+)")
"""PypeIt's name of an object in a slit, as SPAT0176-SLIT0175-DET01."""
SENSITIVITY_FOLDER = "sens"


@dataclass(frozen=True)
class SpectraCopy:
    """A copy of an exposure's spectra, which is calibrated in place.

    Attributes
    ----------
    objects : the number of its objects; 0 if all are in bad slits, and there is no copy
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
    used : the standard star's file, by the exposure's name
    """

    task: CoaddTask
    runner: CommandRunner
    problems: list[str] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)
    _sensitivity_files: dict[str, Path | None] = field(default_factory=dict)

    def calibrate(self, copies: Sequence[SpectraCopy]) -> None:
        """Calibrate copies in place; `why_not_calibrated` says which ones failed."""
        pairs = [
            (copy.spec1d, sensitivity)
            for copy in copies
            if (sensitivity := self._find_sensitivity(copy.exposure))
        ]
        if not pairs:
            return
        if self._apply("fluxing", pairs) and len(pairs) > 1:
            # One that can't be calibrated must not keep the others from it
            failed = [pair for pair in pairs if why_not_calibrated(pair[0])]
            for number, pair in enumerate(failed, 1):
                self._apply(f"fluxing_{number}", [pair])

    def _find_sensitivity(self, exposure: ReducedExposure) -> Path | None:
        """The sensitivity function of the nearest standard star that has one."""
        for standard in standard_candidates(exposure, self.task.reduced.exposures):
            if standard.name not in self._sensitivity_files:
                self._sensitivity_files[standard.name] = self._make_sensitivity(standard)
            if path := self._sensitivity_files[standard.name]:
                self.used[exposure.name] = standard.file
                return path
        return None

    def _make_sensitivity(self, standard: ReducedExposure) -> Path | None:
        """The sensitivity function of a star; None if PypeIt can't make one."""
        folder = self.task.output / SENSITIVITY_FOLDER
        stem = f"sens_{standard.spec1d.stem.removeprefix('spec1d_')}"
        path, parameters = folder / f"{stem}.fits", folder / f"{stem}.sens"
        atomic.write_text(parameters, "\n".join([*format_parameters(self.task.sens), ""]))
        arguments = [str(standard.spec1d), "-o", str(path), "-s", str(parameters)]
        arguments += ["--par_outfile", str(path.with_suffix(".par"))]
        log = path.with_suffix(".log")
        step = self.runner.run("pypeit_sensfunc", arguments, log, label=standard.file)
        if defect := step.failure or _sensitivity_defect(path):
            self.problems.append(f"no sensitivity function of {standard.name}: {defect}")
            return None
        return path

    def _apply(self, name: str, pairs: Sequence[tuple[Path, Path]]) -> str:
        """Calibrate with one command; returns why it failed, '' if it did not."""
        path = self.task.output / SENSITIVITY_FOLDER / f"{name}.flux"
        columns = [
            ("filename", [spec1d.name for spec1d, _ in pairs]),
            ("sensfile", [str(sensitivity) for _, sensitivity in pairs]),
        ]
        parameters = self.task.rules.parameter_tree("fluxcalib")
        folders = [spec1d.parent for spec1d, _ in pairs]
        write_input_file(path, parameters, "flux", folders, columns)
        return self.runner.run("pypeit_flux_calib", [str(path)], path.with_suffix(".log")).failure


def standard_candidates(
    exposure: ReducedExposure, exposures: Sequence[ReducedExposure]
) -> list[ReducedExposure]:
    """The standard stars that can calibrate an exposure, the nearest in time first."""
    candidates = [
        other
        for other in exposures
        if other.kind == "standard"
        and other.configuration == exposure.configuration
        and set(other.detectors) >= set(exposure.detectors)
    ]
    return sorted(candidates, key=lambda other: (abs(other.mjd - exposure.mjd), other.file))


def copy_exposures(
    task: CoaddTask, exposures: Sequence[ReducedExposure], folder: Path
) -> list[SpectraCopy]:
    """Copies of the exposures' spectra, without the objects in bad slits."""
    copies = []
    for exposure in exposures:
        target = folder / exposure.spec1d.name
        bad_slits = bad_slits_for(exposure, task.bad_slits)
        count = copy_spec1d(exposure.spec1d, target, bad_slits)
        copies.append(SpectraCopy(exposure, target, count))
    return copies


def copy_spec1d(spec1d: Path, target: Path, excluded: Iterable[str]) -> int:
    """Copy a spec1d file without the objects in some slits; returns the number of objects.

    Nothing is written if no object is left.

    excluded : slits as "DET01:175"
    """
    from astropy.io import fits

    bad_slits = set(excluded)
    with fits.open(spec1d, memmap=False) as hdus:
        objects = [hdu.name for hdu in hdus[1:] if hdu.header.get("DMODCLS") == "SpecObj"]
        dropped = {name for name in objects if slit_of_object(name) in bad_slits}
        count = len(objects) - len(dropped)
        if not count:
            return 0
        with atomic.replace_atomically(target) as temporary:
            if dropped:
                _remove_objects(hdus, dropped, count).writeto(temporary, overwrite=True)
            else:
                shutil.copyfile(spec1d, temporary)
    return count


def slit_of_object(name: str) -> str:
    """The slit of an object, as "DET01:175"; '' for an object of an echelle order."""
    match = OBJECT_NAME.fullmatch(name)
    return f"{match[2]}:{int(match[1])}" if match else ""


def why_not_calibrated(spec1d: Path) -> str:
    """Why a spec1d file has no calibrated fluxes; '' if each of its objects has."""
    if defect := headers.find_defect(spec1d):
        return f"its copy is {defect}"
    uncalibrated = [
        hdu.name
        for hdu in headers.iterate_hdus(spec1d)
        if (columns := _object_columns(hdu)) and not _is_calibrated(columns)
    ]
    return f"no calibrated flux for {', '.join(uncalibrated)}" if uncalibrated else ""


def _remove_objects(hdus: Any, dropped: set[str], count: int) -> Any:
    from astropy.io import fits

    kept = fits.HDUList([hdu for hdu in hdus if hdu.name not in dropped])
    header = kept[0].header
    for card in [key for key in header if re.fullmatch(r"EXT\d{4}", key)]:
        del header[card]
    for number, hdu in enumerate(kept[1:]):
        header[f"EXT{number:04d}"] = hdu.name
    header["NSPEC"] = count
    return kept


def _object_columns(hdu: headers.HDU) -> set[str]:
    """The columns of an object's table; none for anything else."""
    if not OBJECT_NAME.fullmatch(hdu.name) and not hdu.name.startswith("OBJ"):
        return set()
    return set(tables.read_table(hdu))


def _is_calibrated(columns: set[str]) -> bool:
    return all(f"{kind}_FLAM" in columns for kind in ("OPT", "BOX") if f"{kind}_COUNTS" in columns)


def _sensitivity_defect(path: Path) -> str:
    if defect := headers.find_defect(path):
        return defect
    return "" if any(hdu.name == "SENS" for hdu in headers.iterate_hdus(path)) else "no SENS"
