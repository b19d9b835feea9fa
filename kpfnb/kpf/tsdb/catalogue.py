"""The catalogue of keywords in the database; it grows as files are ingested."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb.batch import Keyword
from kpfnb.kpf.tsdb.schema import keyword_table
from kpfnb.kpf.tsdb.series import ValueKind, common_kind

_UNIT = re.compile(r"\[([^\]]*)\]\s*(.*)")
_MAX_SUGGESTIONS = 5


class KeywordEntry(NamedTuple):
    """One keyword of the catalogue, with kind, unit and description."""

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
    """All keywords of the given levels."""
    query = select(keyword_table).where(keyword_table.c.level.in_(list(levels)))
    return {entry.keyword: entry for entry in map(_entry_from_row, connection.execute(query))}


def register_keywords(
    connection: Connection, kinds: Mapping[Keyword, ValueKind], comments: Mapping[Keyword, str]
) -> tuple[dict[Keyword, int], dict[Keyword, ValueKind]]:
    """Add new keywords, and widen the kind of known ones where necessary.

    Returns
    -------
    the ids of all given keywords; and the old kind of each keyword that was widened
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
            changed = keyword_table.update().where(keyword_table.c.id == entry.id).values(kind=wide)
            connection.execute(changed)
    if new:
        connection.execute(keyword_table.insert(), new)
        known = read_keywords(connection, levels)
    return {keyword: known[keyword].id for keyword in kinds}, widened


def search_keywords(connection: Connection, pattern: str = "") -> list[KeywordEntry]:
    """The keywords whose name, unit or description matches a regular expression."""
    try:
        expression = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InvalidParameterError(
            f"pattern {pattern!r}: {error}", "write a valid regular expression"
        ) from None
    matching = (
        entry
        for entry in read_keywords(connection).values()
        if any(map(expression.search, (entry.keyword.name, entry.unit, entry.description)))
    )
    return sorted(matching, key=lambda entry: (_sort_key(entry.keyword), entry.keyword.name))


def resolve_names(connection: Connection, names: Iterable[str]) -> dict[str, KeywordEntry]:
    """The catalogue entry of each name: NAME (of the first level that has it) or LEVEL:NAME.

    Raises
    ------
    InvalidParameterError : a name is unknown; the message suggests similar ones
    """
    unique = list(dict.fromkeys(names))
    resolved = resolve_known_names(connection, unique)
    for name in unique:
        if name not in resolved:
            raise _unknown_name_error(connection, name)
    return resolved


def resolve_known_names(connection: Connection, names: Iterable[str]) -> dict[str, KeywordEntry]:
    """As `resolve_names`, but unknown names are left out."""
    bare = {name: _split_name(name)[1] for name in names}
    query = select(keyword_table).where(keyword_table.c.name.in_(sorted(set(bare.values()))))
    candidates: dict[str, list[KeywordEntry]] = {}
    for entry in map(_entry_from_row, connection.execute(query)):
        candidates.setdefault(entry.keyword.name, []).append(entry)
    resolved = {}
    for name in bare:
        level = _split_name(name)[0]
        matching = [e for e in candidates.get(bare[name], []) if level in ("", e.keyword.level)]
        if matching:
            resolved[name] = min(matching, key=lambda entry: _sort_key(entry.keyword))
    return resolved


def _unknown_name_error(connection: Connection, name: str) -> InvalidParameterError:
    known = sorted(set(connection.scalars(select(keyword_table.c.name))))
    spelling = {keyword.lower(): keyword for keyword in known}
    similar = difflib.get_close_matches(
        _split_name(name)[1].lower(), spelling, n=_MAX_SUGGESTIONS, cutoff=0.5
    )
    nearest = ", ".join(spelling[keyword] for keyword in similar)
    search = "search: kpfnb tsdb keywords PATTERN"
    return InvalidParameterError(
        f"unknown column {name!r}", f"nearest: {nearest}; {search}" if similar else search
    )


def _split_name(name: str) -> tuple[str, str]:
    """Level ('' for any) and keyword. A statistic has a colon too: SENSOR:stddev."""
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
