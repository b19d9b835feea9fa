"""The catalogue of keywords; it grows from the files themselves."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb.batch import Keyword
from kpfnb.kpf.tsdb.schema import keyword_table as table
from kpfnb.kpf.tsdb.series import ValueKind, common_kind

_UNIT = re.compile(r"\[([^\]]*)\]\s*(.*)")
_MAX_SUGGESTIONS = 5


class KeywordEntry(NamedTuple):
    """One keyword of the catalogue."""

    id: int
    keyword: Keyword
    kind: ValueKind
    unit: str
    description: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        shown = {**self.keyword._asdict(), "kind": str(self.kind)}
        return {**shown, "unit": self.unit, "description": self.description}


def read_keywords(
    connection: Connection, levels: Iterable[str] = KPF.levels
) -> dict[Keyword, KeywordEntry]:
    """All keywords of some levels."""
    query = select(table).where(table.c.level.in_(list(levels)))
    return {entry.keyword: entry for entry in map(_entry_from_row, connection.execute(query))}


def register_keywords(
    connection: Connection, kinds: Mapping[Keyword, ValueKind], comments: Mapping[Keyword, str]
) -> tuple[dict[Keyword, int], dict[Keyword, ValueKind]]:
    """Enter new keywords and widen those that need it.

    Returns
    -------
    the ids of all the keywords asked for; and those widened from a number, with the old kind
    """
    levels = {keyword.level for keyword in kinds}
    known = read_keywords(connection, levels)
    widened = {}
    new = []
    for keyword, kind in kinds.items():
        entry = known.get(keyword)
        if entry is None:
            new.append(_keyword_row(keyword, kind, comments.get(keyword, "")))
            continue
        wide = common_kind((entry.kind, kind))
        if wide is not entry.kind:
            widened[keyword] = entry.kind
            changed = table.update().where(table.c.id == entry.id).values(kind=wide)
            connection.execute(changed)
    if new:
        connection.execute(table.insert(), new)
        known = read_keywords(connection, levels)
    return {keyword: known[keyword].id for keyword in kinds}, widened


def search_keywords(connection: Connection, pattern: str = "") -> list[KeywordEntry]:
    """The keywords whose name, unit or description holds the pattern (a regular expression)."""
    try:
        asked = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InvalidParameterError(
            f"pattern {pattern!r}: {error}", "it is a regular expression"
        ) from None
    found = (
        entry
        for entry in read_keywords(connection).values()
        if any(map(asked.search, (entry.keyword.name, entry.unit, entry.description)))
    )
    return sorted(found, key=lambda entry: (_sort_key(entry.keyword), entry.keyword.name))


def resolve_names(connection: Connection, names: Iterable[str]) -> dict[str, KeywordEntry]:
    """The keyword that each name means: NAME, in the first level that has it, or LEVEL:NAME.

    Raises
    ------
    InvalidParameterError : a name is unknown; tells the nearest
    """
    asked = list(dict.fromkeys(names))
    meant = resolve_known_names(connection, asked)
    for name in asked:
        if name not in meant:
            raise _unknown_name_error(connection, name)
    return meant


def resolve_known_names(connection: Connection, names: Iterable[str]) -> dict[str, KeywordEntry]:
    """As `resolve`, the unknown names left out."""
    bare = {name: _split_name(name)[1] for name in names}
    query = select(table).where(table.c.name.in_(sorted(set(bare.values()))))
    found: dict[str, list[KeywordEntry]] = {}
    for entry in map(_entry_from_row, connection.execute(query)):
        found.setdefault(entry.keyword.name, []).append(entry)
    meant = {}
    for name in bare:
        level = _split_name(name)[0]
        choice = [e for e in found.get(bare[name], []) if level in ("", e.keyword.level)]
        if choice:
            meant[name] = min(choice, key=lambda entry: _sort_key(entry.keyword))
    return meant


def _unknown_name_error(connection: Connection, name: str) -> InvalidParameterError:
    known = sorted(set(connection.scalars(select(table.c.name))))
    spelt = {word.lower(): word for word in known}
    near = difflib.get_close_matches(
        _split_name(name)[1].lower(), spelt, n=_MAX_SUGGESTIONS, cutoff=0.5
    )
    nearest = ", ".join(spelt[word] for word in near)
    search = "search: kpfnb tsdb keywords PATTERN"
    return InvalidParameterError(
        f"unknown column {name!r}", f"nearest: {nearest}; {search}" if near else search
    )


def _split_name(name: str) -> tuple[str, str]:
    """Level ('' for any) and keyword; a statistic of a sensor has a colon too (SENSOR:stddev)."""
    level, colon, rest = name.partition(":")
    return (level, rest) if colon and level in KPF.levels else ("", name)


def _sort_key(keyword: Keyword) -> tuple[int, str]:
    return list(KPF.levels).index(keyword.level), keyword.extension


def _keyword_row(keyword: Keyword, kind: ValueKind, comment: str) -> dict[str, str]:
    match = _UNIT.fullmatch(comment)
    unit, description = match.groups() if match else ("", comment)
    return {**keyword._asdict(), "kind": kind, "unit": unit, "description": description}


def _entry_from_row(row: Any) -> KeywordEntry:
    keyword = Keyword(row.level, row.extension, row.name)
    return KeywordEntry(row.id, keyword, ValueKind(row.kind), row.unit, row.description)
