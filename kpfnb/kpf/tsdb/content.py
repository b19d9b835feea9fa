"""What one file holds for the database: its keywords with their values, and what was odd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from kpfnb.fitscards import Value

PRIMARY, TELEMETRY, RV = "PRIMARY", "TELEMETRY", "RV"

_NAMED = 8
"""So many names are told in a note; the others are counted."""


class Trouble(StrEnum):
    """What was odd in a file that was taken all the same."""

    NO_TELEMETRY = "no TELEMETRY"
    EMPTY_TELEMETRY = "empty TELEMETRY"
    NO_RV = "no RV table"
    BAD_TABLE = "damaged table"
    NAN = "NaN"
    """Only these values are null."""
    NO_DATA = "nothing but a header"
    DUPLICATE = "duplicate cards"
    """The first counts."""
    WRONG_TYPE = "another type"
    """The keyword was a number before, and is a text in this file."""


INCOMPLETE = (
    *(Trouble.NO_TELEMETRY, Trouble.EMPTY_TELEMETRY, Trouble.NO_RV),
    *(Trouble.BAD_TABLE, Trouble.NO_DATA),
)
"""Such a file is better than none, but does not take the place of one that had all."""


class Note(NamedTuple):
    """Something odd in a file, with the keywords it is about."""

    trouble: Trouble
    detail: str


class Known(NamedTuple):
    """What tells whether a file has changed."""

    size: int
    modified_ns: int


class Keyword(NamedTuple):
    """Where a keyword is from."""

    level: str
    extension: str
    name: str


@dataclass(slots=True)
class Content:
    """One file, read.

    Attributes
    ----------
    read_ns : when the reading began, ns since 1970
    values : by extension and keyword
    comments : of the cards; the unit in brackets first, where one is known. Files that are read
        together share them: they are the same in all, and many
    """

    path: str
    obsid: str
    level: str
    known: Known
    read_ns: int
    values: dict[Keyword, Value] = field(default_factory=dict)
    comments: dict[Keyword, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, trouble: Trouble, names: Sequence[str]) -> None:
        """Note something odd about some keywords, if there are any."""
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            self.notes.append(Note(trouble, ", ".join(names[:_NAMED]) + more))

    def add(self, extension: str, name: str, value: Value, comment: str) -> None:
        """Add a keyword."""
        keyword = Keyword(self.level, extension, name)
        self.values[keyword] = value
        self.comments.setdefault(keyword, comment)
