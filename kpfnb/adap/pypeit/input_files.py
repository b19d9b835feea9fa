"""PypeIt's reduction files (`.pypeit`), read without PypeIt: parameters, setup and frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb.core.errors import InvalidInputError

# Parameters in PypeIt's notation: sections in brackets, one more for each level, `key = value`.

ParameterTree = dict[str, Any]
"""Section or key to a tree or a value; values are texts as they are written."""

_SECTION_PATTERN = re.compile(r"(\[+)\s*([^\[\]]+?)\s*(\]+)")
_BEFORE_COMMENT = re.compile(r"""(?:[^#"']|"[^"]*"|'[^']*')*""")
INDENT = "  "


def parse_parameters(lines: Iterable[str], source: str = "the parameters") -> ParameterTree:
    """The tree of those lines; comments and empty lines are left out.

    place : where they come from, for the `InvalidInputError` of a line that is neither section nor value
    """
    tree: ParameterTree = {}
    path = [tree]
    for line in lines:
        plain = _strip_comment(line).strip()
        if not plain:
            continue
        if found := _SECTION_PATTERN.fullmatch(plain):
            level = len(found[1])
            if level != len(found[3]) or level > len(path):
                raise InvalidInputError(f"{source}: the section {plain!r} has no section above it")
            path = [*path[:level], path[level - 1].setdefault(found[2], {})]
            continue
        key, equals, value = plain.partition("=")
        if not (equals and key.strip()):
            raise InvalidInputError(f"{source}: {plain!r} is no parameter", "write key = value")
        path[-1][key.strip()] = value.strip()
    return tree


def merge_parameters(*trees: Mapping[str, Any]) -> ParameterTree:
    """One tree of all; where several have a value, the last one counts."""
    merged: ParameterTree = {}
    for tree in trees:
        for key, value in tree.items():
            old = merged.get(key)
            is_deeper = isinstance(value, Mapping)
            merged[key] = (
                merge_parameters(old if isinstance(old, dict) else {}, value)
                if is_deeper
                else value
            )
    return merged


def format_parameters(tree: Mapping[str, Any], level: int = 1) -> list[str]:
    """The tree in PypeIt's notation: values first, then the sections."""
    told = [
        f"{INDENT * (level - 1)}{key} = {_format_value(value)}"
        for key, value in tree.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in tree.items():
        if isinstance(value, Mapping):
            told.append(f"{INDENT * (level - 1)}{'[' * level}{key}{']' * level}")
            told += format_parameters(value, level + 1)
    return told


def _strip_comment(line: str) -> str:
    found = _BEFORE_COMMENT.match(line)
    end = found.end() if found else 0
    # Else it stopped at a quotation mark that stands alone
    return line[:end] if line[end:].startswith("#") else line


def _format_value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


REQUIRED_TYPES = ("arc", "trace")
"""Without an arc and a flat that traces the slits PypeIt reduces nothing."""

TARGET_TYPES = ("science", "standard")


@dataclass(frozen=True)
class PypeItFrame:
    """One row of the table.

    Attributes
    ----------
    file : name of the raw file
    types : what PypeIt takes it for, as ("pixelflat", "illumflat", "trace")
    values : all columns of the row, by name, as they are written
    used : False where the row is commented out
    """

    file: str
    types: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    used: bool = True

    @property
    def target(self) -> str:
        """The name of the object."""
        return self.values.get("target", "")

    @property
    def exposure_seconds(self) -> float | None:
        """The exposure time; None where the header has none."""
        try:
            return float(self.values.get("exptime", ""))
        except ValueError:
            return None

    @property
    def is_target(self) -> bool:
        """True for a frame that gives spectra: science or standard."""
        return any(kind in self.types for kind in TARGET_TYPES)

    @property
    def combination_group(self) -> str:
        """The group of exposures that PypeIt adds up before it extracts; '' where it does not."""
        group = self.values.get("comb_id", "")
        return "" if group in ("", "-1", "None") else group


@dataclass(frozen=True)
class PypeItFile:
    """A reduction file.

    Attributes
    ----------
    parameters : the lines of the user's parameters, in PypeIt's own notation
    setup : the letter of the setup
    configuration : the setup's values, as {"dispname": "600/4310"}
    raw_paths : where the raw files are
    """

    path: Path
    parameters: tuple[str, ...]
    setup: str
    configuration: dict[str, str]
    raw_paths: tuple[Path, ...]
    frames: tuple[PypeItFrame, ...]

    @property
    def targets(self) -> tuple[PypeItFrame, ...]:
        """The frames that PypeIt is to extract spectra from."""
        return tuple(frame for frame in self.frames if frame.used and frame.is_target)

    @property
    def missing_types(self) -> tuple[str, ...]:
        """The frame types without which PypeIt can't reduce anything, and that are not there."""
        there = {kind for frame in self.frames if frame.used for kind in frame.types}
        return tuple(kind for kind in REQUIRED_TYPES if kind not in there)

    def first_frame(self, frame: PypeItFrame) -> PypeItFrame:
        """The frame after which the products are named: the first one of those combined with it."""
        if not frame.combination_group:
            return frame
        return next(
            other for other in self.targets if other.combination_group == frame.combination_group
        )


def read_pypeit_file(path: Path) -> PypeItFile:
    """Read a reduction file of PypeIt 1.x or 2.x; `InvalidInputError` where it is none."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"can't read {path}: {error}") from error
    return parse_pypeit_file(content, path)


def parse_pypeit_file(content: str, path: Path) -> PypeItFile:
    """The reduction file with that content, which is or will be at `path`; errors as for `read`."""
    lines = content.splitlines()
    setup_lines, table = _block_lines(lines, "setup"), _block_lines(lines, "data")
    if not table:
        raise InvalidInputError(
            f"{path} has no data block", "a .pypeit file has its frames between data read and end"
        )
    setup, configuration = _parse_setup(setup_lines)
    return PypeItFile(
        path=path,
        parameters=tuple(_parameter_lines(lines)),
        setup=setup,
        configuration=configuration,
        raw_paths=tuple(Path(line.split(maxsplit=1)[1]) for line in table if _is_path_line(line)),
        frames=tuple(_parse_frames([line for line in table if "|" in line], path)),
    )


def _block_lines(lines: list[str], name: str) -> list[str]:
    """The stripped lines between `<name> read` and `<name> end`; none where there is no block."""
    stripped = [line.strip() for line in lines]
    try:
        start = stripped.index(f"{name} read") + 1
        return stripped[start : stripped.index(f"{name} end", start)]
    except ValueError:
        return []


def _parameter_lines(lines: list[str]) -> list[str]:
    """What stands before the first block, comments and empty lines left out."""
    parameters = []
    for line in lines:
        if line.strip() in ("setup read", "data read"):
            break
        if line.strip() and not line.lstrip().startswith("#"):
            parameters.append(line.rstrip())
    return parameters


def _parse_setup(lines: list[str]) -> tuple[str, dict[str, str]]:
    pairs = [line.partition(":") for line in lines if ":" in line]
    named = [key.split()[1] for key, _, _ in pairs if key.startswith("Setup ") and key.split()[1:]]
    values = {key: value.strip().strip("'") for key, _, value in pairs}
    configuration = {key: value for key, value in values.items() if not key.startswith("Setup ")}
    return (named[0] if named else ""), configuration


def _is_path_line(line: str) -> bool:
    return line.startswith("path ") and "|" not in line


def _parse_frames(rows: list[str], path: Path) -> list[PypeItFrame]:
    if not rows:
        raise InvalidInputError(f"{path} has an empty data block")
    columns = [name.strip() for name in rows[0].split("|")]
    for needed in ("filename", "frametype"):
        if needed not in columns:
            raise InvalidInputError(f"{path}: its table has no column {needed}")
    return [_parse_frame(row, columns, path) for row in rows[1:]]


def _parse_frame(row: str, columns: list[str], path: Path) -> PypeItFrame:
    used = not row.startswith("#")
    cells = [cell.strip() for cell in row.lstrip("# ").split("|")]
    if len(cells) != len(columns):
        raise InvalidInputError(f"{path}: a row has {len(cells)} of {len(columns)} columns: {row}")
    values = dict(zip(columns, cells, strict=True))
    kinds = tuple(kind for kind in values["frametype"].split(",") if kind not in ("", "None"))
    return PypeItFrame(Path(values["filename"]).name, kinds, values, used)
