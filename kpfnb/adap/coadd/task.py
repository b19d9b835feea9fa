"""What is to be coadded, where to and how: checked before any work."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kpfnb.adap import dataset, profile
from kpfnb.adap.coadding import coaddfile, coaddgroups, reducedexposures, slitexclusion
from kpfnb.adap.coadding.coaddfile import CoaddFile
from kpfnb.adap.coadding.coaddrules import CoaddRules
from kpfnb.adap.coadding.reducedexposures import Exposure, Found
from kpfnb.adap.coadding.slitexclusion import Bad
from kpfnb.adap.pypeit import installation, pypeitparameters
from kpfnb.adap.pypeit.pypeitparameters import Tree
from kpfnb.adap.reducing import task
from kpfnb.errors import BadInput, BadParameter

FLUXES = ("auto", "archive", "standard", "none")
TOLERANCE = 20.0
"""How far a slit may be from itself in another exposure (pixels), where no parameter tells."""


class Kind(StrEnum):
    """What is coadded."""

    SPECTRA = "1d"
    IMAGES = "2d"

    @property
    def folder(self) -> str:
        """The folder of its products."""
        return "1D_Coadd" if self is Kind.SPECTRA else "2D_Coadd"

    @property
    def file(self) -> str:
        """The kind of PypeIt's input file, and the ending of its name."""
        return "collate1d" if self is Kind.SPECTRA else "coadd2d"


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
    kind: Kind
    spectrograph: str
    rules: CoaddRules
    parameters: Tree
    sens: Tree
    flux: str
    tolerance: float
    found: Found
    bad: Bad

    @property
    def aims(self) -> list[Exposure]:
        """The exposures to be coadded."""
        return coaddgroups.aims(self.found.exposures)

    def inputs(self) -> dict[str, Any]:
        """All that the products depend on, as JSON: unchanged inputs need no new coadd.

        By content: files that were carried to a remote and back are the same.
        """
        return {
            "name": self.name,
            "kind": str(self.kind),
            "spectrograph": self.spectrograph,
            "flux": self.flux,
            "parameters": pypeitparameters.lines(self.parameters),
            "sens": pypeitparameters.lines(self.sens),
            "pypeit": installation.version(),
            "frames": {one.name: [_sha256(one.spec1d), _sha256(one.spec2d)] for one in self.aims},
            "standards": {
                one.name: _sha256(one.spec1d)
                for one in self.found.exposures
                if one.kind == "standard" and self.kind is Kind.SPECTRA
            },
            "bad slits": {
                one.name: sorted(slits)
                for one in self.found.exposures
                if (slits := slitexclusion.of(one, self.bad))
            },
            "left out": dict(self.found.left_out),
        }


def prepare(
    root: str | Path,
    output: str | Path,
    kind: Kind,
    flux: str,
    config: str | Sequence[str],
    custom: str | Path,
) -> CoaddTask:
    """The checked task.

    Raises
    ------
    BadInput, BadParameter : an argument that names nothing, or a file that can't be used
    """
    if flux not in FLUXES:
        raise BadParameter(f"flux: {flux!r} is none of {', '.join(FLUXES)}", "auto is the default")
    folder = task.expanded(root, "root")
    found = reducedexposures.find(folder)
    name = name_of(folder)
    spectrograph = _spectrograph(folder, found)
    rules = _rules(spectrograph)
    own = _own_file(custom, name, kind.file)
    lines = pypeitparameters.parse(task.config_lines(config), "config")
    parameters = pypeitparameters.merge(rules.tree(kind.file), lines, own.parameters if own else {})
    sens = _own_file(custom, name, "sens")
    place = task.expanded(output, "output") if str(output) else _default_output(folder)
    return CoaddTask(
        root=folder,
        output=place / kind.folder,
        name=name,
        kind=kind,
        spectrograph=spectrograph,
        rules=rules,
        parameters=parameters,
        sens=pypeitparameters.merge(rules.tree("sens"), sens.parameters if sens else {}),
        flux=_flux(flux, rules, parameters) if kind is Kind.SPECTRA else "none",
        tolerance=_tolerance(parameters),
        found=_only(found, own, kind),
        bad=slitexclusion.read(found.reductions),
    )


def name_of(folder: Path) -> str:
    """The name of a configuration's or a dataset's folder: its last parts."""
    parts = folder.parts
    if dataset.names_of(["/".join(parts[-3:])]):
        return "/".join(parts[-3:])
    has_datasets = any(dataset.names_of([f"m/c/{one.name}"]) for one in folder.iterdir())
    return "/".join(parts[-2:]) if has_datasets else folder.name


def _default_output(folder: Path) -> Path:
    """Where the coadds of a configuration, of a dataset or of a single reduction belong."""
    if (folder / dataset.COMPLETE).is_dir():
        return folder / dataset.COMPLETE
    if any(folder.glob("*/*.pypeit")):
        return folder.with_name(f"{folder.name}_coadd")
    return folder


def _spectrograph(folder: Path, found: Found) -> str:
    names = sorted({one.spectrograph for one in found.exposures})
    if not names:
        why = "; ".join(f"{file}: {reason}" for file, reason in found.left_out[:3])
        raise BadInput(f"no reduced frame below {folder}{why and f' ({why})'}", "reduce them first")
    if len(names) > 1:
        raise BadInput(f"{folder} holds spectra of {' and '.join(names)}", "coadd one of them")
    return names[0]


def _rules(spectrograph: str) -> CoaddRules:
    rules = profile.for_spectrograph(spectrograph).coadd
    if not rules:
        raise BadInput(
            f"the profile of {spectrograph} does not tell how to coadd",
            "write a section coadd into it, as in that of keck_deimos",
        )
    return rules


def _own_file(custom: str | Path, name: str, ending: str) -> CoaddFile | None:
    """The user's own file for exactly this item; None where there is none."""
    if not str(custom):
        return None
    folder = task.expanded(custom, "custom")
    if not folder.is_dir():
        raise BadInput(f"custom: {folder} is no folder", "name the folder of your parameter files")
    path = folder / f"{name.replace('/', '_')}.{ending}"
    return coaddfile.read(path) if path.is_file() else None


def _flux(flux: str, rules: CoaddRules, parameters: Tree) -> str:
    if flux == "archive" and rules.flux != "archive":
        raise BadInput(
            "flux: PypeIt's archive has no sensitivity function of this spectrograph",
            "say standard, or auto",
        )
    if flux != "auto":
        return flux
    asked = str(parameters.get("collate1d", {}).get("flux", "")).lower()
    if asked == "true" and rules.flux != "archive":
        raise BadInput(
            "collate1d: flux = True, but PypeIt's archive has no sensitivity function here",
            "leave it out: spectra are calibrated with the standard star before they are collated",
        )
    return "none" if asked == "false" else rules.flux


def _tolerance(parameters: Tree) -> float:
    text = str(parameters.get("coadd2d", {}).get("spat_toler", TOLERANCE))
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"coadd2d: spat_toler = {text!r} is no number", "give pixels") from None


def _only(found: Found, own: CoaddFile | None, kind: Kind) -> Found:
    """Without what the user's file does not list; `BadInput` where it lists what is not there."""
    if not own or not own.names:
        return found
    taken = [one for one in found.exposures if own.takes(_product(one, kind).name)]
    there = [_product(one, kind).name for one in taken]
    for name in own.names:
        if not any(CoaddFile(own.path, {}, (name,)).takes(product) for product in there):
            raise BadInput(f"{own.path} lists {name}, which is not there", "mend its list")
    standards = [one for one in found.exposures if one.kind == "standard" and one not in taken]
    kept = taken + (standards if kind is Kind.SPECTRA else [])
    ordered = tuple(sorted(kept, key=lambda one: (one.mjd, one.file)))
    return Found(found.reductions, ordered, found.left_out)


def _product(exposure: Exposure, kind: Kind) -> Path:
    return exposure.spec1d if kind is Kind.SPECTRA else exposure.spec2d


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
