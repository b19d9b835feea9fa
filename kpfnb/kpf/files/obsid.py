"""Names and paths of KPF files: observation identifiers (ObsIDs), levels, nights.

An ObsID is `KP.YYYYMMDD.SSSSS.ss`: UT date, then seconds after UT midnight. A name with a date that
does not exist, or with 86,400 seconds or more, is none. The rules are data in one place (`KPF`), so
that another version of the pipeline can be added beside them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidParameterError

STATE_DIR = ".kpfnb"
"""Directory in the data root for locks and journals, shared by all who work on that tree."""

ROOT_HINT = "set data_root (KPFNB_DATA_ROOT) to the directory that holds L0, 2D, L1 and L2"

MAX_NEAREST_NIGHTS = 3

NIGHT_PATTERN = re.compile(r"\d{8}")
"""Looks like a night; the date may not exist (`kpfnb.core.clock.check_night`)."""

_LEAP_YEAR = r"20(?:[02468][048]|[13579][26])"
_DATE = (
    r"(?:20\d\d(?:(?:0[13578]|1[02])(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)(?:0[1-9]|[12]\d|30)"
    rf"|02(?:0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}0229)"
)
_SECONDS_OF_DAY = r"(?:[0-7]\d{4}|8[0-5]\d{3}|86[0-3]\d\d)\.\d\d"


@dataclass(frozen=True)
class FileLayout:
    """How a version of the KPF pipeline names its files.

    Attributes
    ----------
    levels : data level to the suffix of its files, raw level first
    pattern : an ObsID, with groups `night` (YYYYMMDD) and `seconds` (SSSSS.ss)
    """

    levels: dict[str, str]
    pattern: str

    @property
    def raw(self) -> str:
        """The level that the telescope writes."""
        return next(iter(self.levels))

    @property
    def products(self) -> tuple[str, ...]:
        """The levels that the pipeline makes, in the order in which it makes them."""
        return tuple(self.levels)[1:]

    @cached_property
    def obsid_pattern(self) -> re.Pattern[str]:
        """Matches an ObsID."""
        return re.compile(self.pattern)

    @cached_property
    def filename_pattern(self) -> re.Pattern[str]:
        """Matches a file name of any level; groups `obsid` and `suffix`."""
        suffixes = "|".join(map(re.escape, self.levels.values()))
        return re.compile(rf"(?P<obsid>{self.pattern})(?P<suffix>{suffixes})\.fits")


KPF = FileLayout(
    levels={"L0": "", "2D": "_2D", "L1": "_L1", "L2": "_L2"},
    pattern=rf"KP\.(?P<night>{_DATE})\.(?P<seconds>{_SECONDS_OF_DAY})",
)
"""The names of the KPF Data Reduction Pipeline, version 2."""


@dataclass(frozen=True, order=True)
class ObsID:
    """One observation; sorts by time."""

    text: str

    def __post_init__(self) -> None:
        """Check the form."""
        if not KPF.obsid_pattern.fullmatch(self.text):
            raise InvalidInputError(
                f"{self.text!r} is not an ObsID",
                "write it as KP.YYYYMMDD.SSSSS.ss: a UT date, and less than 86,400 seconds",
            )

    @classmethod
    def parse(cls, name: str | Path) -> ObsID:
        """The ObsID of a file name or path of any level, with or without `.fits`."""
        stem = Path(name).name.removesuffix(".fits")
        for suffix in KPF.levels.values():
            if suffix and stem.endswith(suffix):
                stem = stem.removesuffix(suffix)
                break
        return cls(stem)

    @classmethod
    def try_parse(cls, name: str | Path) -> ObsID | None:
        """The ObsID of a file name or path; None if it is not an observation."""
        try:
            return cls.parse(name)
        except InvalidInputError:
            return None

    @property
    def night(self) -> str:
        """The UT date as YYYYMMDD; also the directory that holds the file."""
        return self.text[3:11]

    @property
    def time(self) -> datetime:
        """The time in the name, UTC."""
        midnight = datetime.strptime(self.night, "%Y%m%d").replace(tzinfo=UTC)
        return midnight + timedelta(seconds=float(self.text[12:]))

    def path(self, root: Path, level: str) -> Path:
        """The path of the file of that level."""
        return level_dir(root, level, self.night) / file_name(self.text, level)

    def __str__(self) -> str:
        return self.text


def file_name(obsid: str, level: str) -> str:
    """The name of an observation's file."""
    return f"{obsid}{KPF.levels[level]}.fits"


def level_dir(root: Path, level: str, night: str) -> Path:
    """The directory of one level and night."""
    return root / level / night


def validate_product_levels(levels: Sequence[str]) -> tuple[str, ...]:
    """Product levels in the order in which they are made.

    An unknown level, or none at all, is an `InvalidParameterError`.
    """
    unknown = [level for level in levels if level not in KPF.products]
    if unknown or not levels:
        raise InvalidParameterError(
            f"levels: {', '.join(unknown) or 'none given'}", f"known are {', '.join(KPF.products)}"
        )
    return tuple(level for level in KPF.products if level in levels)


def list_nights(
    root: Path, start: str = "", end: str = "", *, levels: Sequence[str] = (KPF.raw,)
) -> list[str]:
    """The nights from `start` to `end` (inclusive, '' is open) that have a directory of a level.

    If `start` is later than `end`, the newest night comes first. Only directories named by a date
    count. If no level has a directory, it is an `InvalidInputError`.
    """
    present = [root / level for level in levels if (root / level).is_dir()]
    if not present:
        absent = "" if root.is_dir() else ", which does not exist"
        raise InvalidInputError(
            f"no {levels[0]} directory in the data root {root}{absent}", ROOT_HINT
        )
    newest_first = bool(start and end and start > end)
    low, high = (end, start) if newest_first else (start, end)
    names = {path.name for directory in present for path in directory.iterdir()}
    chosen = {n for n in names if (not low or low <= n) and (not high or n <= high) and is_night(n)}
    nights = {n for n in chosen if any((directory / n).is_dir() for directory in present)}
    return sorted(nights, reverse=newest_first)


def is_night(name: str) -> bool:
    """Whether a name is a date that exists, YYYYMMDD."""
    try:
        return bool(check_night(name))
    except ValueError:
        return False


def check_placement(path: Path | str) -> str:
    """Why an observation's file is in the wrong directory; '' if it is not.

    The right one is `<level>/<night>`, by its name. Any place is right for a file of another name.
    """
    path = Path(path)
    match = KPF.filename_pattern.fullmatch(path.name)
    if not match:
        return ""
    levels = {suffix: level for level, suffix in KPF.levels.items()}
    directory = f"{levels[match['suffix']]}/{match['night']}"
    actual = "/".join(path.absolute().parts[-3:-1])
    return "" if actual == directory else f"it is in {actual}, and belongs in {directory}"


def list_misplaced_files(root: Path, level: str, night: str) -> list[Path]:
    """The files in the directory of a level and night that belong in another one, by name."""
    directory = level_dir(root, level, night)
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    right = night, KPF.levels[level]
    matches = filter(None, map(KPF.filename_pattern.fullmatch, names))
    return sorted(directory / m[0] for m in matches if (m["night"], m["suffix"]) != right)


def list_night_files(root: Path, level: str, night: str) -> Iterator[tuple[str, os.stat_result]]:
    """ObsID and status of each file of a level and night; nothing if there is no such directory.

    A file that vanished since the listing and a broken link are skipped. A directory that can't be
    listed is an `InvalidInputError`.
    """
    directory = level_dir(root, level, night)
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                match = KPF.filename_pattern.fullmatch(entry.name)
                if match and (match["night"], match["suffix"]) == (night, KPF.levels[level]):
                    with suppress(FileNotFoundError):
                        yield match["obsid"], entry.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InvalidInputError(
            f"can't list {directory}: {error.strerror}", "make it readable"
        ) from error


def read_first_column(path: Path | str) -> list[str]:
    """The first cell of each line without quotes and spaces, '' for a blank line.

    Lines are split by hand: an unbalanced quote in one row must not affect the rows below it.
    CRLF, a byte order mark and invalid UTF-8 are accepted. An unreadable file is an
    `InvalidInputError`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InvalidInputError(
            f"can't read the list {path}: {error.strerror}", "give the path of a CSV file"
        ) from None
    return [clean_name(line.split(",", 1)[0]) for line in text.splitlines()]


def clean_name(cell: str) -> str:
    """A name without the quotes and spaces around it."""
    return cell.strip().strip("\"'").strip()


def resolve_night(name: str) -> str:
    """The night that a user names, as YYYYMMDD or as the directory of its raw files.

    If it is a directory, its tree becomes the data root.

    Raises
    ------
    InvalidParameterError : no such date, or a directory that is not `L0/YYYYMMDD`
    InvalidInputError : no raw files of that night; the nearest nights are named
    """
    from kpfnb.core import settings

    night = name
    if not NIGHT_PATTERN.fullmatch(name):
        directory = _validate_raw_dir(Path(name))
        settings.export_to_environment(data_root=directory.parents[1])
        night = directory.name
    try:
        check_night(night)
    except ValueError as error:
        raise InvalidParameterError(f"night: {night!r}", str(error)) from None
    root = settings.load_settings().kpf_root
    nights = list_nights(root)
    if night not in nights:
        nearest = sorted(nights, key=lambda other: abs(int(other) - int(night)))
        named = ", ".join(sorted(nearest[:MAX_NEAREST_NIGHTS]))
        raise InvalidInputError(
            f"no raw files of night {night}: {root / KPF.raw / night} does not exist",
            f"the nearest are {named}" if named else "set KPFNB_DATA_ROOT",
        )
    return night


def _validate_raw_dir(directory: Path) -> Path:
    path = directory.absolute()
    if not path.is_dir():
        raise InvalidParameterError(
            f"night: {str(directory)!r}", "write YYYYMMDD, or an existing directory"
        )
    if not NIGHT_PATTERN.fullmatch(path.name) or path.parent.name != KPF.raw:
        raise InvalidParameterError(
            f"{directory} is not the directory of a night's raw files",
            f"it is named .../{KPF.raw}/YYYYMMDD: the products go beside {KPF.raw}",
        )
    return path
