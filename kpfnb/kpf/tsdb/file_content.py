"""The content of one file, as read: its keywords, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from kpfnb.core.fits.cards import HeaderValue

RV, GREEN_CCF = "RV", "GREEN_CCF"
"""Extensions of L2 whose headers are read."""

_MAX_NAMES = 8
"""A warning names this many keywords and counts the others."""


class FileWarningKind(StrEnum):
    """What is wrong with a file that was ingested nevertheless."""

    NO_TELEMETRY = "no TELEMETRY"
    EMPTY_TELEMETRY = "empty TELEMETRY"
    NO_RV = "no RV table"
    BAD_TABLE = "damaged table"
    NAN = "NaN"
    """Only the values of these keywords are null."""
    NO_DATA = "nothing but a header"
    DUPLICATE = "duplicate cards with different values"
    """The first card of a keyword counts."""
    REPEATED = "duplicate cards with the same value"
    ODD_VALUE = "value of another kind"
    """It is no value of its column; the text is kept beside it."""
    NUMBER_AS_TEXT = "number written as text"


INCOMPLETE_KINDS = (
    *(FileWarningKind.NO_TELEMETRY, FileWarningKind.EMPTY_TELEMETRY, FileWarningKind.NO_RV),
    *(FileWarningKind.BAD_TABLE, FileWarningKind.NO_DATA),
)
"""A file with one of these is ingested, but never replaces a complete one."""


NOTES = (FileWarningKind.REPEATED, FileWarningKind.NUMBER_AS_TEXT)
"""Nothing is lost: these are only noted."""


class FileWarning(NamedTuple):
    """A warning about a file, with the keywords concerned."""

    kind: FileWarningKind
    detail: str


class FileSignature(NamedTuple):
    """Size and modification time of a file; if either differs the file has changed."""

    size: int
    modified_ns: int


class Keyword(NamedTuple):
    """A keyword, with the level and the extension that it comes from."""

    level: str
    extension: str
    name: str


@dataclass(slots=True)
class FileContent:
    """The keywords of one file, as read.

    Attributes
    ----------
    read_ns : when the reading began, ns since 1970
    extensions : their names
    values : by extension and keyword
    comments : of the cards, a known unit in brackets first. Files that are read together share
        this dictionary: the many comments are the same in all of them
    """

    path: str
    obsid: str
    level: str
    signature: FileSignature
    read_ns: int
    extensions: tuple[str, ...] = ()
    values: dict[Keyword, HeaderValue] = field(default_factory=dict)
    comments: dict[Keyword, str] = field(default_factory=dict)
    warnings: list[FileWarning] = field(default_factory=list)

    def add_warning(self, kind: FileWarningKind, names: Sequence[str]) -> None:
        """Add a warning about keywords; nothing if `names` is empty."""
        if names:
            self.warnings.append(FileWarning(kind, join_names(names)))

    def add_keyword(self, extension: str, name: str, value: HeaderValue, comment: str) -> None:
        """Add a keyword with its value."""
        keyword = Keyword(self.level, extension, name)
        self.values[keyword] = value
        self.comments.setdefault(keyword, comment)


def join_names(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
