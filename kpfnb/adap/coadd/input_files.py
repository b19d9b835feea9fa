"""PypeIt's input files for flux calibration and coadding: write them, read a user's own ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kpfnb.adap.pypeit.input_files import ParameterTree, format_parameters, parse_parameters
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError

_NOT_FILES = ("filename", "")
"""Lines of a block that name no file."""


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
