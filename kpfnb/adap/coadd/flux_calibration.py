"""Flux calibration: sensitivity functions of standard stars, applied to copies of spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb import files, fitsheader
from kpfnb.adap.coadding import coaddfile, slitexclusion, stagedspectra
from kpfnb.adap.coadding.coaddtask import CoaddTask
from kpfnb.adap.coadding.reducedexposures import Exposure
from kpfnb.adap.pypeit import pypeitparameters
from kpfnb.adap.pypeit.pypeitparameters import Tree
from kpfnb.adap.pypeit.steps import Steps

FOLDER = "sens"


@dataclass(frozen=True)
class Copy:
    """A copy of an exposure's spectra, in which they are calibrated.

    Attributes
    ----------
    objects : how many it has; 0 where all of them are in bad slits, and there is no copy
    """

    exposure: Exposure
    spec1d: Path
    objects: int


@dataclass
class Calibration:
    """Calibrates copies of spectra with the standard stars of the same configuration.

    Attributes
    ----------
    problems : what went wrong as a whole
    used : by exposure's name, the standard star's file
    """

    task: CoaddTask
    steps: Steps
    problems: list[str] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)
    _made: dict[str, Path | None] = field(default_factory=dict)

    def do(self, copies: Sequence[Copy]) -> None:
        """Calibrate them in place; which are calibrated is told by the files themselves."""
        pairs = []
        for copy in copies:
            if sens := self._sensitivity(copy.exposure):
                pairs.append((copy.spec1d, sens))
        if not pairs:
            return
        if self._apply("fluxing", pairs) and len(pairs) > 1:
            # One that can't be calibrated must not cost the others theirs
            left = [pair for pair in pairs if stagedspectra.why_not_calibrated(pair[0])]
            for number, pair in enumerate(left, 1):
                self._apply(f"fluxing_{number}", [pair])

    def _sensitivity(self, exposure: Exposure) -> Path | None:
        """The sensitivity function of the nearest standard star that gives one."""
        for standard in candidates(exposure, self.task.found.exposures):
            if standard.name not in self._made:
                self._made[standard.name] = self._make(standard)
            if found := self._made[standard.name]:
                self.used[exposure.name] = standard.file
                return found
        return None

    def _make(self, standard: Exposure) -> Path | None:
        """A sensitivity function; None where PypeIt makes none of this star."""
        folder = self.task.output / FOLDER
        stem = f"sens_{standard.spec1d.stem.removeprefix('spec1d_')}"
        made, own = folder / f"{stem}.fits", folder / f"{stem}.sens"
        files.write_text(own, "\n".join([*pypeitparameters.lines(self.task.sens), ""]))
        arguments = [str(standard.spec1d), "-o", str(made), "-s", str(own)]
        arguments += ["--par_outfile", str(made.with_suffix(".par"))]
        log = made.with_suffix(".log")
        step = self.steps.run("pypeit_sensfunc", arguments, log, label=standard.file)
        defect = step.failure or fitsheader.defect(made) or ("" if _is_whole(made) else "no SENS")
        if defect:
            self.problems.append(f"no sensitivity function of {standard.name}: {defect}")
            return None
        return made

    def _apply(self, name: str, pairs: Sequence[tuple[Path, Path]]) -> str:
        """Calibrate with one command; why it failed."""
        path = self.task.output / FOLDER / f"{name}.flux"
        columns = [
            ("filename", [spec1d.name for spec1d, _ in pairs]),
            ("sensfile", [str(sens) for _, sens in pairs]),
        ]
        parameters: Tree = self.task.rules.tree("fluxcalib")
        coaddfile.write(path, parameters, "flux", [one.parent for one, _ in pairs], columns)
        step = self.steps.run("pypeit_flux_calib", [str(path)], path.with_suffix(".log"))
        return step.failure


def candidates(exposure: Exposure, exposures: Sequence[Exposure]) -> list[Exposure]:
    """The standard stars that can calibrate an exposure, the nearest in time first."""
    alike = [
        one
        for one in exposures
        if one.kind == "standard"
        and one.configuration == exposure.configuration
        and set(one.detectors) >= set(exposure.detectors)
    ]
    return sorted(alike, key=lambda one: (abs(one.mjd - exposure.mjd), one.file))


def copy(task: CoaddTask, exposures: Sequence[Exposure], folder: Path) -> list[Copy]:
    """Copies of their spectra without the objects in bad slits."""
    copies = []
    for one in exposures:
        target = folder / one.spec1d.name
        bad = slitexclusion.of(one, task.bad)
        copies.append(Copy(one, target, stagedspectra.copy(one.spec1d, target, bad)))
    return copies


def _is_whole(made: Path) -> bool:
    return any(hdu.name == "SENS" for hdu in fitsheader.hdus(made))
