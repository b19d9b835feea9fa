"""What is to be coadded, where to and how: checked before any work."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kpfnb.adap.coadd import (
    exposures as reducedexposures,
)
from kpfnb.adap.coadd import (
    exposures as slitexclusion,
)
from kpfnb.adap.coadd import (
    groups,
    input_files,
)
from kpfnb.adap.coadd.exposures import BadSlitsByFile, ExposureList, ReducedExposure
from kpfnb.adap.coadd.input_files import CoaddFile
from kpfnb.adap.products import dataset
from kpfnb.adap.profiles import spectrograph as profile
from kpfnb.adap.profiles.spectrograph import CoaddRules
from kpfnb.adap.pypeit import input_files as pypeitparameters
from kpfnb.adap.pypeit import installation
from kpfnb.adap.pypeit.input_files import ParameterTree
from kpfnb.adap.reduce import job
from kpfnb.core.errors import InvalidInputError, InvalidParameterError

FLUX_SOURCES = ("auto", "archive", "standard", "none")
SLIT_TOLERANCE_PIXELS = 20.0
"""How far a slit may be from itself in another exposure (pixels), where no parameter tells."""


class CoaddKind(StrEnum):
    """What is coadded."""

    SPECTRA = "1d"
    IMAGES = "2d"

    @property
    def folder(self) -> str:
        """The folder of its products."""
        return "1D_Coadd" if self is CoaddKind.SPECTRA else "2D_Coadd"

    @property
    def input_kind(self) -> str:
        """The kind of PypeIt's input file, and the ending of its name."""
        return "collate1d" if self is CoaddKind.SPECTRA else "coadd2d"


@dataclass(frozen=True)
class CoaddTask:
    """One configuration or dataset and how to coadd it; see `coadd.run` for what each part is.

    Attributes
    ----------
    name : mask/config or mask/config/date, or that of the folder
    parameters : PypeIt's, of the profile and the user, merged
    sens : those for pypeit_sensfunc
    flux : archive, standard or none
    tolerance : between a slit's positions in two exposures (pixels)
    """

    root: Path
    output: Path
    name: str
    kind: CoaddKind
    spectrograph: str
    rules: CoaddRules
    parameters: ParameterTree
    sens: ParameterTree
    flux: str
    tolerance: float
    reduced: ExposureList
    bad_slits: BadSlitsByFile

    @property
    def exposures(self) -> list[ReducedExposure]:
        """The exposures to be coadded."""
        return groups.select_exposures(self.reduced.exposures)

    def inputs(self) -> dict[str, Any]:
        """All that the products depend on, as JSON: unchanged inputs need no new coadd.

        By content: files that were carried to a remote and back are the same.
        """
        return {
            "name": self.name,
            "kind": str(self.kind),
            "spectrograph": self.spectrograph,
            "flux": self.flux,
            "parameters": pypeitparameters.format_parameters(self.parameters),
            "sens": pypeitparameters.format_parameters(self.sens),
            "pypeit": installation.pypeit_version(),
            "frames": {
                one.name: [_sha256(one.spec1d), _sha256(one.spec2d)] for one in self.exposures
            },
            "standards": {
                one.name: _sha256(one.spec1d)
                for one in self.reduced.exposures
                if one.kind == "standard" and self.kind is CoaddKind.SPECTRA
            },
            "bad slits": {
                one.name: sorted(slits)
                for one in self.reduced.exposures
                if (slits := slitexclusion.bad_slits_for(one, self.bad_slits))
            },
            "left out": dict(self.reduced.left_out),
        }


def prepare_task(
    root: str | Path,
    output: str | Path,
    kind: CoaddKind,
    flux: str,
    config: str | Sequence[str],
    custom: str | Path,
) -> CoaddTask:
    """The checked task.

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument that names nothing, or a file that can't be used
    """
    if flux not in FLUX_SOURCES:
        raise InvalidParameterError(
            f"flux: {flux!r} is none of {', '.join(FLUX_SOURCES)}", "auto is the default"
        )
    folder = job.expand_path(root, "root")
    found = reducedexposures.find_exposures(folder)
    name = item_name(folder)
    spectrograph = _spectrograph(folder, found)
    rules = _coadd_rules(spectrograph)
    own = _custom_file(custom, name, kind.input_kind)
    lines = pypeitparameters.parse_parameters(job.read_config_lines(config), "config")
    parameters = pypeitparameters.merge_parameters(
        rules.parameter_tree(kind.input_kind), lines, own.parameters if own else {}
    )
    sens = _custom_file(custom, name, "sens")
    place = job.expand_path(output, "output") if str(output) else _default_output(folder)
    return CoaddTask(
        root=folder,
        output=place / kind.folder,
        name=name,
        kind=kind,
        spectrograph=spectrograph,
        rules=rules,
        parameters=parameters,
        sens=pypeitparameters.merge_parameters(
            rules.parameter_tree("sens"), sens.parameters if sens else {}
        ),
        flux=_flux_source(flux, rules, parameters) if kind is CoaddKind.SPECTRA else "none",
        tolerance=_tolerance(parameters),
        reduced=_select_listed(found, own, kind),
        bad_slits=slitexclusion.read_bad_slits(found.reductions),
    )


def item_name(folder: Path) -> str:
    """The name of a configuration's or a dataset's folder: its last parts."""
    parts = folder.parts
    if dataset.select_dataset_names(["/".join(parts[-3:])]):
        return "/".join(parts[-3:])
    has_datasets = any(
        dataset.select_dataset_names([f"m/c/{one.name}"]) for one in folder.iterdir()
    )
    return "/".join(parts[-2:]) if has_datasets else folder.name


def _default_output(folder: Path) -> Path:
    """Where the coadds of a configuration, of a dataset or of a single reduction belong."""
    if (folder / dataset.COMPLETE).is_dir():
        return folder / dataset.COMPLETE
    if any(folder.glob("*/*.pypeit")):
        return folder.with_name(f"{folder.name}_coadd")
    return folder


def _spectrograph(folder: Path, found: ExposureList) -> str:
    names = sorted({one.spectrograph for one in found.exposures})
    if not names:
        why = "; ".join(f"{file}: {reason}" for file, reason in found.left_out[:3])
        raise InvalidInputError(
            f"no reduced frame below {folder}{why and f' ({why})'}", "reduce them first"
        )
    if len(names) > 1:
        raise InvalidInputError(
            f"{folder} holds spectra of {' and '.join(names)}", "coadd one of them"
        )
    return names[0]


def _coadd_rules(spectrograph: str) -> CoaddRules:
    rules = profile.profile_for_spectrograph(spectrograph).coadd
    if not rules:
        raise InvalidInputError(
            f"the profile of {spectrograph} does not tell how to coadd",
            "write a section coadd into it, as in that of keck_deimos",
        )
    return rules


def _custom_file(custom: str | Path, name: str, ending: str) -> CoaddFile | None:
    """The user's own file for exactly this item; None where there is none."""
    if not str(custom):
        return None
    folder = job.expand_path(custom, "custom")
    if not folder.is_dir():
        raise InvalidInputError(
            f"custom: {folder} is no folder", "name the folder of your parameter files"
        )
    path = folder / f"{name.replace('/', '_')}.{ending}"
    return input_files.read_coadd_file(path) if path.is_file() else None


def _flux_source(flux: str, rules: CoaddRules, parameters: ParameterTree) -> str:
    if flux == "archive" and rules.flux != "archive":
        raise InvalidInputError(
            "flux: PypeIt's archive has no sensitivity function of this spectrograph",
            "say standard, or auto",
        )
    if flux != "auto":
        return flux
    asked = str(parameters.get("collate1d", {}).get("flux", "")).lower()
    if asked == "true" and rules.flux != "archive":
        raise InvalidInputError(
            "collate1d: flux = True, but PypeIt's archive has no sensitivity function here",
            "leave it out: spectra are calibrated with the standard star before they are collated",
        )
    return "none" if asked == "false" else rules.flux


def _tolerance(parameters: ParameterTree) -> float:
    text = str(parameters.get("coadd2d", {}).get("spat_toler", SLIT_TOLERANCE_PIXELS))
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(
            f"coadd2d: spat_toler = {text!r} is no number", "give pixels"
        ) from None


def _select_listed(found: ExposureList, own: CoaddFile | None, kind: CoaddKind) -> ExposureList:
    """Without what the user's file does not list; `InvalidInputError` where it lists what is not there."""
    if not own or not own.names:
        return found
    taken = [one for one in found.exposures if own.applies_to(_product_path(one, kind).name)]
    there = [_product_path(one, kind).name for one in taken]
    for name in own.names:
        if not any(CoaddFile(own.path, {}, (name,)).applies_to(product) for product in there):
            raise InvalidInputError(f"{own.path} lists {name}, which is not there", "mend its list")
    standards = [one for one in found.exposures if one.kind == "standard" and one not in taken]
    kept = taken + (standards if kind is CoaddKind.SPECTRA else [])
    ordered = tuple(sorted(kept, key=lambda one: (one.mjd, one.file)))
    return ExposureList(found.reductions, ordered, found.left_out)


def _product_path(exposure: ReducedExposure, kind: CoaddKind) -> Path:
    return exposure.spec1d if kind is CoaddKind.SPECTRA else exposure.spec2d


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
