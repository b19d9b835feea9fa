"""PypeIt's reduction files (`.pypeit`), read without PypeIt: parameters, setup and frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kpfnb.errors import BadInput

REQUIRED_TYPES = ("arc", "trace")
"""Without an arc and a flat that traces the slits PypeIt reduces nothing."""

TARGET_TYPES = ("science", "standard")


@dataclass(frozen=True)
class Frame:
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
    def combined_with(self) -> str:
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
    frames: tuple[Frame, ...]

    @property
    def targets(self) -> tuple[Frame, ...]:
        """The frames that PypeIt is to extract spectra from."""
        return tuple(frame for frame in self.frames if frame.used and frame.is_target)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The frame types without which PypeIt can't reduce anything, and that are not there."""
        there = {kind for frame in self.frames if frame.used for kind in frame.types}
        return tuple(kind for kind in REQUIRED_TYPES if kind not in there)

    def leader(self, frame: Frame) -> Frame:
        """The frame after which the products are named: the first one of those combined with it."""
        if not frame.combined_with:
            return frame
        return next(other for other in self.targets if other.combined_with == frame.combined_with)


def read(path: Path) -> PypeItFile:
    """Read a reduction file of PypeIt 1.x or 2.x; `BadInput` where it is none."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"can't read {path}: {error}") from error
    return parse(content, path)


def parse(content: str, path: Path) -> PypeItFile:
    """The reduction file with that content, which is or will be at `path`; errors as for `read`."""
    lines = content.splitlines()
    setup_lines, table = _block(lines, "setup"), _block(lines, "data")
    if not table:
        raise BadInput(
            f"{path} has no data block", "a .pypeit file has its frames between data read and end"
        )
    setup, configuration = _setup(setup_lines)
    return PypeItFile(
        path=path,
        parameters=tuple(_parameters(lines)),
        setup=setup,
        configuration=configuration,
        raw_paths=tuple(Path(line.split(maxsplit=1)[1]) for line in table if _is_path(line)),
        frames=tuple(_frames([line for line in table if "|" in line], path)),
    )


def _block(lines: list[str], name: str) -> list[str]:
    """The stripped lines between `<name> read` and `<name> end`; none where there is no block."""
    stripped = [line.strip() for line in lines]
    try:
        start = stripped.index(f"{name} read") + 1
        return stripped[start : stripped.index(f"{name} end", start)]
    except ValueError:
        return []


def _parameters(lines: list[str]) -> list[str]:
    """What stands before the first block, comments and empty lines left out."""
    parameters = []
    for line in lines:
        if line.strip() in ("setup read", "data read"):
            break
        if line.strip() and not line.lstrip().startswith("#"):
            parameters.append(line.rstrip())
    return parameters


def _setup(lines: list[str]) -> tuple[str, dict[str, str]]:
    pairs = [line.partition(":") for line in lines if ":" in line]
    named = [key.split()[1] for key, _, _ in pairs if key.startswith("Setup ") and key.split()[1:]]
    values = {key: value.strip().strip("'") for key, _, value in pairs}
    configuration = {key: value for key, value in values.items() if not key.startswith("Setup ")}
    return (named[0] if named else ""), configuration


def _is_path(line: str) -> bool:
    return line.startswith("path ") and "|" not in line


def _frames(rows: list[str], path: Path) -> list[Frame]:
    if not rows:
        raise BadInput(f"{path} has an empty data block")
    columns = [name.strip() for name in rows[0].split("|")]
    for needed in ("filename", "frametype"):
        if needed not in columns:
            raise BadInput(f"{path}: its table has no column {needed}")
    return [_frame(row, columns, path) for row in rows[1:]]


def _frame(row: str, columns: list[str], path: Path) -> Frame:
    used = not row.startswith("#")
    cells = [cell.strip() for cell in row.lstrip("# ").split("|")]
    if len(cells) != len(columns):
        raise BadInput(f"{path}: a row has {len(cells)} of {len(columns)} columns: {row}")
    values = dict(zip(columns, cells, strict=True))
    kinds = tuple(kind for kind in values["frametype"].split(",") if kind not in ("", "None"))
    return Frame(Path(values["filename"]).name, kinds, values, used)
