"""PypeIt's input files, read without PypeIt: its parameter notation and `.pypeit` files.

A `.pypeit` file (PypeIt's reduction file) has parameters, a setup and a table of frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb.core.errors import InvalidInputError

ParameterTree = dict[str, Any]
"""Parameters by section and key; values are the texts as written."""

_SECTION_PATTERN = re.compile(r"(\[+)\s*([^\[\]]+?)\s*(\]+)")
_BEFORE_COMMENT = re.compile(r"""(?:[^#"']|"[^"]*"|'[^']*')*""")
INDENT = "  "

REQUIRED_TYPES = ("arc", "trace")
"""PypeIt needs an arc, and a flat that traces the slits."""

TARGET_TYPES = ("science", "standard")


def parse_parameters(lines: Iterable[str], source: str = "the parameters") -> ParameterTree:
    """The parameters in lines of PypeIt's notation; comments and empty lines are skipped.

    PypeIt writes sections in brackets, one bracket more for each level, and `key = value`.

    source : where the lines come from, for the message of the error

    `InvalidInputError` for a line that is neither a section nor a value.
    """
    tree: ParameterTree = {}
    path = [tree]
    for line in lines:
        plain = _strip_comment(line).strip()
        if not plain:
            continue
        if match := _SECTION_PATTERN.fullmatch(plain):
            level = len(match[1])
            if level != len(match[3]) or level > len(path):
                raise InvalidInputError(f"{source}: the section {plain!r} has no section above it")
            path = [*path[:level], path[level - 1].setdefault(match[2], {})]
            continue
        key, equals, value = plain.partition("=")
        if not (equals and key.strip()):
            raise InvalidInputError(f"{source}: {plain!r} is not a parameter", "write key = value")
        path[-1][key.strip()] = value.strip()
    return tree


def merge_parameters(*trees: Mapping[str, Any]) -> ParameterTree:
    """All parameters in one tree; the last tree that has a value wins."""
    merged: ParameterTree = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                old = merged.get(key)
                value = merge_parameters(old if isinstance(old, dict) else {}, value)
            merged[key] = value
    return merged


def format_parameters(tree: Mapping[str, Any], level: int = 1) -> list[str]:
    """Parameters as lines of PypeIt's notation: values first, then the sections."""
    lines = [
        f"{INDENT * (level - 1)}{key} = {_format_value(value)}"
        for key, value in tree.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in tree.items():
        if isinstance(value, Mapping):
            lines.append(f"{INDENT * (level - 1)}{'[' * level}{key}{']' * level}")
            lines += format_parameters(value, level + 1)
    return lines


def _strip_comment(line: str) -> str:
    match = _BEFORE_COMMENT.match(line)
    end = match.end() if match else 0
    # Otherwise the match ended at an unpaired quotation mark
    return line[:end] if line[end:].startswith("#") else line


def _format_value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@dataclass(frozen=True)
class PypeItFrame:
    """A raw frame: one row of the table.

    Attributes
    ----------
    file : name of the raw file
    types : PypeIt's frame types, for example ("pixelflat", "illumflat", "trace")
    values : all columns of the row, by name, as written
    used : False if the row is commented out
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
        """The exposure time; None if the header has none."""
        try:
            return float(self.values.get("exptime", ""))
        except ValueError:
            return None

    @property
    def is_target(self) -> bool:
        """True if spectra are extracted from it: a science or standard frame."""
        return any(kind in self.types for kind in TARGET_TYPES)

    @property
    def combination_group(self) -> str:
        """The group of exposures that PypeIt combines before extraction; '' if none."""
        group = self.values.get("comb_id", "")
        return "" if group in ("", "-1", "None") else group


@dataclass(frozen=True)
class PypeItFile:
    """The content of a `.pypeit` file.

    Attributes
    ----------
    parameters : lines of the user's parameters, in PypeIt's notation
    setup : the letter of the setup
    configuration : the setup's values, for example {"dispname": "600/4310"}
    raw_paths : directories of the raw files
    """

    path: Path
    parameters: tuple[str, ...]
    setup: str
    configuration: dict[str, str]
    raw_paths: tuple[Path, ...]
    frames: tuple[PypeItFrame, ...]

    @property
    def targets(self) -> tuple[PypeItFrame, ...]:
        """The used science and standard frames."""
        return tuple(frame for frame in self.frames if frame.used and frame.is_target)

    @property
    def missing_types(self) -> tuple[str, ...]:
        """The frame types that PypeIt needs and that no used frame has."""
        present = {kind for frame in self.frames if frame.used for kind in frame.types}
        return tuple(kind for kind in REQUIRED_TYPES if kind not in present)

    def first_frame(self, frame: PypeItFrame) -> PypeItFrame:
        """The frame that gives the products their name: the first of those combined with it."""
        if not frame.combination_group:
            return frame
        return next(
            other for other in self.targets if other.combination_group == frame.combination_group
        )


def read_pypeit_file(path: Path) -> PypeItFile:
    """Read a `.pypeit` file of PypeIt 1.x or 2.x; `InvalidInputError` if it is not one."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"can't read {path}: {error}") from error
    return parse_pypeit_file(content, path)


def parse_pypeit_file(content: str, path: Path) -> PypeItFile:
    """The content of the `.pypeit` file at `path`, which need not exist; errors as for reading."""
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
    """The stripped lines between `<name> read` and `<name> end`; empty without such a block."""
    stripped = [line.strip() for line in lines]
    try:
        start = stripped.index(f"{name} read") + 1
        return stripped[start : stripped.index(f"{name} end", start)]
    except ValueError:
        return []


def _parameter_lines(lines: list[str]) -> list[str]:
    """The lines before the first block, without comments and empty lines."""
    parameters = []
    for line in lines:
        if line.strip() in ("setup read", "data read"):
            break
        if line.strip() and not line.lstrip().startswith("#"):
            parameters.append(line.rstrip())
    return parameters


def _parse_setup(lines: list[str]) -> tuple[str, dict[str, str]]:
    pairs = [line.partition(":") for line in lines if ":" in line]
    setups = [key.split()[1] for key, _, _ in pairs if key.startswith("Setup ") and key.split()[1:]]
    values = {key: value.strip().strip("'") for key, _, value in pairs}
    configuration = {key: value for key, value in values.items() if not key.startswith("Setup ")}
    return (setups[0] if setups else ""), configuration


def _is_path_line(line: str) -> bool:
    return line.startswith("path ") and "|" not in line


def _parse_frames(rows: list[str], path: Path) -> list[PypeItFrame]:
    if not rows:
        raise InvalidInputError(f"{path} has an empty data block")
    columns = [name.strip() for name in rows[0].split("|")]
    for required in ("filename", "frametype"):
        if required not in columns:
            raise InvalidInputError(f"{path}: its table has no column {required}")
    return [_parse_frame(row, columns, path) for row in rows[1:]]


def _parse_frame(row: str, columns: list[str], path: Path) -> PypeItFrame:
    used = not row.startswith("#")
    cells = [cell.strip() for cell in row.lstrip("# ").split("|")]
    if len(cells) != len(columns):
        raise InvalidInputError(f"{path}: a row has {len(cells)} of {len(columns)} columns: {row}")
    values = dict(zip(columns, cells, strict=True))
    kinds = tuple(kind for kind in values["frametype"].split(",") if kind not in ("", "None"))
    return PypeItFrame(Path(values["filename"]).name, kinds, values, used)
