"""The stars in the time-series database, and a star by its name as people type it.

KPF's headers name a target by OBJECT and TARGNAME. Spaces, hyphens, underscores and case do not
count, nor does a leading HD before a number: KPF writes 10700 for HD 10700.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.keyword_query import query

if TYPE_CHECKING:
    import pandas as pd

STAR_SOURCE = "Star"
NAME_KEYWORDS = ("OBJECT", "TARGNAME")
MAX_SUGGESTIONS = 5

_IGNORED = re.compile(r"[\s_-]+")
_HD_NUMBER = re.compile(r"hd(\d+[a-z]?)")


class Star(NamedTuple):
    """A star in the database.

    Attributes
    ----------
    name : as most of its headers write it
    key : the same for all spellings of the name
    aliases : the keys of its other names
    observations, nights : how many
    first, last : nights (YYYYMMDD)
    """

    name: str
    key: str
    aliases: frozenset[str]
    observations: int
    nights: int
    first: str
    last: str


def name_key(name: str) -> str:
    """A name without what people write differently: case, spaces, hyphens, HD before a number."""
    key = _IGNORED.sub("", name.casefold())
    match = _HD_NUMBER.fullmatch(key)
    return match[1] if match else key


def query_known(columns: Iterable[str], start: str = "", end: str = "") -> pd.DataFrame:
    """As `query` of the observations of stars; keywords that no file has are left out."""
    with database.read_transaction() as connection:
        known = catalogue.resolve_known_names(connection, columns)
    return query(list(known), start, end, source=STAR_SOURCE)


def list_stars() -> list[Star]:
    """All stars with observations that are not junk, by name."""
    import pandas as pd

    frame = query_known(NAME_KEYWORDS)
    if frame.empty or not any(name in frame for name in NAME_KEYWORDS):
        return []
    names = star_names(frame)
    last = next(name for name in reversed(NAME_KEYWORDS) if name in frame)
    nights = frame.index.str.slice(3, 11)
    rows = pd.DataFrame(
        {
            "key": star_keys(frame),
            "main": names,
            "night": nights,
            "alias": frame[last].fillna(""),
        }
    )
    grouped = rows[rows["key"] != ""].groupby("key", sort=True)
    counts = grouped["night"].agg(["size", "nunique", "min", "max"])
    spellings = grouped["main"].agg(lambda texts: texts.value_counts().index[0])
    aliases = grouped["alias"].unique()
    return [
        Star(spellings[key], key, _other_keys(aliases[key], key), *row)
        for key, row in zip(counts.index, counts.itertuples(index=False, name=None), strict=True)
    ]


def star_names(frame: pd.DataFrame) -> pd.Series[str]:
    """The name of each observation: OBJECT, or TARGNAME where there is no OBJECT."""
    import pandas as pd

    names = pd.Series("", index=frame.index, dtype=object)
    for column in NAME_KEYWORDS:
        if column in frame:
            names = names.where(names != "", frame[column].fillna("").astype(object))
    return names


def star_keys(frame: pd.DataFrame) -> pd.Series[str]:
    """The key of each observation's name."""
    names = star_names(frame)
    return names.map({name: name_key(name) for name in names.unique()})


def _other_keys(names: Iterable[str], key: str) -> frozenset[str]:
    return frozenset(filter(None, map(name_key, names))) - {key}


def find_star(name: str, stars: Sequence[Star]) -> Star:
    """The star of a name.

    Raises
    ------
    InvalidParameterError : there is none, or several; the message suggests names
    InvalidInputError : there are no stars at all
    """
    if not stars:
        raise InvalidInputError(
            "the time-series database has no observations of stars",
            "ingest nights: kpfnb ingest START END",
        )
    key = name_key(name)
    matching = [star for star in stars if star.key == key]
    matching = matching or [star for star in stars if key in star.aliases]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(star.name for star in matching)
        raise InvalidParameterError(f"several stars have the name {name!r}", f"give one of {names}")
    raise InvalidParameterError(
        f"no star {name!r} in the time-series database", _suggest_stars(key, stars)
    )


def _suggest_stars(key: str, stars: Sequence[Star]) -> str:
    by_key = {star.key: star.name for star in stars}
    similar: Collection[str] = [
        other for other in by_key if len(key) > 1 and (other.startswith(key) or key in other)
    ][:MAX_SUGGESTIONS]
    similar = similar or difflib.get_close_matches(key, by_key, n=MAX_SUGGESTIONS)
    names = ", ".join(by_key[other] for other in similar)
    return f"did you mean {names}?" if names else "list of the stars: kpfnb star --list"
