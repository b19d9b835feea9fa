"""What is to be coadded, and how: the configuration, and the checked task of one item."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb.adap.coadd.exposures import (
    BadSlitsByFile,
    ExposureList,
    ReducedExposure,
    bad_slits_for,
    find_exposures,
    read_bad_slits,
)
from kpfnb.adap.coadd.groups import CoaddFile, read_coadd_file, select_exposures
from kpfnb.adap.coadd.products import CoaddKind
from kpfnb.adap.products import dataset
from kpfnb.adap.profiles.spectrograph import CoaddRules, load_profile
from kpfnb.adap.pypeit.command import CommandLimits
from kpfnb.adap.pypeit.input_files import (
    ParameterTree,
    format_parameters,
    merge_parameters,
    parse_parameters,
)
from kpfnb.adap.pypeit.installation import pypeit_version
from kpfnb.adap.reduce.job import expand_path, read_parameter_lines
from kpfnb.core.errors import InvalidInputError, InvalidParameterError

FLUX_SOURCES = ("auto", "archive", "standard", "none")
SLIT_TOLERANCE_PIXELS = 20.0
"""The most that a slit's position may differ between exposures, if no parameter says otherwise."""


@dataclass(frozen=True, kw_only=True)
class CoaddConfig:
    """How to coadd: built once by the command, the notebook or the queue task, and passed whole.

    Attributes
    ----------
    flux : source of the sensitivity function of spectra: archive, standard or none; auto as the
        spectrograph's profile says
    parameters : the user's parameters in PypeIt's notation, which override the profile's: lines,
        one text, or a file's name
    custom : folder of files named exactly as the item, `<mask>_<config>[_<date>].collate1d`,
        `.coadd2d` or `.sens`; their parameters override all others, their lists choose the files
    silence_minutes, timeout_minutes : limits of each command; 0 for none
    force : coadd even if the coadds are complete and their inputs unchanged
    """

    flux: str = "auto"
    parameters: str | Sequence[str] = ()
    custom: str | Path = ""
    silence_minutes: float = 30
    timeout_minutes: float = 0
    force: bool = False

    @property
    def limits(self) -> CommandLimits:
        """The limits of each command."""
        return CommandLimits(self.silence_minutes, self.timeout_minutes)


@dataclass(frozen=True)
class CoaddTask:
    """One configuration or dataset to coadd, with every name resolved and every file read.

    Attributes
    ----------
    name : mask/config or mask/config/date, or the name of the folder
    parameters : PypeIt's, merged from the profile and the user
    sens : parameters of pypeit_sensfunc
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
        return select_exposures(self.reduced.exposures)

    def inputs(self) -> dict[str, Any]:
        """All that the products depend on, as JSON: unchanged inputs need no new coadd.

        Files are compared by content: one that was uploaded and downloaded again is the same.
        """
        is_spectra = self.kind is CoaddKind.SPECTRA
        every = self.reduced.exposures
        standards = [exposure for exposure in every if exposure.kind == "standard"]
        bad_slits = {exposure.name: bad_slits_for(exposure, self.bad_slits) for exposure in every}
        return {
            "name": self.name,
            "kind": str(self.kind),
            "spectrograph": self.spectrograph,
            "flux": self.flux,
            "parameters": format_parameters(self.parameters),
            "sens": format_parameters(self.sens),
            "pypeit": pypeit_version(),
            "frames": {
                exposure.name: [_file_sha256(exposure.spec1d), _file_sha256(exposure.spec2d)]
                for exposure in self.exposures
            },
            "standards": {e.name: _file_sha256(e.spec1d) for e in standards if is_spectra},
            "bad slits": {name: sorted(slits) for name, slits in bad_slits.items() if slits},
            "left out": dict(self.reduced.left_out),
        }


def prepare_task(
    root: str | Path, output: str | Path, kind: CoaddKind, config: CoaddConfig
) -> CoaddTask:
    """The checked task; see `kpfnb.adap.coadd.run.coadd_folder` for the parameters.

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing, or a file is not usable
    """
    if config.flux not in FLUX_SOURCES:
        raise InvalidParameterError(
            f"flux: {config.flux!r} is not one of {', '.join(FLUX_SOURCES)}", "the default is auto"
        )
    folder = expand_path(root, "root")
    reduced = find_exposures(folder)
    name = item_name(folder)
    spectrograph = _single_spectrograph(folder, reduced)
    rules = _coadd_rules(spectrograph)
    custom_file = _custom_file(config.custom, name, kind.input_kind)
    custom_sens = _custom_file(config.custom, name, "sens")
    parameters = merge_parameters(
        rules.parameter_tree(kind.input_kind),
        parse_parameters(read_parameter_lines(config.parameters), "config"),
        custom_file.parameters if custom_file else {},
    )
    sens = merge_parameters(
        rules.parameter_tree("sens"), custom_sens.parameters if custom_sens else {}
    )
    is_spectra = kind is CoaddKind.SPECTRA
    place = expand_path(output, "output") if str(output) else _default_output(folder)
    return CoaddTask(
        root=folder,
        output=place / kind.folder,
        name=name,
        kind=kind,
        spectrograph=spectrograph,
        rules=rules,
        parameters=parameters,
        sens=sens,
        flux=_flux_source(config.flux, rules, parameters) if is_spectra else "none",
        tolerance=_slit_tolerance(parameters),
        reduced=_select_listed(reduced, custom_file, kind),
        bad_slits=read_bad_slits(reduced.reductions),
    )


def item_name(folder: Path) -> str:
    """The name of a configuration or a dataset: the last parts of its path."""
    parts = folder.parts
    if dataset.select_dataset_names(["/".join(parts[-3:])]):
        return "/".join(parts[-3:])
    has_datasets = any(
        dataset.select_dataset_names([f"m/c/{path.name}"]) for path in folder.iterdir()
    )
    return "/".join(parts[-2:]) if has_datasets else folder.name


def _default_output(folder: Path) -> Path:
    """Where the coadds of a configuration, a dataset or a single reduction belong."""
    if (folder / dataset.COMPLETE).is_dir():
        return folder / dataset.COMPLETE
    if any(folder.glob("*/*.pypeit")):
        return folder.with_name(f"{folder.name}_coadd")
    return folder


def _single_spectrograph(folder: Path, reduced: ExposureList) -> str:
    names = sorted({exposure.spectrograph for exposure in reduced.exposures})
    if not names:
        reasons = "; ".join(f"{file}: {reason}" for file, reason in reduced.left_out[:3])
        raise InvalidInputError(
            f"no reduced frame below {folder}{reasons and f' ({reasons})'}", "reduce them first"
        )
    if len(names) > 1:
        raise InvalidInputError(
            f"{folder} holds spectra of {' and '.join(names)}", "coadd one of them"
        )
    return names[0]


def _coadd_rules(spectrograph: str) -> CoaddRules:
    rules = load_profile(spectrograph).coadd
    if not rules:
        raise InvalidInputError(
            f"the profile of {spectrograph} has no section coadd",
            "write one, as in the profile of keck_deimos",
        )
    return rules


def _custom_file(custom: str | Path, name: str, suffix: str) -> CoaddFile | None:
    """The user's own file for exactly this item; None if there is none."""
    if not str(custom):
        return None
    folder = expand_path(custom, "custom")
    if not folder.is_dir():
        raise InvalidInputError(
            f"custom: {folder} is not a folder", "name the folder of your parameter files"
        )
    path = folder / f"{name.replace('/', '_')}.{suffix}"
    return read_coadd_file(path) if path.is_file() else None


def _flux_source(flux: str, rules: CoaddRules, parameters: ParameterTree) -> str:
    if flux == "archive" and rules.flux != "archive":
        raise InvalidInputError(
            "flux: PypeIt's archive has no sensitivity function of this spectrograph",
            "use standard, or auto",
        )
    if flux != "auto":
        return flux
    parameter = str(parameters.get("collate1d", {}).get("flux", "")).lower()
    if parameter == "true" and rules.flux != "archive":
        raise InvalidInputError(
            "collate1d: flux = True, but PypeIt's archive has no sensitivity function of this"
            " spectrograph",
            "leave it out: spectra are calibrated with the standard star before they are collated",
        )
    return "none" if parameter == "false" else rules.flux


def _slit_tolerance(parameters: ParameterTree) -> float:
    text = str(parameters.get("coadd2d", {}).get("spat_toler", SLIT_TOLERANCE_PIXELS))
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(
            f"coadd2d: spat_toler = {text!r} is not a number", "give pixels"
        ) from None


def _select_listed(
    reduced: ExposureList, custom_file: CoaddFile | None, kind: CoaddKind
) -> ExposureList:
    """Only the exposures that the user's file lists; `InvalidInputError` if one is missing."""
    if not custom_file or not custom_file.names:
        return reduced
    selected = [
        exposure
        for exposure in reduced.exposures
        if custom_file.applies_to(_product_path(exposure, kind).name)
    ]
    product_names = [_product_path(exposure, kind).name for exposure in selected]
    for name in custom_file.names:
        pattern = CoaddFile(custom_file.path, {}, (name,))
        if not any(pattern.applies_to(product) for product in product_names):
            raise InvalidInputError(
                f"{custom_file.path} lists {name}, which does not exist", "correct its list"
            )
    if kind is CoaddKind.SPECTRA:
        # Standards calibrate the others, whether they are listed or not
        selected += [e for e in reduced.exposures if e.kind == "standard" and e not in selected]
    ordered = tuple(sorted(selected, key=lambda exposure: (exposure.mjd, exposure.file)))
    return ExposureList(reduced.reductions, ordered, reduced.left_out)


def _product_path(exposure: ReducedExposure, kind: CoaddKind) -> Path:
    return exposure.spec1d if kind is CoaddKind.SPECTRA else exposure.spec2d


def _file_sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
