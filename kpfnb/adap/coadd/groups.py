"""What is stacked together in 2D, without which slits and detectors; and PypeIt's input files.

Writes PypeIt's input files of flux calibration and coadding, and reads a user's own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from kpfnb.adap.coadd.exposures import BadSlitsByFile, ReducedExposure, bad_slits_for
from kpfnb.adap.pypeit.input_files import ParameterTree, format_parameters, parse_parameters
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError

_NOT_FILES = ("filename", "")
"""Lines of a block that name no file."""

MIN_EXPOSURES = 2
"""The smallest number of exposures in a coadd."""


@dataclass(frozen=True)
class CoaddFile:
    """A user's own file of parameters, and of the files to use.

    Attributes
    ----------
    names : the spec1d or spec2d files that it lists, * and ? allowed; none if it takes all
    """

    path: Path
    parameters: ParameterTree
    names: tuple[str, ...] = ()

    def applies_to(self, name: str) -> bool:
        """Whether it applies to that spec1d or spec2d file."""
        return not self.names or any(fnmatchcase(name, pattern) for pattern in self.names)


def read_coadd_file(path: Path) -> CoaddFile:
    """Read a `.collate1d`, `.coadd2d` or `.sens` file; `InvalidInputError` if it is unreadable."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"can't read {path}: {error}") from error
    parameters: list[str] = []
    names: list[str] = []
    block = ""
    for line in map(str.strip, lines):
        if line.endswith(" read") and "=" not in line:
            block = line.removesuffix(" read")
        elif line == f"{block} end":
            block = ""
        elif not block:
            parameters.append(line)
        elif not line.startswith(("#", "path ")):
            names.append(Path(line.partition("|")[0].strip()).name)
    if block:
        raise InvalidInputError(f"{path}: its block {block} has no end", f"write {block} end")
    tree = parse_parameters(parameters, str(path))
    return CoaddFile(path, tree, tuple(name for name in names if name not in _NOT_FILES))


def write_input_file(
    path: Path,
    parameters: ParameterTree,
    block: str,
    paths: Sequence[Path],
    columns: Sequence[tuple[str, Sequence[str]]],
) -> None:
    """Write an input file.

    Parameters
    ----------
    block : the name of its data block, as spec2d
    paths : the folders of the files
    columns : title and values of each column
    """
    rows = zip(*(values for _, values in columns), strict=True)
    lines = ["# Written by kpfnb", *format_parameters(parameters), "", f"{block} read"]
    lines += [f" path {folder}" for folder in dict.fromkeys(paths)]
    lines += [" | ".join(title for title, _ in columns), *(" | ".join(row) for row in rows)]
    atomic.write_text(path, "\n".join([*lines, f"{block} end", ""]))


@dataclass(frozen=True)
class Stack:
    """The exposures of one target that PypeIt can stack.

    Attributes
    ----------
    name : of the target, without spaces; with a number if several stacks would have this name
    detectors : those with at least one good slit
    skipped : those without
    excluded : slits that are bad in any exposure, by their positions in the first one
    """

    name: str
    target: str
    exposures: tuple[ReducedExposure, ...]
    detectors: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def basename(self) -> str:
        """PypeIt's name for its products: the first and the last file, and the target."""
        first, last = (file_stem(self.exposures[index].file) for index in (0, -1))
        return f"{first}-{last}-{self.name}"


def select_exposures(exposures: Sequence[ReducedExposure]) -> list[ReducedExposure]:
    """The exposures to be coadded: the science frames; if there are none, the standards."""
    science = [exposure for exposure in exposures if exposure.kind == "science"]
    return science or list(exposures)


def make_stacks(
    exposures: Sequence[ReducedExposure], bad_slits: BadSlitsByFile, tolerance: float
) -> list[Stack]:
    """The stacks of these exposures, including those of a single exposure.

    Slits of two exposures are the same if they are at most `tolerance` pixels apart.
    """
    groups: dict[tuple[object, ...], list[ReducedExposure]] = {}
    for exposure in exposures:
        key = (
            exposure.target,
            exposure.spectrograph,
            exposure.configuration,
            exposure.detectors,
        )
        groups.setdefault(key, []).append(exposure)
    names = _unique_names(list(groups))
    return [
        _exclude_bad_slits(Stack(name, group[0].target, tuple(group)), bad_slits, tolerance)
        for name, group in zip(names, groups.values(), strict=True)
    ]


def safe_name(target: str) -> str:
    """A target's name for files: without spaces, as PypeIt writes it, and without slashes."""
    return re.sub(r"[^A-Za-z0-9._+-]", "", target.replace("/", "_")).lstrip(".-") or "unnamed"


def file_stem(file: str) -> str:
    """The name of a raw file without its suffixes."""
    return file.removesuffix(".gz").removesuffix(".fits")


def _unique_names(keys: list[tuple[object, ...]]) -> list[str]:
    names = [safe_name(str(key[0])) for key in keys]
    count, seen = Counter(names), Counter[str]()
    for index, name in enumerate(names):
        seen[name] += 1
        if count[name] > 1:
            names[index] = f"{name}_{seen[name]}"
    return names


def _exclude_bad_slits(stack: Stack, bad_slits: BadSlitsByFile, tolerance: float) -> Stack:
    first = stack.exposures[0]
    excluded = {
        slit
        for exposure in stack.exposures
        for bad_slit in bad_slits_for(exposure, bad_slits)
        if (slit := _matching_slit(first, bad_slit, tolerance))
    }
    good = {
        detector
        for detector, positions in first.slits.items()
        if any(f"{detector}:{position}" not in excluded for position in positions)
    }
    return replace(
        stack,
        detectors=tuple(detector for detector in first.detectors if detector in good),
        skipped=tuple(detector for detector in first.detectors if detector not in good),
        excluded=tuple(sorted(excluded)),
    )


def _matching_slit(exposure: ReducedExposure, slit: str, tolerance: float) -> str:
    """The same slit in another exposure; '' if it is not there."""
    detector, _, position = slit.partition(":")
    candidates = exposure.slits.get(detector, ())
    nearest = min(candidates, key=lambda other: abs(other - int(position)), default=None)
    is_near = nearest is not None and abs(nearest - int(position)) <= tolerance
    return f"{detector}:{nearest}" if is_near else ""
