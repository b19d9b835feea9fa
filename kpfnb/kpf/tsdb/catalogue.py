"""The catalogue of keywords; it grows from the files themselves."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from kpfnb.errors import BadParameter
from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.tsdb.content import Keyword
from kpfnb.kpf.tsdb.kinds import Kind, widest
from kpfnb.kpf.tsdb.layout import keyword as table

_UNIT = re.compile(r"\[([^\]]*)\]\s*(.*)")
_NEAR = 5


class Entry(NamedTuple):
    """One keyword of the catalogue."""

    id: int
    keyword: Keyword
    kind: Kind
    unit: str
    description: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        shown = {**self.keyword._asdict(), "kind": str(self.kind)}
        return {**shown, "unit": self.unit, "description": self.description}


def read(connection: Connection, levels: Iterable[str] = KPF.levels) -> dict[Keyword, Entry]:
    """All keywords of some levels."""
    query = select(table).where(table.c.level.in_(list(levels)))
    return {entry.keyword: entry for entry in map(_entry, connection.execute(query))}


def learn(
    connection: Connection, kinds: Mapping[Keyword, Kind], comments: Mapping[Keyword, str]
) -> tuple[dict[Keyword, int], dict[Keyword, Kind]]:
    """Enter new keywords and widen those that need it.

    Returns
    -------
    the ids of all the keywords asked for; and those widened from a number, with the old kind
    """
    levels = {keyword.level for keyword in kinds}
    known = read(connection, levels)
    widened = {}
    new = []
    for keyword, kind in kinds.items():
        entry = known.get(keyword)
        if entry is None:
            new.append(_row(keyword, kind, comments.get(keyword, "")))
            continue
        wide = widest((entry.kind, kind))
        if wide is not entry.kind:
            widened[keyword] = entry.kind
            changed = table.update().where(table.c.id == entry.id).values(kind=wide)
            connection.execute(changed)
    if new:
        connection.execute(table.insert(), new)
        known = read(connection, levels)
    return {keyword: known[keyword].id for keyword in kinds}, widened


def search(connection: Connection, pattern: str = "") -> list[Entry]:
    """The keywords whose name, unit or description holds the pattern (a regular expression)."""
    try:
        asked = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadParameter(f"pattern {pattern!r}: {error}", "it is a regular expression") from None
    found = (
        entry
        for entry in read(connection).values()
        if any(map(asked.search, (entry.keyword.name, entry.unit, entry.description)))
    )
    return sorted(found, key=lambda entry: (_rank(entry.keyword), entry.keyword.name))


def resolve(connection: Connection, names: Iterable[str]) -> dict[str, Entry]:
    """The keyword that each name means: NAME, in the first level that has it, or LEVEL:NAME.

    Raises
    ------
    BadParameter : a name is unknown; tells the nearest
    """
    asked = list(dict.fromkeys(names))
    meant = known(connection, asked)
    for name in asked:
        if name not in meant:
            raise _unknown(connection, name)
    return meant


def known(connection: Connection, names: Iterable[str]) -> dict[str, Entry]:
    """As `resolve`, the unknown names left out."""
    bare = {name: _split(name)[1] for name in names}
    query = select(table).where(table.c.name.in_(sorted(set(bare.values()))))
    found: dict[str, list[Entry]] = {}
    for entry in map(_entry, connection.execute(query)):
        found.setdefault(entry.keyword.name, []).append(entry)
    meant = {}
    for name in bare:
        level = _split(name)[0]
        choice = [e for e in found.get(bare[name], []) if level in ("", e.keyword.level)]
        if choice:
            meant[name] = min(choice, key=lambda entry: _rank(entry.keyword))
    return meant


def _unknown(connection: Connection, name: str) -> BadParameter:
    known = sorted(set(connection.scalars(select(table.c.name))))
    spelt = {word.lower(): word for word in known}
    near = difflib.get_close_matches(_split(name)[1].lower(), spelt, n=_NEAR, cutoff=0.5)
    nearest = ", ".join(spelt[word] for word in near)
    search = "search: kpfnb tsdb keywords PATTERN"
    return BadParameter(
        f"unknown column {name!r}", f"nearest: {nearest}; {search}" if near else search
    )


def _split(name: str) -> tuple[str, str]:
    """Level ('' for any) and keyword; a statistic of a sensor has a colon too (SENSOR:stddev)."""
    level, colon, rest = name.partition(":")
    return (level, rest) if colon and level in KPF.levels else ("", name)


def _rank(keyword: Keyword) -> tuple[int, str]:
    return list(KPF.levels).index(keyword.level), keyword.extension


def _row(keyword: Keyword, kind: Kind, comment: str) -> dict[str, str]:
    match = _UNIT.fullmatch(comment)
    unit, description = match.groups() if match else ("", comment)
    return {**keyword._asdict(), "kind": kind, "unit": unit, "description": description}


def _entry(row: Any) -> Entry:
    keyword = Keyword(row.level, row.extension, row.name)
    return Entry(row.id, keyword, Kind(row.kind), row.unit, row.description)
